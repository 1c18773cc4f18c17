//! What happens to the agent from outside: input, messages, resizes, resumes and stops.
//!
//! Events that arrive while nobody waits are kept, up to a bound for each kind.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Poll, Waker};

use crate::log;
use crate::types::{Message, Resume, Size, Stop};

/// The most typed bytes kept unread; more are dropped with a bell, as a terminal does.
pub const MAX_QUEUED_INPUT: usize = 64 * 1024;

/// The most messages kept unread; more are refused, which the agent's log shows.
pub const MAX_QUEUED_MESSAGES: usize = 256;

/// What Ctrl-C sends.
const INTERRUPT: u8 = 0x03;

/// One thing that happened to the agent. (Its start is the argument of its
/// `main`, and operations complete where they are awaited.)
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Bytes typed into the terminal, as they came: a character may be split.
    Input(Vec<u8>),
    /// The terminal has a new size; of several unread ones only the last is kept.
    Resize(Size),
    /// A message from the API, a webhook or another agent.
    Message(Message),
    /// The agent is back after a suspend, a move, a fork or a rollback; only the last unread one is kept.
    Resume(Resume),
    /// The agent is about to be ended or moved; only the last unread one is kept.
    Stop(Stop),
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    input_bytes: usize,
    messages: usize,
    wakers: Vec<Waker>,
}

thread_local! {
    static QUEUE: RefCell<Queue> = RefCell::new(Queue::default());
}

impl Queue {
    fn take(&mut self, wanted: fn(&Event) -> bool) -> Option<Event> {
        let at = self.events.iter().position(wanted)?;
        let event = self.events.remove(at)?;
        match &event {
            Event::Input(bytes) => self.input_bytes -= bytes.len(),
            Event::Message(_) => self.messages -= 1,
            _ => {}
        }
        Some(event)
    }

    /// Takes the place of an unread event of the same kind.
    fn replace(&mut self, event: Event) {
        self.events.retain(|old| std::mem::discriminant(old) != std::mem::discriminant(&event));
        self.events.push_back(event);
    }

    /// Whether every byte was kept.
    fn input(&mut self, mut bytes: Vec<u8>) -> bool {
        let room = MAX_QUEUED_INPUT.saturating_sub(self.input_bytes);
        let all = bytes.len() <= room;
        if !all && bytes.contains(&INTERRUPT) {
            // As a terminal does: an interrupt throws away what was typed before it.
            while self.take(|event| matches!(event, Event::Input(_))).is_some() {}
            bytes = vec![INTERRUPT];
        } else {
            bytes.truncate(room);
        }
        if !bytes.is_empty() {
            self.input_bytes += bytes.len();
            self.events.push_back(Event::Input(bytes));
        }
        all
    }
}

/// Waits for the next event of any kind.
///
/// Several tasks may wait; each event goes to one of them. Most agents have
/// one task that waits and tells the others.
pub async fn next_event() -> Event {
    next(|_| true).await
}

/// Waits for the next typed bytes and leaves other events for [`next_event`].
pub async fn next_input() -> Vec<u8> {
    loop {
        if let Event::Input(bytes) = next(|event| matches!(event, Event::Input(_))).await {
            return bytes;
        }
    }
}

/// Waits for what happens to the terminal: typed bytes or a new size.
pub(crate) async fn next_terminal() -> Event {
    next(|event| matches!(event, Event::Input(_) | Event::Resize(_))).await
}

/// Puts typed bytes back, in front of what is unread: for a reader that took
/// more than it wanted. They may exceed [`MAX_QUEUED_INPUT`], having been within it before.
pub fn unread(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let wakers = QUEUE.with_borrow_mut(|queue| {
        queue.input_bytes += bytes.len();
        queue.events.push_front(Event::Input(bytes.to_vec()));
        std::mem::take(&mut queue.wakers)
    });
    for waker in wakers {
        waker.wake();
    }
}

/// Waits for the next message and leaves other events for [`next_event`].
pub async fn next_message() -> Message {
    loop {
        if let Event::Message(message) = next(|event| matches!(event, Event::Message(_))).await {
            return message;
        }
    }
}

async fn next(wanted: fn(&Event) -> bool) -> Event {
    std::future::poll_fn(|cx| {
        QUEUE.with_borrow_mut(|queue| match queue.take(wanted) {
            Some(event) => Poll::Ready(event),
            None => {
                if !queue.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    queue.wakers.push(cx.waker().clone());
                }
                Poll::Pending
            }
        })
    })
    .await
}

/// Queues an event and wakes who waits.
pub(crate) fn deliver(event: Event) {
    let (kept, wakers) = QUEUE.with_borrow_mut(|queue| {
        let kept = match event {
            Event::Input(bytes) => queue.input(bytes),
            Event::Message(message) if queue.messages == MAX_QUEUED_MESSAGES => {
                log::write(
                    log::Level::Warn,
                    "message dropped: too many are unread",
                    &[("message", &message.id), ("limit", &MAX_QUEUED_MESSAGES)],
                );
                true
            }
            Event::Message(_) => {
                queue.messages += 1;
                queue.events.push_back(event);
                true
            }
            other => {
                queue.replace(other);
                true
            }
        };
        (kept, std::mem::take(&mut queue.wakers))
    });
    if !kept {
        crate::terminal::bell();
    }
    for waker in wakers {
        waker.wake();
    }
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn reset() {
    QUEUE.with_borrow_mut(|queue| *queue = Queue::default());
}
