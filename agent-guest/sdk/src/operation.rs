//! Operations: everything slow, awaited.
//!
//! An operation is submitted at its first poll and completed by a later event;
//! meanwhile it is an id and a little memory, so that the agent can be
//! suspended, moved and restored while it waits. Dropping one cancels it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::host;
use crate::types::{self, Completion, Failure, FailureCode, OpId, Outcome, Output, Progress};

/// The most progress parts kept for an operation that nobody reads; the oldest
/// go first, because progress is for eyes and the completion carries everything.
pub const MAX_QUEUED_PARTS: usize = 256;

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    parts: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

type Pending = Rc<RefCell<State>>;

thread_local! {
    /// Submitted and not completed.
    static PENDING: RefCell<BTreeMap<OpId, Pending>> = const { RefCell::new(BTreeMap::new()) };
}

enum Stage {
    Unsent(Box<types::Operation>),
    Sent(OpId, Pending),
    /// Refused at submission, and nobody was told yet.
    Refused(types::Refusal),
    Finished,
}

/// One operation, as a future of its typed result. Made by [`sleep`](crate::sleep),
/// [`fetch`](crate::fetch), [`chat`](crate::chat), [`tool`](crate::tool), [`send`](crate::send) and [`operation`].
#[must_use = "an operation is submitted when it is first polled"]
pub struct Operation<T = Output> {
    stage: Stage,
    extract: fn(Output) -> Option<T>,
}

/// Any operation of the contract, with its untyped output.
pub fn operation(operation: types::Operation) -> Operation {
    Operation::new(operation, Some)
}

impl<T> Operation<T> {
    pub(crate) fn new(operation: types::Operation, extract: fn(Output) -> Option<T>) -> Self {
        Self { stage: Stage::Unsent(Box::new(operation)), extract }
    }

    /// The operation's id, once it is submitted and until it is finished.
    #[must_use]
    pub fn id(&self) -> Option<OpId> {
        match &self.stage {
            Stage::Sent(id, _) => Some(*id),
            _ => None,
        }
    }

    /// Submits the operation now instead of at the first await: the way to
    /// have several on their way before waiting for the first.
    pub fn submit(mut self) -> Self {
        self.send();
        self
    }

    fn send(&mut self) {
        if let Stage::Unsent(operation) = &self.stage {
            self.stage = match host::submit(operation) {
                Ok(id) => {
                    let pending = Pending::default();
                    PENDING.with_borrow_mut(|all| all.insert(id, pending.clone()));
                    Stage::Sent(id, pending)
                }
                Err(refusal) => Stage::Refused(refusal),
            };
        }
    }

    /// The next part of a result that comes in parts, such as the words of a
    /// streamed [`chat`](crate::chat); `None` when the operation has ended and its result can
    /// be awaited. Parts are for eyes: they may repeat after a restore, and
    /// the oldest are dropped beyond [`MAX_QUEUED_PARTS`].
    pub async fn progress(&mut self) -> Option<Vec<u8>> {
        std::future::poll_fn(|cx| {
            self.send();
            let Stage::Sent(_, pending) = &self.stage else { return Poll::Ready(None) };
            let mut state = pending.borrow_mut();
            match state.parts.pop_front() {
                Some(part) => Poll::Ready(Some(part)),
                None if state.outcome.is_some() => Poll::Ready(None),
                None => {
                    state.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn result(&self, outcome: Outcome) -> Result<T, Error> {
        match outcome {
            Outcome::Done(output) => (self.extract)(output).ok_or_else(|| {
                Error::Failed(Failure {
                    code: FailureCode::Internal,
                    reason: "the host answered with the output of another kind of operation".to_owned(),
                    retryable: false,
                })
            }),
            Outcome::Failed(failure) => Err(Error::Failed(failure)),
            Outcome::Cancelled(reason) => Err(Error::Cancelled(reason)),
            Outcome::OutcomeUnknown(reason) => Err(Error::OutcomeUnknown(reason)),
        }
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.send();
        match std::mem::replace(&mut self.stage, Stage::Finished) {
            Stage::Refused(refusal) => Poll::Ready(Err(Error::Refused(refusal))),
            Stage::Sent(id, pending) => {
                let outcome = pending.borrow_mut().outcome.take();
                match outcome {
                    Some(outcome) => Poll::Ready(self.result(outcome)),
                    None => {
                        pending.borrow_mut().waker = Some(cx.waker().clone());
                        self.stage = Stage::Sent(id, pending);
                        Poll::Pending
                    }
                }
            }
            // Its result was given already: pending for good, like any fused future.
            Stage::Unsent(_) | Stage::Finished => Poll::Pending,
        }
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        if let Stage::Sent(id, _) = &self.stage {
            // Absent when its completion arrived and nobody looked.
            if PENDING.with_borrow_mut(|all| all.remove(id)).is_some() {
                host::cancel(*id);
            }
        }
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Delivers a completion; one for an operation that was dropped is ignored.
pub(crate) fn complete(completion: Completion) {
    let Some(pending) = PENDING.with_borrow_mut(|all| all.remove(&completion.op)) else { return };
    let mut state = pending.borrow_mut();
    state.outcome = Some(completion.outcome);
    wake(&mut state);
}

/// Delivers a progress part.
pub(crate) fn progress(progress: Progress) {
    let Some(pending) = PENDING.with_borrow(|all| all.get(&progress.op).cloned()) else { return };
    let mut state = pending.borrow_mut();
    if state.parts.len() == MAX_QUEUED_PARTS {
        state.parts.pop_front();
    }
    state.parts.push_back(progress.part);
    wake(&mut state);
}

fn wake(state: &mut State) {
    if let Some(waker) = state.waker.take() {
        waker.wake();
    }
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn reset() {
    PENDING.with_borrow_mut(BTreeMap::clear);
}
