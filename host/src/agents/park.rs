//! Suspended agents whose sockets are served: screen and log are here, an instance is not. A key press is reported; when
//! the last socket is gone, so is the rest.

use std::{sync::Arc, time::Duration};

use wire::{
    AgentId,
    agent::{Status, StatusReason},
    host::{Park, RefusalCode, Reply, ReportEvent},
};

use super::{Agents, Entry, moved, refusal};
use crate::{
    agent::{Live, Shared},
    checkpoints::restore,
    journal::Journal,
    terminal::{inputs::Inputs, log::TerminalLog},
};

/// A page that is loaded again is back within this; then the agent is not served any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// A key press that was reported is reported again after this, if the agent still rests.
const REMIND: Duration = Duration::from_secs(2);

fn resting(reason: Option<StatusReason>) -> Live {
    Live { status: Status::Suspended, reason, detail: None, moved: false }
}

impl Agents {
    /// An agent is suspended now: parked while sockets are on it, forgotten otherwise.
    pub(super) async fn rest(self: &Arc<Self>, shared: &Arc<Shared>, reason: StatusReason) {
        self.keep_files(shared).await;
        shared.set_workspace(None);
        let parked = {
            let mut entries = self.entries();
            match entries.get_mut(&shared.id).filter(|entry| std::ptr::eq(&*entry.shared, &**shared)) {
                Some(entry) if shared.is_watched() => {
                    entry.parked = shared.rests_at();
                    entry.parked.is_some()
                }
                _ => false,
            }
        };
        if parked {
            shared.mailbox.rest();
            shared.set_live(resting(Some(reason)));
            self.watch(shared);
        } else {
            shared.mailbox.close();
            self.forget(shared);
            self.report(shared, ReportEvent::Unparked {});
            shared.set_live(moved(reason));
        }
    }

    pub(super) async fn park(self: &Arc<Self>, park: Park) -> Reply {
        if let Some(present) = self.get(park.agent) {
            let epoch = present.epoch();
            if epoch == park.epoch {
                return Reply::Done {};
            }
            if epoch > park.epoch {
                return refusal(RefusalCode::StaleEpoch, format!("epoch {epoch} is here"));
            }
        }
        let stored = match restore::screen(&self.means.services.depot, &park.checkpoint).await {
            Ok(stored) => stored,
            Err(error) => return Reply::Refused { refusal: error.refusal() },
        };
        let terminal = TerminalLog::restored(&stored.terminal, stored.terminal.generation);
        let shared = Shared::new(park.agent, park.epoch, terminal, None);
        *shared.journal() = Journal::restored(&stored.journal, stored.journal.generation, false);
        *shared.inputs() = Inputs::restored(&stored.inputs);
        shared.set_suspendable(true);
        shared.mailbox.rest();
        shared.set_live(resting(park.reason));
        let (asks, _) = tokio::sync::mpsc::channel(1);
        let entry = Entry {
            shared: shared.clone(),
            stopping: Arc::default(),
            asks,
            parked: Some(park.checkpoint.id),
        };
        self.entries().insert(park.agent, entry);
        self.watch(&shared);
        Reply::Done {}
    }

    pub(super) fn unpark(&self, id: AgentId, epoch: u64) -> Reply {
        match self.placed(id, epoch) {
            Err(reply) => reply,
            Ok(placed) if placed.parked.is_none() => Reply::Gone {},
            Ok(placed) => {
                self.forget(&placed.shared);
                placed.shared.mailbox.close();
                placed.shared.set_live(moved(StatusReason::Restoring));
                Reply::Done {}
            }
        }
    }

    /// Looks after a parked agent until it is none any more.
    fn watch(self: &Arc<Self>, shared: &Arc<Shared>) {
        let (agents, shared) = (Arc::downgrade(self), shared.clone());
        tokio::spawn(async move {
            let mut live = shared.live();
            loop {
                let awake = async {
                    let _ = live.wait_for(|live| live.status != Status::Suspended).await;
                };
                tokio::select! {
                    // It runs again, or it is gone.
                    () = awake => return,
                    () = shared.wanted() => {
                        let Some(agents) = agents.upgrade() else { return };
                        agents.report(&shared, ReportEvent::Wanted {});
                        drop(agents);
                        tokio::time::sleep(REMIND).await;
                        if !shared.mailbox.is_idle() {
                            shared.want();
                        }
                    }
                    () = abandoned(&shared) => {
                        let Some(agents) = agents.upgrade() else { return };
                        let mut entries = agents.entries();
                        let parked = entries.get(&shared.id).is_some_and(|entry| {
                            entry.parked.is_some() && std::ptr::eq(&*entry.shared, &*shared)
                        });
                        // Asked again under the lock: what comes in later finds it gone and parks it anew.
                        if !parked || shared.is_watched() || !shared.mailbox.is_idle() {
                            continue;
                        }
                        entries.remove(&shared.id);
                        drop(entries);
                        agents.report(&shared, ReportEvent::Unparked {});
                        shared.mailbox.close();
                        shared.set_live(moved(StatusReason::IdleTimeout));
                        return;
                    }
                }
            }
        });
    }
}

/// Resolves when no socket was there for a while.
async fn abandoned(shared: &Shared) {
    let mut presence = shared.presence();
    loop {
        if presence.wait_for(|present| present.operators + present.viewers == 0).await.is_err() {
            return;
        }
        let back = presence.wait_for(|present| present.operators + present.viewers > 0);
        if tokio::time::timeout(PATIENCE, back).await.is_err() {
            return;
        }
    }
}
