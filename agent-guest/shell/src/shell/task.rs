//! Tasks that end with who started them.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::Flow;

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Child(Option<agent::Task<Flow>>);

thread_local! {
    /// Tasks to abort, when one is being aborted already.
    static CONDEMNED: RefCell<(bool, Vec<agent::Task<Flow>>)> = const { RefCell::new((false, Vec::new())) };
}

/// Runs beside the current task; its output is the status.
pub(crate) fn spawn(future: impl Future<Output = Flow> + 'static) -> Child {
    Child(Some(agent::spawn(future)))
}

impl Child {
    /// Aborts the task and all that it started.
    pub(crate) fn abort(&mut self) {
        let Some(task) = self.0.take().filter(|task| !task.is_finished()) else { return };
        let busy = CONDEMNED.with_borrow_mut(|(busy, all)| {
            all.push(task);
            std::mem::replace(busy, true)
        });
        if busy {
            return;
        }
        // In a loop: a task a thousand tasks deep must not take a thousand frames of stack to drop.
        while let Some(task) = CONDEMNED.with_borrow_mut(|(_, all)| all.pop()) {
            task.abort();
        }
        CONDEMNED.with_borrow_mut(|(busy, _)| *busy = false);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Future for Child {
    type Output = Flow;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Flow> {
        match &mut self.0 {
            // 130: ended from outside, as by Ctrl-C.
            None => Poll::Ready(Ok(130)),
            Some(task) => Pin::new(task).poll(cx).map(|output| output.unwrap_or(Ok(130))),
        }
    }
}
