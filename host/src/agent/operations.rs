//! Operations in flight: submitted by the guest, completed by a later event.
//!
//! What has an effect outside waits until a durable checkpoint holds it ([`Operations::release`]): so nothing that left
//! the host can be undone by a rollback. Its identity is agent, timeline and number, so sending it again is harmless.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use checkpoint::manifest::Fetch;
use tokio::task::AbortHandle;
use wire::{
    AgentId,
    egress::Rule,
    message::{MAX_CONTENT_TYPE_BYTES, MAX_MESSAGE_BYTES, Recipient},
};

use super::Shared;
use crate::{bindings::agent::openclaw::agent::types as wit, outbox::Outbox};

mod fetch;
mod life;

/// Operations an agent may have in flight.
pub(crate) const MAX_OPERATIONS: usize = 1024;
/// Requests an agent may have in flight, those with an answer that it was not told yet among them.
pub(crate) const MAX_REQUESTS: usize = 16;
/// Longest sleep: a year. A longer one is not meant.
const MAX_SLEEP: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an agent may do outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    pub(crate) send_to: Vec<Recipient>,
    pub(crate) egress: Arc<[Rule]>,
}

#[derive(Debug)]
enum State {
    /// A timer.
    Sleep { due_ms: u64, timer: AbortHandle },
    /// A request that may be made again, on its way.
    Asking(Box<Fetch>, AbortHandle),
    /// It may not leave yet.
    Held(Effect),
    /// A message that is being sent.
    Leaving(Message, AbortHandle),
    /// A request that left; its answer comes by the inbox.
    Out { fetch: Box<Fetch>, until_ms: u64 },
    /// The same, from another host or an earlier time of this one: when its time is over it is given up.
    Awaited { fetch: Box<Fetch>, until_ms: u64, timer: AbortHandle },
    /// Its completion is in the mailbox.
    Over,
}

/// What takes effect outside.
#[derive(Debug, Clone)]
enum Effect {
    Message(Message),
    Request(Box<Fetch>),
}

#[derive(Debug, Clone)]
struct Message {
    to: String,
    content_type: String,
    body: Vec<u8>,
}

/// See the module. Dropping it cancels what is in flight here.
#[derive(Debug)]
pub(crate) struct Operations {
    last: u64,
    running: BTreeMap<u64, State>,
    grants: Grants,
    outbox: Outbox,
}

