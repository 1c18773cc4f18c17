//! The executor: tasks in the guest's own memory.
//!
//! Nothing here holds a host handle or a stack between events, so a suspended
//! agent's tasks are exactly the bytes of its memory. `handle` delivers one
//! event and polls what became ready; [`Next::Again`] asks the host for a
//! [`Event::Turn`](crate::types::Event::Turn) when the slice is used up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::types::Next;

mod slice;
use slice::Slice;

/// How long tasks that keep yielding may work before the agent answers
/// `again`, in wall time since the event began.
pub const SLICE: Duration = Duration::from_millis(10);

type BoxFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Names a task; stale ids (the slot was reused) are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    index: usize,
    generation: u64,
}

type ReadyQueue = Mutex<VecDeque<TaskId>>;

/// Wakers must be `Send`; the queue is reached through the waker and not
/// through a thread-local, so natively a wake from another thread is right too.
struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    ready: Arc<ReadyQueue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            push(&self.ready, self.id);
        }
    }
}

fn push(ready: &ReadyQueue, id: TaskId) {
    ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
}

enum Stage {
    /// Free for the next task.
    Vacant,
    Parked(BoxFuture),
    /// Being polled: its future is on the stack.
    Running,
    /// Aborted while being polled: dropped when that poll returns.
    Doomed,
}

struct Slot {
    generation: u64,
    stage: Stage,
    waker: Option<Arc<TaskWaker>>,
}

#[derive(Default)]
struct Executor {
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    generations: u64,
    ready: Arc<ReadyQueue>,
}

thread_local! {
    static EXECUTOR: RefCell<Executor> = RefCell::new(Executor::default());
}

impl Executor {
    fn insert(&mut self, future: BoxFuture) -> TaskId {
        self.generations += 1;
        let index = self.vacant.pop().unwrap_or(self.slots.len());
        let id = TaskId { index, generation: self.generations };
        let waker = TaskWaker { id, queued: AtomicBool::new(true), ready: self.ready.clone() };
        let slot =
            Slot { generation: id.generation, stage: Stage::Parked(future), waker: Some(Arc::new(waker)) };
        match self.slots.get_mut(index) {
            Some(old) => *old = slot,
            None => self.slots.push(slot),
        }
        push(&self.ready, id);
        id
    }

    fn slot(&mut self, id: TaskId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index).filter(|slot| slot.generation == id.generation)
    }

    /// Takes the next ready task's future out to be polled.
    fn take_ready(&mut self) -> Option<(TaskId, BoxFuture, Arc<TaskWaker>)> {
        loop {
            let id = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
            let Some(slot) = self.slot(id) else { continue };
            let Some(waker) = slot.waker.clone() else { continue };
            match std::mem::replace(&mut slot.stage, Stage::Running) {
                Stage::Parked(future) => {
                    // Cleared before the poll: a wake during it must queue the task again.
                    waker.queued.store(false, Ordering::Release);
                    return Some((id, future, waker));
                }
                other => slot.stage = other,
            }
        }
    }

    /// Puts a pending future back; one that was aborted meanwhile is returned to be dropped.
    fn park(&mut self, id: TaskId, future: BoxFuture) -> Option<BoxFuture> {
        match self.slot(id) {
            Some(slot) if matches!(slot.stage, Stage::Running) => {
                slot.stage = Stage::Parked(future);
                None
            }
            _ => {
                self.free(id);
                Some(future)
            }
        }
    }

    /// Empties the slot and returns what it held.
    fn free(&mut self, id: TaskId) -> Option<Stage> {
        let slot = self.slot(id)?;
        let stage = std::mem::replace(&mut slot.stage, Stage::Vacant);
        slot.generation = 0;
        slot.waker = None;
        self.vacant.push(id.index);
        Some(stage)
    }

    fn has_ready(&self) -> bool {
        !self.ready.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Adds a task; it is polled first when the current one gives way.
pub(crate) fn insert(future: impl Future<Output = ()> + 'static) -> TaskId {
    EXECUTOR.with_borrow_mut(|executor| executor.insert(Box::pin(future)))
}

/// Drops a task's future: at once, or when its current poll returns.
pub(crate) fn abort(id: TaskId) {
    let dropped: Option<BoxFuture> = EXECUTOR.with_borrow_mut(|executor| {
        let slot = executor.slot(id)?;
        if matches!(slot.stage, Stage::Running | Stage::Doomed) {
            slot.stage = Stage::Doomed;
            return None;
        }
        match executor.free(id)? {
            Stage::Parked(future) => Some(future),
            _ => None,
        }
    });
    // Outside the borrow: what the future owns may spawn or abort as it goes.
    drop(dropped);
}

/// Polls ready tasks until none is, or until the slice is used up.
pub(crate) fn run() -> Next {
    let mut slice = Slice::begin(SLICE);
    while let Some((id, mut future, waker)) = EXECUTOR.with_borrow_mut(Executor::take_ready) {
        let waker = Waker::from(waker);
        let leftover = match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => EXECUTOR.with_borrow_mut(|executor| executor.park(id, future)),
            Poll::Ready(()) => {
                EXECUTOR.with_borrow_mut(|executor| executor.free(id));
                Some(future)
            }
        };
        drop(leftover);
        if EXECUTOR.with_borrow(Executor::has_ready) && slice.used_up() {
            return Next::Again;
        }
    }
    Next::Idle
}

/// Forgets every task: a test's fake host begins and ends with none.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn reset() {
    let old = EXECUTOR.with_borrow_mut(std::mem::take);
    drop(old);
}

/// Gives way: other ready tasks go first, and after about [`SLICE`] of work
/// since the event began the host gets to deliver what is queued.
///
/// Cheap enough for every turn of a loop. A loop that never yields holds the
/// whole agent; see [`interrupted`](crate::interrupted) for those that cannot.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
