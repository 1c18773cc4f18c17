//! What waits to be delivered to an agent. Bounded by kind: input and messages by bytes, sizes to the newest,
//! completions by the operations in flight.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use checkpoint::manifest;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use wire::message::{Delivered, Delivery, MAX_CONTENT_TYPE_BYTES, MAX_MESSAGE_BYTES};

use crate::bindings::agent::openclaw::agent::types as wit;

pub(crate) mod convert;
mod rest;

/// Typed bytes that wait for the agent; beyond it a socket is not read.
pub(crate) const MAX_INPUT_BYTES: usize = 64 * 1024;
/// Typed bytes of one `input` event.
const MAX_EVENT_BYTES: usize = 16 * 1024;
/// What a message costs beside its body: ids and a content type, so that many empty ones are bounded too.
const MESSAGE_OVERHEAD_BYTES: usize = MAX_CONTENT_TYPE_BYTES + 256;
/// Messages that wait for the agent, bytes: the longest one and as much again, so that the next is read while one
/// is handled. The rest stays in the inbox.
pub(crate) const MAX_WAITING_MESSAGE_BYTES: usize = 2 * (MAX_MESSAGE_BYTES + MESSAGE_OVERHEAD_BYTES);

/// Where typed bytes came from: acknowledged when their event was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) session: String,
    /// Sequence after the last of the bytes.
    pub(crate) upto: u64,
}

/// One event to deliver.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Resume(wit::Resume),
    Input {
        bytes: Vec<u8>,
        origin: Origin,
    },
    Resize(wit::Size),
    Message {
        /// Its number in the inbox.
        seq: u64,
        message: wit::Message,
    },
    Completed(wit::Completion),
    Turn,
    Stop(wit::Stop),
}

/// Everything that waits, as a checkpoint holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Captured {
    /// In their order, without `resume` and `stop`.
    pub(crate) events: Vec<manifest::Event>,
    /// Inbox entries up to this one were taken: they were delivered or are in `events`.
    pub(crate) inbox: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Delivered before what waits: the grace has begun.
    stop: Option<wit::Stop>,
    items: VecDeque<Item>,
    input_bytes: usize,
    message_bytes: usize,
    /// Turns that wait: one answers any number of `again`.
    turns: usize,
    inbox: u64,
    /// The agent is suspended: until its checkpoint is loaded, where to go on in the inbox is not known.
    resting: bool,
    /// So many from the front are in the last capture; nothing is joined to them.
    captured: usize,
    closed: bool,
}

fn message_cost(message: &wit::Message) -> usize {
    message.body.len() + MESSAGE_OVERHEAD_BYTES
}

impl Queue {
    fn added(&mut self, item: &Item) {
        match item {
            Item::Input { bytes, .. } => self.input_bytes += bytes.len(),
            Item::Message { message, .. } => self.message_bytes += message_cost(message),
            Item::Turn => self.turns += 1,
            Item::Resume(_) | Item::Resize(_) | Item::Completed(_) | Item::Stop(_) => {}
        }
    }

    fn removed(&mut self, item: &Item) {
        match item {
            Item::Input { bytes, .. } => self.input_bytes -= bytes.len(),
            Item::Message { message, .. } => self.message_bytes -= message_cost(message),
            Item::Turn => self.turns -= 1,
            Item::Resume(_) | Item::Resize(_) | Item::Completed(_) | Item::Stop(_) => {}
        }
    }

    fn push(&mut self, item: Item) {
        self.added(&item);
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        if let Some(stop) = self.stop.take() {
            return Some(Item::Stop(stop));
        }
        let item = self.items.pop_front()?;
        self.captured = self.captured.saturating_sub(1);
        self.removed(&item);
        Some(item)
    }

    fn clear_counts(&mut self) {
        (self.input_bytes, self.message_bytes, self.turns, self.captured) = (0, 0, 0, 0);
    }