fn refusal(code: wit::RefusalCode, reason: impl Into<String>) -> wit::Refusal {
    wit::Refusal { code, reason: reason.into() }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl Operations {
    /// None in flight, for an agent that may do this.
    pub(crate) fn new(grants: Grants, outbox: Outbox) -> Self {
        Self { last: 0, running: BTreeMap::new(), grants, outbox }
    }

    /// Begins an operation, or says why not.
    pub(crate) fn submit(
        &mut self,
        agent: &Arc<Shared>,
        operation: wit::Operation,
    ) -> Result<u64, wit::Refusal> {
        if self.running.len() >= MAX_OPERATIONS {
            let reason =
                format!("{MAX_OPERATIONS} operations are in flight already; wait for one to complete");
            return Err(refusal(wit::RefusalCode::LimitExceeded, reason));
        }
        match operation {
            wit::Operation::Sleep(ms) => {
                let duration = Duration::from_millis(ms).min(MAX_SLEEP);
                let due_ms = now_ms().saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
                self.last += 1;
                self.running.insert(self.last, sleep(agent.clone(), self.last, due_ms, duration));
                Ok(self.last)
            }
            wit::Operation::Fetch(fetch) => self.fetch(agent, fetch),
            wit::Operation::Chat(chat) => Err(not_granted(format!(
                "no model is configured for this agent (asked for {:?})",
                short(&chat.model)
            ))),
            wit::Operation::Tool(call) => {
                Err(not_granted(format!("the tool {:?} is not granted to this agent", short(&call.name))))
            }
            wit::Operation::Send(message) => self.send(message),
        }
    }

    fn send(&mut self, message: wit::MessageOut) -> Result<u64, wit::Refusal> {
        let wit::MessageOut { to, content_type, body } = message;
        let Ok(recipient) = to.parse::<AgentId>() else {
            let reason = format!("{:?} is not the id of an agent", short(&to));
            return Err(refusal(wit::RefusalCode::Invalid, reason));
        };
        let granted = self.grants.send_to.iter().any(|grant| match grant {
            Recipient::Tenant => true,
            Recipient::Agent(id) => *id == recipient,
        });
        if !granted {
            return Err(not_granted(format!("messages to {recipient} are not granted to this agent")));
        }
        if body.len() > MAX_MESSAGE_BYTES || content_type.len() > MAX_CONTENT_TYPE_BYTES {
            let reason = format!(
                "a message has at most {MAX_MESSAGE_BYTES} bytes and a content type at most {MAX_CONTENT_TYPE_BYTES}"
            );
            return Err(refusal(wit::RefusalCode::LimitExceeded, reason));
        }
        self.last += 1;
        let message = Message { to, content_type, body };
        self.running.insert(self.last, State::Held(Effect::Message(message)));
        Ok(self.last)
    }

    /// Whether something waits for a checkpoint to leave.
    pub(crate) fn holds(&self) -> bool {
        self.running.values().any(|state| matches!(state, State::Held(_)))
    }

    /// A durable checkpoint holds every operation up to `last`: what has an effect outside may leave, but for requests
    /// where the agent `goes`: who goes on from that checkpoint makes them. Whether something left that may not leave
    /// twice, which that checkpoint does not say.
    pub(crate) fn release(&mut self, agent: &Arc<Shared>, last: u64, goes: bool) -> bool {
        let mut left = false;
        for (op, state) in self.running.range_mut(..=last) {
            let State::Held(effect) = state else { continue };
            *state = match effect.clone() {
                Effect::Request(_) if goes => continue,
                Effect::Message(message) => {
                    let Message { to, content_type, body } = message.clone();
                    let task = self.outbox.send(agent, *op, to, content_type, body);
                    State::Leaving(message, task)
                }
                Effect::Request(fetch) => {
                    let until_ms = fetch::gives_up_at(now_ms(), &fetch);
                    self.outbox.fetch(agent, *op, fetch::request(&fetch), self.grants.egress.clone());
                    left = true;
                    State::Out { fetch, until_ms }
                }
            };
        }
        left
    }

    /// Cancels an operation; it completes as cancelled. One that completed stays completed.
    pub(crate) fn cancel(&mut self, agent: &Shared, op: u64) {
        // It stays in flight until a completion is delivered: the first in the mailbox counts, and a second
        // cancel adds none.
        let Some(state) = self.running.get_mut(&op) else { return };
        let outcome = match std::mem::replace(state, State::Over) {
            State::Over => return,
            State::Sleep { timer: task, .. } | State::Asking(_, task) => {
                task.abort();
                wit::Outcome::Cancelled("cancelled by the agent".to_owned())
            }
            State::Held(_) => wit::Outcome::Cancelled("cancelled by the agent".to_owned()),
            State::Leaving(_, task) => {
                task.abort();
                wit::Outcome::OutcomeUnknown("cancelled by the agent after it had left".to_owned())
            }
            State::Out { .. } | State::Awaited { .. } => {
                self.outbox.call_off(agent, op);
                wit::Outcome::OutcomeUnknown("cancelled by the agent after it had left".to_owned())
            }
        };
        agent.mailbox.completed(wit::Completion { op, outcome });
    }

    /// Whether a request waits for a checkpoint to leave.
    pub(crate) fn holds_requests(&self) -> bool {
        self.running.values().any(|state| matches!(state, State::Held(Effect::Request(_))))
    }

    /// Whether a completion is the operation's first, and so is delivered.
    pub(crate) fn completed(&mut self, op: u64) -> bool {
        self.running.remove(&op).is_some()
    }

    /// Number of the last operation that was submitted.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}

fn sleep(agent: Arc<Shared>, op: u64, due_ms: u64, left: Duration) -> State {
    let timer = tokio::spawn(async move {
        tokio::time::sleep(left).await;
        agent.mailbox.completed(wit::Completion { op, outcome: wit::Outcome::Done(wit::Output::Slept) });
    });
    State::Sleep { due_ms, timer: timer.abort_handle() }
}

impl Drop for Operations {
    fn drop(&mut self) {
        for state in self.running.values() {
            match state {
                State::Sleep { timer: task, .. }
                | State::Awaited { timer: task, .. }
                | State::Asking(_, task)
                | State::Leaving(_, task) => task.abort(),
                // What left may not leave twice: it goes on without its agent.
                State::Out { .. } | State::Held(_) | State::Over => {}
            }
        }
    }
}

fn not_granted(reason: String) -> wit::Refusal {
    refusal(wit::RefusalCode::NotGranted, reason)
}

/// The first 100 characters: a reason is shown to people.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
