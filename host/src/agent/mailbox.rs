//! What waits to be delivered to an agent. Bounded by kind: input by bytes, sizes to the newest,
//! completions by the operations in flight.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::bindings::agent::openclaw::agent::types as wit;

/// Typed bytes that wait for the agent; beyond it a socket is not read.
pub(crate) const MAX_INPUT_BYTES: usize = 64 * 1024;
/// Typed bytes of one `input` event.
const MAX_EVENT_BYTES: usize = 16 * 1024;

/// Where typed bytes came from: acknowledged when their event was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) session: String,
    /// Sequence after the last of the bytes.
    pub(crate) upto: u64,
}

/// One event to deliver.
#[derive(Debug)]
pub(crate) enum Item {
    Input { bytes: Vec<u8>, origin: Origin },
    Resize(wit::Size),
    Completed(wit::Completion),
    Turn,
    Stop(wit::Stop),
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    input_bytes: usize,
    /// A turn waits already: one answers any number of `again`.
    turn: bool,
    closed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    agent: AtomicWaker,
    room: Notify,
}

impl Mailbox {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: Item) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        queue.items.push_back(item);
        drop(queue);
        self.agent.wake();
    }

    /// Takes typed bytes as far as there is room; how many. Bytes of one session are joined while they wait.
    pub(crate) fn input(&self, session: &str, first_seq: u64, bytes: &[u8]) -> usize {
        let mut queue = self.queue();
        if queue.closed {
            // Nobody will handle it: taken, so that a socket does not wait for ever.
            return bytes.len();
        }
        let taken = bytes.len().min(MAX_INPUT_BYTES.saturating_sub(queue.input_bytes)).min(MAX_EVENT_BYTES);
        if taken == 0 {
            return 0;
        }
        let (bytes, upto) = (&bytes[..taken], first_seq + taken as u64);
        queue.input_bytes += taken;
        match queue.items.back_mut() {
            Some(Item::Input { bytes: waiting, origin })
                if origin.session == session && waiting.len() + taken <= MAX_EVENT_BYTES =>
            {
                waiting.extend_from_slice(bytes);
                origin.upto = upto;
            }
            _ => {
                let origin = Origin { session: session.to_owned(), upto };
                queue.items.push_back(Item::Input { bytes: bytes.to_vec(), origin });
            }
        }
        drop(queue);
        self.agent.wake();
        taken
    }

    /// Resolves when input may be taken again.
    pub(crate) async fn room(&self) {
        loop {
            let notified = self.room.notified();
            {
                let queue = self.queue();
                if queue.closed || queue.input_bytes < MAX_INPUT_BYTES {
                    return;
                }
            }
            notified.await;
        }
    }

    /// A new size replaces one that still waits.
    pub(crate) fn resize(&self, size: wit::Size) {
        let mut queue = self.queue();
        queue.items.retain(|item| !matches!(item, Item::Resize(_)));
        drop(queue);
        self.push(Item::Resize(size));
    }

    pub(crate) fn completed(&self, completion: wit::Completion) {
        self.push(Item::Completed(completion));
    }

    /// Behind everything that is queued now, unless one waits already.
    pub(crate) fn turn(&self) {
        if !std::mem::replace(&mut self.queue().turn, true) {
            self.push(Item::Turn);
        }
    }

    /// Before everything that is queued: the grace has begun.
    pub(crate) fn stop(&self, stop: wit::Stop) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.items.push_front(Item::Stop(stop));
        }
        drop(queue);
        self.agent.wake();
    }

    /// Nothing more is taken, and who waits for room is let go.
    pub(crate) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.items.clear();
        drop(queue);
        self.agent.wake();
        self.room.notify_waiters();
    }

    /// The next event; `None` once closed.
    pub(crate) async fn next(&self) -> Option<Item> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.agent.register(cx.waker());
        let mut queue = self.queue();
        if queue.closed {
            return Poll::Ready(None);
        }
        let Some(item) = queue.items.pop_front() else { return Poll::Pending };
        if matches!(item, Item::Turn) {
            queue.turn = false;
        }
        if let Item::Input { bytes, .. } = &item {
            queue.input_bytes -= bytes.len();
            drop(queue);
            self.room.notify_waiters();
        }
        Poll::Ready(Some(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn input_of_one_session_is_joined_and_of_two_is_not() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.input("a", 0, b"he"), 2);
        assert_eq!(mailbox.input("a", 2, b"llo"), 3);
        assert_eq!(mailbox.input("b", 0, b"x"), 1);
        let Some(Item::Input { bytes, origin }) = mailbox.next().await else { panic!("no input") };
        assert_eq!((bytes.as_slice(), origin), (&b"hello"[..], Origin { session: "a".to_owned(), upto: 5 }));
        assert!(matches!(mailbox.next().await, Some(Item::Input { bytes, .. }) if bytes == b"x"));
    }

    #[tokio::test]
    async fn waiting_input_is_bounded_and_room_comes_back() {
        let mailbox = Mailbox::default();
        let mut taken = 0;
        loop {
            match mailbox.input("a", taken as u64, &[b'x'; 10_000]) {
                0 => break,
                n => taken += n,
            }
        }
        assert_eq!(taken, MAX_INPUT_BYTES);
        mailbox.next().await;
        mailbox.room().await;
        assert!(mailbox.input("a", taken as u64, b"y") == 1);
    }

    #[tokio::test]
    async fn only_the_newest_size_waits_and_a_turn_goes_behind() {
        let mailbox = Mailbox::default();
        mailbox.resize(wit::Size { cols: 1, rows: 1 });
        mailbox.turn();
        mailbox.turn();
        mailbox.resize(wit::Size { cols: 2, rows: 2 });
        mailbox.stop(wit::Stop { reason: wit::StopReason::HostDrain, grace_ms: 1 });
        assert!(matches!(mailbox.next().await, Some(Item::Stop(_))));
        assert!(matches!(mailbox.next().await, Some(Item::Turn)));
        assert!(matches!(mailbox.next().await, Some(Item::Resize(size)) if size.cols == 2));
        mailbox.close();
        assert!(mailbox.next().await.is_none());
    }
}
