//! Guest threads: agents run here and nowhere else, so sockets, timers and the API never queue
//! behind guest code.
//!
//! A task is polled for one slice of fuel at a time (wasmtime yields when it is used up). A task
//! that was woken from outside goes to the `woken` queue, one that used up its slice to `spent`; a
//! woken task goes first, so a key press waits for one slice of each core and not for every busy
//! agent. Every [`WOKEN_RUN`] woken tasks one spent task runs, so neither queue can starve the other.

use std::{
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};

use async_task::{Runnable, ScheduleInfo, Task, WithInfo};

/// Woken tasks run in a row while spent ones wait.
const WOKEN_RUN: u32 = 16;

#[derive(Default)]
struct Queues {
    woken: VecDeque<Runnable>,
    spent: VecDeque<Runnable>,
    woken_run: u32,
    stopping: bool,
}

impl Queues {
    fn next(&mut self) -> Option<Runnable> {
        if self.woken_run >= WOKEN_RUN && !self.spent.is_empty() {
            self.woken_run = 0;
            return self.spent.pop_front();
        }
        match self.woken.pop_front() {
            Some(task) => {
                self.woken_run += 1;
                Some(task)
            }
            None => {
                self.woken_run = 0;
                self.spent.pop_front()
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    ready: Condvar,
}

impl Shared {
    fn queues(&self) -> std::sync::MutexGuard<'_, Queues> {
        // Nothing panics while it is held, so a poisoned lock would still be whole.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self, task: Runnable, info: ScheduleInfo) {
        let mut queues = self.queues();
        if queues.stopping {
            // Dropped, which cancels it; not under the lock, since that drops a store.
            drop(queues);
            drop(task);
            return;
        }
        let alone = if info.woken_while_running {
            queues.spent.push_back(task);
            // It used up its slice on this thread, which takes the next one in a moment: none is woken for that.
            queues.woken.len() + queues.spent.len() == 1
        } else {
            queues.woken.push_back(task);
            false
        };
        drop(queues);
        if !alone {
            self.ready.notify_one();
        }
    }

    fn work(&self) {
        loop {
            let mut queues = self.queues();
            let task = loop {
                if queues.stopping {
                    return;
                }
                if let Some(task) = queues.next() {
                    break task;
                }
                queues = self.ready.wait(queues).unwrap_or_else(PoisonError::into_inner);
            };
            drop(queues);
            // A panic ends its task (the driver reports it); the thread goes on.
            if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
                tracing::error!("a guest task panicked outside its driver");
            }
        }
    }
}

/// Ends the present slice: the task goes to the `spent` queue and others run first.
pub(crate) async fn end_slice() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}

/// The guest threads; dropping it ends them after their present slices and cancels what is queued.
pub(crate) struct Executor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("threads", &self.threads.len()).finish()
    }
}

impl Executor {
    /// Starts `threads` guest threads. Guest code may use timers of the present tokio runtime.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let runtime = tokio::runtime::Handle::current();
        let threads = (0..threads.max(1))
            .map(|n| {
                let (shared, runtime) = (shared.clone(), runtime.clone());
                std::thread::Builder::new().name(format!("guest-{n}")).spawn(move || {
                    let _entered = runtime.enter();
                    shared.work();
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Runs a future on the guest threads; dropping the task cancels it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let shared = self.shared.clone();
        let schedule = move |task, info| shared.schedule(task, info);
        let (runnable, task) = async_task::spawn(future, WithInfo(schedule));
        runnable.schedule();
        task
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let queued = {
            let mut queues = self.shared.queues();
            queues.stopping = true;
            (std::mem::take(&mut queues.woken), std::mem::take(&mut queues.spent))
        };
        self.shared.ready.notify_all();
        drop(queued);
        for thread in self.threads.drain(..) {
            // A guest thread may drop the executor's last owner; it must not wait for itself.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a guest thread panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_woken_task_goes_before_those_that_use_up_their_slices() {
        let executor = Executor::start(1).unwrap();
        let (stop, slices) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut hogs = Vec::new();
        for _ in 0..100 {
            let (stop, slices) = (stop.clone(), slices.clone());
            hogs.push(executor.spawn(async move {
                while !stop.load(SeqCst) {
                    slices.fetch_add(1, SeqCst);
                    end_slice().await;
                }
            }));
        }
        while slices.load(SeqCst) < 1000 {
            tokio::task::yield_now().await;
        }
        // Asked from a guest thread, so that the count is exact: one task, woken, between two slices.
        let (tx, rx) = tokio::sync::oneshot::channel();
        let seen = slices.clone();
        let woken = executor.spawn(async move {
            let sent: u32 = rx.await.unwrap();
            seen.load(SeqCst) - sent
        });
        while slices.load(SeqCst) < 2000 {
            tokio::task::yield_now().await;
        }
        let now = slices.clone();
        executor.spawn(async move { tx.send(now.load(SeqCst)).unwrap() }).await;
        let waited = woken.await;
        stop.store(true, SeqCst);
        for hog in hogs {
            hog.await;
        }
        // In turn it would have waited for one slice of each of the hundred.
        assert!(waited < 50, "waited for {waited} slices");
    }

    #[tokio::test]
    async fn dropping_it_cancels_a_task_that_never_ends() {
        let executor = Executor::start(1).unwrap();
        let slices = Arc::new(AtomicU32::new(0));
        let seen = slices.clone();
        executor
            .spawn(async move {
                loop {
                    seen.fetch_add(1, SeqCst);
                    end_slice().await;
                }
            })
            .detach();
        while slices.load(SeqCst) < 10 {
            tokio::task::yield_now().await;
        }
        drop(executor);
        assert_eq!(Arc::strong_count(&slices), 1, "the task and what it holds are gone");
    }

    #[tokio::test]
    async fn a_panic_leaves_the_thread_running() {
        let executor = Executor::start(1).unwrap();
        let broken = executor.spawn(async { panic!("on purpose") });
        assert!(std::panic::AssertUnwindSafe(broken).catch_unwind().await.is_err());
        assert_eq!(executor.spawn(async { 7 }).await, 7);
    }
}