    /// Whether the longest message fits.
    fn has_message_room(&self) -> bool {
        self.message_bytes + MAX_MESSAGE_BYTES + MESSAGE_OVERHEAD_BYTES <= MAX_WAITING_MESSAGE_BYTES
    }
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
        queue.push(item);
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
        let fresh = queue.items.len() > queue.captured;
        match queue.items.back_mut() {
            Some(Item::Input { bytes: waiting, origin })
                if fresh && origin.session == session && waiting.len() + taken <= MAX_EVENT_BYTES =>
            {
                waiting.extend_from_slice(bytes);
                origin.upto = upto;
                queue.input_bytes += taken;
            }
            _ => {
                let origin = Origin { session: session.to_owned(), upto };
                queue.push(Item::Input { bytes: bytes.to_vec(), origin });
            }
        }
        drop(queue);
        self.agent.wake();
        taken
    }

    /// Resolves when input may be taken again.
    pub(crate) async fn room(&self) {
        self.when(|queue| queue.input_bytes < MAX_INPUT_BYTES).await;
    }

    async fn when(&self, has_room: impl Fn(&Queue) -> bool) {
        loop {
            let notified = self.room.notified();
            {
                let queue = self.queue();
                if queue.closed || has_room(&queue) {
                    return;
                }
            }
            notified.await;
        }
    }

    /// A new size replaces one that still waits.
    pub(crate) fn resize(&self, size: wit::Size) {
        let mut queue = self.queue();
        if let Some(at) = queue.items.iter().position(|item| matches!(item, Item::Resize(_))) {
            queue.items.remove(at);
            if at < queue.captured {
                queue.captured -= 1;
            }
        }
        drop(queue);
        self.push(Item::Resize(size));
    }

    /// Takes an entry of the inbox, of which only those of `timeline` that complete an operation count; whether there
    /// was room. One that was taken before is taken and not delivered again. Entries come in their order.
    pub(crate) fn message(&self, delivery: &Delivery, timeline: u64) -> bool {
        let mut queue = self.queue();
        if queue.closed || queue.resting {
            return false;
        }
        if delivery.seq <= queue.inbox {
            return true;
        }
        let item = match &delivery.what {
            Delivered::Message { message } => {
                if !queue.has_message_room() {
                    return false;
                }
                Some(Item::Message { seq: delivery.seq, message: convert::message(message) })
            }
            Delivered::Completion { timeline: of, op, outcome } => (*of == timeline)
                .then(|| Item::Completed(wit::Completion { op: *op, outcome: convert::delivered(outcome) })),
        };
        queue.inbox = delivery.seq;
        if let Some(item) = item {
            queue.push(item);
        }
        drop(queue);
        self.agent.wake();
        true
    }

    /// Resolves when a message is taken again, or none will ever be.
    pub(crate) async fn wants_messages(&self) {
        self.when(Queue::has_message_room).await;
    }

    /// Inbox entries up to this one were taken.
    pub(crate) fn inbox(&self) -> u64 {
        self.queue().inbox
    }

    pub(crate) fn completed(&self, completion: wit::Completion) {
        self.push(Item::Completed(completion));
    }

    /// Behind everything that is queued now, unless one waits already.
    pub(crate) fn turn(&self) {
        let mut queue = self.queue();
        if queue.closed || queue.turns > 0 {
            return;
        }
        queue.push(Item::Turn);
        drop(queue);
        self.agent.wake();
    }

    /// Before everything that is queued: the grace has begun.
    pub(crate) fn stop(&self, stop: wit::Stop) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.stop = Some(stop);
        }
        drop(queue);
        self.agent.wake();
    }

    /// Everything that waits except `resume` and `stop`, which are made anew.
    pub(crate) fn capture(&self) -> Captured {
        let mut queue = self.queue();
        queue.captured = queue.items.len();
        Captured { events: queue.items.iter().filter_map(convert::event).collect(), inbox: queue.inbox }
    }

    /// Puts what a checkpoint holds before what waits, and goes on in the inbox behind `captured.inbox`.
    pub(crate) fn load(&self, captured: Captured) {
        {
            let mut queue = self.queue();
            (queue.inbox, queue.resting) = (captured.inbox, false);
        }
        self.requeue(captured.events.into_iter().map(convert::item).collect());
    }

    /// Puts what was delivered before what waits, to be delivered again: after a rollback. Not bounded here: it was
    /// when it was taken first.
    pub(crate) fn requeue(&self, items: Vec<Item>) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        for item in items.into_iter().rev() {
            match item {
                // Made anew where they are meant again.
                Item::Resume(_) | Item::Stop(_) => {}
                item => {
                    queue.added(&item);
                    queue.items.push_front(item);
                }
            }
        }
        drop(queue);
        self.agent.wake();
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        let queue = self.queue();
        queue.stop.is_none() && queue.items.is_empty()
    }

    /// Whether what waits is worth bringing a suspended agent back for: a new size is not.
    pub(crate) fn wakes(&self) -> bool {
        self.queue().items.iter().any(|item| !matches!(item, Item::Resize(_)))
    }

    /// Nothing more is taken, and who waits for room is let go.
    pub(crate) fn close(&self) {
        *self.queue() = Queue { closed: true, ..Queue::default() };
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
        let Some(item) = queue.pop() else { return Poll::Pending };
        drop(queue);
        if matches!(item, Item::Input { .. } | Item::Message { .. }) {
            self.room.notify_waiters();
        }
        Poll::Ready(Some(item))
    }
}

#[cfg(test)]
mod tests;
