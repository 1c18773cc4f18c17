//! Ending agents: one of them for good, or all of them because the host goes.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use wire::{
    AgentId,
    agent::StatusReason,
    checkpoint::CheckpointKind,
    host::{Reply, ReportEvent, Then},
};

use super::{Agents, Entry, MAX_GRACE, Stopping, moved};
use crate::{
    agent::{Live, ask::What},
    bindings::agent::openclaw::agent::types as wit,
    persist,
};

impl Agents {
    pub(super) async fn stop(
        &self,
        id: AgentId,
        epoch: u64,
        reason: StatusReason,
        grace: Duration,
        purge: bool,
    ) -> Reply {
        let reply = match self.placed(id, epoch) {
            Err(Reply::Gone {}) => Reply::Gone {},
            Err(refusal) => return refusal,
            Ok(placed) => {
                if placed.parked.is_none() {
                    self.end(&placed, Stopping::End(reason), wit::StopReason::UserRequest, grace).await;
                }
                self.forget(&placed.shared);
                if !placed.shared.live().borrow().is_over() {
                    let status = wire::agent::Status::Terminated;
                    placed.shared.set_live(Live { status, reason: Some(reason), detail: None, moved: false });
                }
                Reply::Stopped {}
            }
        };
        if purge {
            self.purge(id).await;
        }
        reply
    }

    /// Lets an agent come to rest within `grace`, ends it, and waits until it is over, or parked where it was being
    /// suspended at the same time.
    pub(super) async fn end(&self, placed: &Entry, how: Stopping, reason: wit::StopReason, grace: Duration) {
        placed.stopping.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(how);
        let mut live = placed.shared.live();
        if !grace.is_zero() && !live.borrow().is_over() {
            let grace = grace.min(MAX_GRACE);
            let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            placed.shared.mailbox.stop(wit::Stop { reason, grace_ms });
            // Not within its grace: ended all the same.
            let _ = tokio::time::timeout(grace, live.wait_for(Live::is_settled)).await;
        }
        placed.shared.kill.cancel();
        // Its sender lives in `shared`, so this ends only when the agent's task has.
        let _ = live.wait_for(Live::is_settled).await;
    }

    pub(super) async fn purge(&self, id: AgentId) {
        let dir = self.dir_of(id);
        let removed = tokio::task::spawn_blocking(move || persist::remove(&dir)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(agent = %id, %error, "the workspace is not removed");
        }
    }

    /// Waits for the answers that agents of this host wait for elsewhere, at most `grace`.
    pub(crate) async fn land_requests(&self, grace: Duration) {
        self.means.services.outbox.land(grace).await;
    }

    /// Gives up every agent: each is committed as it is between two events, so that it goes on elsewhere. One that does
    /// not come to rest within `grace` goes on from its last checkpoint.
    pub(crate) async fn release_all(self: &Arc<Self>, grace: Duration) {
        self.cordon();
        let all: Vec<_> = self.entries().iter().map(|(id, e)| (*id, e.shared.epoch())).collect();
        let each = all.into_iter().filter_map(|(id, epoch)| self.placed(id, epoch).ok());
        futures_util::future::join_all(each.map(|placed| self.release(placed, grace))).await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn release(&self, placed: Entry, grace: Duration) {
        if placed.parked.is_some() {
            return self.leave_park(&placed);
        }
        if placed.shared.live().borrow().is_over() {
            return;
        }
        if placed.shared.is_suspendable() {
            let what =
                What::Checkpoint { kind: CheckpointKind::Automatic, note: None, then: Then::Release {} };
            // Whatever came of it, what is left is ended.
            if self.ask(&placed, what, grace).await.is_ok() {
                let _ = placed.shared.live().wait_for(Live::is_over).await;
                return;
            }
            self.end(&placed, Stopping::Release, wit::StopReason::HostDrain, Duration::ZERO).await;
            if !placed.shared.live().borrow().is_over() {
                self.leave_park(&placed);
            }
            return;
        }
        self.end(&placed, Stopping::Release, wit::StopReason::HostDrain, grace).await;
    }

    /// Sends a parked agent's sockets to another host.
    fn leave_park(&self, placed: &Entry) {
        self.forget(&placed.shared);
        self.report(&placed.shared, ReportEvent::Unparked {});
        placed.shared.set_live(moved(StatusReason::HostDrain));
    }

    /// Ends agents that belong to somebody else now, keeping nothing.
    pub(crate) async fn drop_agents(&self, placements: &[(AgentId, u64)]) {
        for (id, epoch) in placements {
            // A placement that came meanwhile has another epoch, and stays.
            self.stop(*id, *epoch, StatusReason::HostLost, Duration::ZERO, false).await;
        }
    }
}
