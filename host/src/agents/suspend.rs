//! Asking an agent's task for something between two of its events.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use points::{Point, reach};
use tokio::sync::oneshot;
use wire::{
    AgentId, CheckpointId, Digest,
    agent::StatusReason,
    checkpoint::CheckpointKind,
    host::{RefusalCode, Reply, Then},
};

use super::{Agents, Entry, MAX_GRACE, Stopping, refusal};
use crate::{
    agent::{
        Live,
        ask::{Ask, AskError, What},
    },
    checkpoints::committer::CommitError,
};

/// Why what was asked was not done.
pub(super) enum NotDone {
    Refused(AskError),
    /// It did not come to rest in time.
    Busy,
    /// It ended meanwhile.
    Over,
}

impl Agents {
    /// Asks, and waits for as long as the agent comes to rest within `grace`. What it has begun by then is waited for.
    pub(super) async fn ask(
        &self,
        placed: &Entry,
        what: What,
        grace: Duration,
    ) -> Result<Option<CheckpointId>, NotDone> {
        let begun = Arc::new(AtomicBool::new(false));
        let (answer, mut answered) = oneshot::channel();
        let ask = Ask { what, begun: begun.clone(), answer };
        let asking = async {
            if placed.asks.send(ask).await.is_err() {
                return Err(NotDone::Over);
            }
            answer_of((&mut answered).await)
        };
        match tokio::time::timeout(grace.min(MAX_GRACE), asking).await {
            Ok(asked) => asked,
            Err(_) if begun.load(Ordering::SeqCst) => answer_of(answered.await),
            Err(_) => {
                answered.close();
                // It may have begun, or even been done, just now.
                match answered.try_recv() {
                    Ok(answer) => answer_of(Ok(answer)),
                    Err(_) => Err(NotDone::Busy),
                }
            }
        }
    }

    pub(super) async fn suspend(
        &self,
        id: AgentId,
        epoch: u64,
        reason: StatusReason,
        grace: Duration,
    ) -> Reply {
        let placed = match self.placed(id, epoch) {
            Ok(placed) => placed,
            Err(reply) => return reply,
        };
        if placed.parked.is_some() {
            return Reply::Suspended { rolled_back: false };
        }
        if !placed.shared.is_suspendable() {
            return refusal(RefusalCode::NotSuspendable, "its image cannot be checkpointed");
        }
        let then = Then::Suspend { reason, parked: placed.shared.is_watched() };
        let what = What::Checkpoint { kind: CheckpointKind::Automatic, note: None, then };
        match self.ask(&placed, what, grace).await {
            Ok(_) => {
                reach(Point::Suspended, [id]).await;
                // Answered before its task has ended: a resume that follows must find it ended.
                self.settled(&placed).await;
                Reply::Suspended { rolled_back: false }
            }
            Err(NotDone::Busy) => {
                placed
                    .stopping
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(Stopping::Suspend(reason));
                placed.shared.kill.cancel();
                self.settled(&placed).await;
                Reply::Suspended { rolled_back: true }
            }
            Err(not_done) => not_done.reply(grace),
        }
    }

    /// Waits until a suspended agent's task has ended, and it is parked or forgotten.
    async fn settled(&self, placed: &Entry) {
        let _ = placed.shared.live().wait_for(Live::is_settled).await;
    }

    pub(super) async fn checkpoint(
        &self,
        id: AgentId,
        epoch: u64,
        kind: CheckpointKind,
        note: Option<String>,
        grace: Duration,
    ) -> Reply {
        let placed = match self.placed(id, epoch) {
            Ok(placed) => placed,
            Err(reply) => return reply,
        };
        let what = What::Checkpoint { kind, note, then: Then::Run {} };
        match self.ask(&placed, what, grace).await {
            Ok(Some(id)) => Reply::Checkpointed { id },
            Ok(None) => Reply::Gone {},
            Err(not_done) => not_done.reply(grace),
        }
    }

    pub(super) async fn upgrade(&self, id: AgentId, epoch: u64, image: &Digest, grace: Duration) -> Reply {
        let placed = match self.placed(id, epoch) {
            Ok(placed) => placed,
            Err(reply) => return reply,
        };
        let Some(image) = self.means.images.get(image).await else {
            return refusal(RefusalCode::UnknownImage, format!("no image {image} on this host"));
        };
        match self.ask(&placed, What::Upgrade(image), grace).await {
            Ok(_) => Reply::Upgraded {},
            Err(not_done) => not_done.reply(grace),
        }
    }
}

impl NotDone {
    fn reply(self, grace: Duration) -> Reply {
        match self {
            Self::Refused(error) => refused_by(&error),
            Self::Over => Reply::Gone {},
            Self::Busy => refusal(
                RefusalCode::Timeout,
                format!("its present event did not end within {} s", grace.as_secs_f32()),
            ),
        }
    }
}

fn answer_of(
    answer: Result<Result<Option<CheckpointId>, AskError>, oneshot::error::RecvError>,
) -> Result<Option<CheckpointId>, NotDone> {
    match answer {
        Ok(answer) => answer.map_err(NotDone::Refused),
        Err(_) => Err(NotDone::Over),
    }
}

fn refused_by(error: &AskError) -> Reply {
    let code = match error {
        AskError::NotSuspendable(_) => RefusalCode::NotSuspendable,
        AskError::NotUpgradable(_) => RefusalCode::NotUpgradable,
        AskError::Commit(CommitError::Stale) => RefusalCode::StaleEpoch,
        AskError::Commit(_) => RefusalCode::StoreUnavailable,
    };
    refusal(code, error.to_string())
}
