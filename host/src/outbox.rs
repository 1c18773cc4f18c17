//! Messages on their way out. Each is tried until the API took it: sent again, it is the same message.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::task::AbortHandle;
use wire::message::Send;

use crate::{agent::Shared, link::Link};

/// Between two tries, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// See the module. Without an API nothing leaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    link: Arc<OnceLock<Arc<Link>>>,
    timeline: u64,
}

impl Outbox {
    /// The way out for the agents of a host, once it is known.
    pub(crate) fn new(link: Arc<OnceLock<Arc<Link>>>) -> Self {
        Self { link, timeline: 0 }
    }

    /// For one life of an agent.
    pub(crate) fn of(&self, timeline: u64) -> Self {
        Self { link: self.link.clone(), timeline }
    }

    /// Begins to send a message; its result comes through the agent's inbox.
    pub(crate) fn send(
        &self,
        agent: &Arc<Shared>,
        op: u64,
        to: String,
        content_type: String,
        body: Vec<u8>,
    ) -> AbortHandle {
        let (link, agent) = (self.link.clone(), agent.clone());
        let send = Send { epoch: agent.epoch(), timeline: self.timeline, op, to, content_type, body };
        let task = tokio::spawn(async move {
            let Some(link) = link.get() else { return };
            let mut wait = RETRY;
            while let Err(error) = link.send(agent.id, &send).await {
                if error.is_final() {
                    // Another placement counts: it sends this itself.
                    tracing::warn!(agent = %agent.id, op, %error, "a message was refused");
                    return;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(MAX_RETRY);
            }
            points::reach(points::Point::Left, [agent.id]).await;
        });
        task.abort_handle()
    }
}
