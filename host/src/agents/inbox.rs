//! Reading an agent's inbox: whatever it holds is durable at the API until a checkpoint covers it.

use std::{sync::Arc, time::Duration};

use wire::{AgentId, agent::Status, host::Reply};

use super::Agents;
use crate::agent::Shared;

/// Between two tries, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(5);

impl Agents {
    pub(super) fn nudge(&self, id: AgentId, epoch: u64) -> Reply {
        match self.placed(id, epoch) {
            Err(reply) => reply,
            Ok(placed) if placed.parked.is_some() => Reply::Gone {},
            Ok(placed) => {
                let status = placed.shared.live().borrow().status;
                if matches!(status, Status::Starting | Status::Resuming) {
                    // It reads its inbox once it knows where to go on in it.
                    return Reply::Done {};
                }
                self.pull(&placed.shared, placed.shared.timeline());
                Reply::Done {}
            }
        }
    }

    /// Reads what is in the inbox, as far as the agent takes it. One reader at a time; a nudge that comes meanwhile has it
    /// look once more.
    pub(super) fn pull(&self, shared: &Arc<Shared>, timeline: u64) {
        if !shared.pulls.begin() {
            return;
        }
        let (link, shared) = (self.means.link.clone(), shared.clone());
        tokio::spawn(async move {
            let mut wait = RETRY;
            while !shared.live().borrow().is_over() {
                shared.mailbox.wants_messages().await;
                let Some(link) = link.get() else { break };
                let page = match link.inbox(shared.id, shared.epoch(), shared.mailbox.inbox()).await {
                    Ok(page) => page,
                    // Another placement counts.
                    Err(error) if error.is_final() => break,
                    Err(error) => {
                        tracing::debug!(agent = %shared.id, %error, "the inbox is not read yet");
                        tokio::time::sleep(wait).await;
                        wait = (wait * 2).min(MAX_RETRY);
                        continue;
                    }
                };
                wait = RETRY;
                let is_empty = page.is_empty();
                for delivery in page {
                    if !shared.mailbox.message(&delivery, timeline) {
                        break;
                    }
                }
                if is_empty && shared.pulls.end() {
                    return;
                }
            }
            shared.pulls.stop();
        });
    }
}
