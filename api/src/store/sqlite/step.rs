//! A step as its thread sees it: some work, and somebody who waits for the answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::StoreError;

/// Why a whole transaction was not kept.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Whether space ran out: then it is certain that nothing was changed.
    is_full: bool,
    pub(super) error: Arc<rusqlite::Error>,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let is_full = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        Self { is_full, error: Arc::new(error) }
    }
}

impl Failure {
    /// The same, when it is known that it came about by a lack of space.
    pub(super) fn or_full(self, is_full: bool) -> Self {
        Self { is_full: self.is_full || is_full, ..self }
    }
}

/// Some work on a connection.
pub(super) trait Step: Send {
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Whether it changes so much that it has a transaction of its own.
    fn is_large(&self) -> bool;
    /// Does it; whether what it did is to be kept.
    fn work(&mut self, connection: &Connection) -> bool;
    /// Whether it failed for want of space.
    fn was_full(&self) -> bool;
    /// Sends its answer: its own, or why the transaction around it was not kept.
    fn answer(self: Box<Self>, transaction: Result<(), Failure>);
}

/// The one kind of step there is.
pub(super) struct Job<T, F> {
    work: Option<F>,
    is_large: bool,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job<T, F> {
    pub(super) fn new(work: F, is_large: bool) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { work: Some(work), is_large, outcome: None, reply }, answer)
    }
}

impl<T, F> Step for Job<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn is_large(&self) -> bool {
        self.is_large
    }

    fn work(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        // A panic leaves nothing behind that anybody sees: the step's savepoint is rolled back, and
        // statements are reset when they are dropped.
        match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(outcome) => {
                let keep = outcome.is_ok();
                self.outcome = Some(outcome);
                keep
            }
            Err(_) => {
                tracing::error!("a step of the store panicked");
                false
            }
        }
    }

    fn was_full(&self) -> bool {
        matches!(self.outcome, Some(Err(StoreError::Full(_))))
    }

    fn answer(self: Box<Self>, transaction: Result<(), Failure>) {
        let answer = match (transaction, self.outcome) {
            (Err(failure), None | Some(Ok(_))) => Err(not_kept(failure)),
            (_, Some(outcome)) => outcome,
            // It panicked: the reply is dropped, and its receiver knows what that means.
            (Ok(()), None) => return,
        };
        // Nobody there any more: the step was done all the same.
        let _ = self.reply.send(answer);
    }
}

fn not_kept(failure: Failure) -> StoreError {
    let source = Box::new(failure.error);
    if failure.is_full { StoreError::Full(source) } else { StoreError::Unavailable(source) }
}
