//! Tasks: futures that run beside each other in one agent.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::executor::{self, TaskId};

/// A task was aborted before it had an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was aborted")
    }
}

impl std::error::Error for Aborted {}

struct Shared<T> {
    /// Set once, when the task ends; taken by whoever reads the output.
    output: Option<Result<T, Aborted>>,
    finished: bool,
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    fn finish(shared: &RefCell<Self>, output: Result<T, Aborted>) {
        let waker = {
            let mut shared = shared.borrow_mut();
            if shared.finished {
                return;
            }
            shared.finished = true;
            shared.output = Some(output);
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Lives inside the task: dropped without an output, it says so.
struct Guard<T>(Rc<RefCell<Shared<T>>>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        Shared::finish(&self.0, Err(Aborted));
    }
}

/// A running task: await it for its output, or drop it to let it run alone.
///
/// The output is given once: polled again after that, the task stays pending.
#[must_use = "dropping a task detaches it; say so with `.detach()`"]
pub struct Task<T> {
    id: TaskId,
    shared: Rc<RefCell<Shared<T>>>,
}

/// Runs `future` beside the current task, from when that next gives way.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    let shared = Rc::new(RefCell::new(Shared { output: None, finished: false, waker: None }));
    let guard = Guard(shared.clone());
    let id = executor::insert(async move {
        let output = future.await;
        Shared::finish(&guard.0, Ok(output));
    });
    Task { id, shared }
}

impl<T> Task<T> {
    /// Drops the task's future. Awaiting the task then gives [`Aborted`],
    /// unless it had finished. A task that aborts itself ends when it next awaits.
    pub fn abort(&self) {
        executor::abort(self.id);
    }

    /// Whether the task has ended, by itself or aborted.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.borrow().finished
    }

    /// The output without waiting, if the task has ended and it was not read yet.
    #[must_use]
    pub fn try_take(&self) -> Option<Result<T, Aborted>> {
        self.shared.borrow_mut().output.take()
    }

    /// Lets the task run by itself.
    pub fn detach(self) {}
}

impl<T> Future for Task<T> {
    type Output = Result<T, Aborted>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = self.shared.borrow_mut();
        match shared.output.take() {
            Some(output) => Poll::Ready(output),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).field("finished", &self.is_finished()).finish()
    }
}
