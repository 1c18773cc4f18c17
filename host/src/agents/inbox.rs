//! Reading an agent's inbox: whatever it holds is durable at the API until a checkpoint covers it.

use std::sync::Arc;

use wire::{AgentId, agent::Status, host::Reply};

use super::Agents;
use crate::{
    agent::Shared,
    link::{Link, Pauses},
};

impl Agents {
    pub(super) fn nudge(&self, id: AgentId, epoch: u64) -> Reply {
        match self.placed(id, epoch) {
            Err(reply) => reply,
            Ok(placed) if placed.parked.is_some() => Reply::Gone {},
            Ok(placed) => {
                self.pull(&placed.shared);
                Reply::Done {}
            }
        }
    }

    /// Reads what is in the inbox, as far as the agent takes it: while it runs, since where to go on is in its checkpoint.
    /// One reader at a time; a nudge that comes meanwhile has it look once more.
    pub(super) fn pull(&self, shared: &Arc<Shared>) {
        if !shared.pulls.begin() {
            return;
        }
        let (link, shared) = (self.means.link.clone(), shared.clone());
        tokio::spawn(async move {
            loop {
                if let Some(link) = link.get() {
                    while shared.live().borrow().status == Status::Running && page(link, &shared).await {}
                }
                if shared.pulls.end() {
                    return;
                }
            }
        });
    }
}

/// Reads entries as soon as there is room for one; whether there may be more.
async fn page(link: &Link, shared: &Shared) -> bool {
    shared.mailbox.wants_messages().await;
    let mut pauses = Pauses::new();
    let page = loop {
        match link.inbox(shared.id, shared.epoch(), shared.mailbox.inbox()).await {
            Ok(page) => break page,
            // Another placement counts.
            Err(error) if error.is_final() => return false,
            Err(error) => {
                tracing::debug!(agent = %shared.id, %error, "the inbox is not read yet");
                pauses.pause().await;
            }
        }
        if shared.live().borrow().is_over() {
            return false;
        }
    };
    for delivery in &page {
        if !shared.mailbox.message(delivery, shared.timeline()) {
            // What finds no room is read again.
            break;
        }
    }
    !page.is_empty()
}
