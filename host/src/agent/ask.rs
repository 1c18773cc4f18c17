//! What an agent's task is asked between two events.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::oneshot;
use wire::{CheckpointId, checkpoint::CheckpointKind, host::Then};

use crate::{checkpoints::committer::CommitError, images::Image};

/// A question, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) what: What,
    /// Set when the task has come to rest for it: from then on it is not hurried.
    pub(crate) begun: Arc<AtomicBool>,
    pub(crate) answer: oneshot::Sender<Result<Option<CheckpointId>, AskError>>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum What {
    /// A durable checkpoint; answered with its id, or with none when the last one counts.
    Checkpoint {
        kind: CheckpointKind,
        note: Option<String>,
        then: Then,
    },
    /// Another component in its place.
    Upgrade(Arc<Image>),
}

/// Why it was not done. The agent goes on.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AskError {
    /// It cannot be captured, ever or as it is now.
    #[error("{0}")]
    NotSuspendable(String),
    /// Its checkpoint does not count.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The components do not exchange their state.
    #[error("{0}")]
    NotUpgradable(String),
}

impl Ask {
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }
}
