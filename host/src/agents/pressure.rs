//! When memory is short, agents that have been idle the longest are suspended, and no new ones are taken.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use wire::{
    AgentId,
    agent::{Status, StatusReason},
    host::Reply,
};

use super::Agents;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Of the agents that could be suspended, one in so many goes at a time.
const SHARE: usize = 20;
/// Below this part of the limit new agents are taken again, in percent.
const EASED: u64 = 95;
/// An agent that was busy so recently is not suspended.
const BUSY: Duration = Duration::from_secs(2);

impl Agents {
    /// Keeps the process below `limit` bytes of anonymous memory, until `stop`.
    pub(crate) async fn relieve(self: Arc<Self>, limit: u64, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let used = crate::link::anonymous_memory();
            self.short.store(used > limit / 100 * EASED, Ordering::Relaxed);
            if used > limit {
                let idle = self.longest_idle();
                tracing::warn!(used, limit, agents = idle.len(), "memory is short: suspending idle agents");
                let each = idle.into_iter().map(|(id, epoch)| self.make_room(id, epoch));
                futures_util::future::join_all(each).await;
            }
        }
    }

    async fn make_room(&self, id: AgentId, epoch: u64) {
        let reply = self.suspend(id, epoch, StatusReason::InsufficientCapacity, BUSY).await;
        if let Reply::Refused { refusal } = reply {
            tracing::info!(agent = %id, detail = refusal.detail, "an idle agent stays");
        }
    }

    fn longest_idle(&self) -> Vec<(AgentId, u64)> {
        let entries = self.entries();
        let mut idle: Vec<_> = entries
            .iter()
            .filter(|(_, entry)| {
                let runs = entry.shared.live().borrow().status == Status::Running;
                let rests = entry.shared.mailbox.is_idle() && !entry.shared.is_asking();
                runs && entry.shared.is_suspendable() && rests
            })
            .map(|(id, entry)| (entry.shared.idle_for(), *id, entry.shared.epoch()))
            .filter(|(idle, ..)| *idle >= BUSY)
            .collect();
        idle.sort_unstable_by(|one, two| two.cmp(one));
        idle.truncate((idle.len() / SHARE).max(1));
        idle.into_iter().map(|(_, id, epoch)| (id, epoch)).collect()
    }
}
