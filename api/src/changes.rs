//! Wakes whoever waits for an agent's row to change. Every write of a row by this process is told
//! here, so a long poll costs one read per change and none in between.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Notify, futures::Notified};
use wire::AgentId;

/// Agents share this many bells; ringing one wakes waiters of the others on it, who look and wait on.
const BELLS: usize = 256;

/// The bells.
#[derive(Debug)]
pub(crate) struct Changes(Vec<Notify>);

impl Default for Changes {
    fn default() -> Self {
        Self(std::iter::repeat_with(Notify::new).take(BELLS).collect())
    }
}

impl Changes {
    fn bell(&self, id: AgentId) -> &Notify {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % BELLS as u64).unwrap_or_default();
        &self.0[index]
    }

    /// Tells that an agent's row has changed.
    pub(crate) fn tell(&self, id: AgentId) {
        self.bell(id).notify_waiters();
    }

    /// Resolves at the next change. Enable it before reading the row, or a change in between is missed.
    pub(crate) fn next(&self, id: AgentId) -> Notified<'_> {
        self.bell(id).notified()
    }
}
