//! Operations in flight: submitted by the guest, completed by a later event.
//!
//! What has an effect outside waits until a durable checkpoint holds it ([`Operations::release`]): so nothing that left
//! the host can be undone by a rollback. Its identity is agent, timeline and number, so sending it again is harmless.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use checkpoint::manifest;
use tokio::task::AbortHandle;
use wire::{
    AgentId,
    host::ResumeCause,
    message::{MAX_CONTENT_TYPE_BYTES, MAX_MESSAGE_BYTES, Recipient},
};

use super::Shared;
use crate::{bindings::agent::openclaw::agent::types as wit, outbox::Outbox};

/// Operations an agent may have in flight.
pub(crate) const MAX_OPERATIONS: usize = 1024;
/// Longest sleep: a year. A longer one is not meant.
const MAX_SLEEP: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug)]
enum State {
    /// A timer.
    Sleep { due_ms: u64, timer: AbortHandle },
    /// A message that may not leave yet.
    Held(Message),
    /// A message that is being sent.
    Leaving(Message, AbortHandle),
    /// Its completion is in the mailbox.
    Over,
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
    send_to: Vec<Recipient>,
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
    /// None in flight, for an agent that may send to these.
    pub(crate) fn new(send_to: Vec<Recipient>, outbox: Outbox) -> Self {
        Self { last: 0, running: BTreeMap::new(), send_to, outbox }
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
            wit::Operation::Fetch(fetch) => Err(refuse_fetch(&fetch)),
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
        let granted = self.send_to.iter().any(|grant| match grant {
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
        self.running.insert(self.last, State::Held(Message { to, content_type, body }));
        Ok(self.last)
    }

    /// Whether something waits for a checkpoint to leave.
    pub(crate) fn holds(&self) -> bool {
        self.running.values().any(|state| matches!(state, State::Held(_)))
    }

    /// A durable checkpoint holds every operation up to `last`: what has an effect outside may leave.
    pub(crate) fn release(&mut self, agent: &Arc<Shared>, last: u64) {
        for (op, state) in self.running.range_mut(..=last) {
            if let State::Held(message) = state {
                let Message { to, content_type, body } = message.clone();
                let task = self.outbox.send(agent, *op, to, content_type, body);
                *state = State::Leaving(message.clone(), task);
            }
        }
    }

    /// Cancels an operation; it completes as cancelled. One that completed stays completed.
    pub(crate) fn cancel(&mut self, agent: &Shared, op: u64) {
        // It stays in flight until a completion is delivered: the first in the mailbox counts, and a second
        // cancel adds none.
        let Some(state) = self.running.get_mut(&op) else { return };
        let outcome = match std::mem::replace(state, State::Over) {
            State::Over => return,
            State::Sleep { timer, .. } => {
                timer.abort();
                wit::Outcome::Cancelled("cancelled by the agent".to_owned())
            }
            State::Held(_) => wit::Outcome::Cancelled("cancelled by the agent".to_owned()),
            State::Leaving(_, task) => {
                task.abort();
                wit::Outcome::OutcomeUnknown("cancelled by the agent after it had left".to_owned())
            }
        };
        agent.mailbox.completed(wit::Completion { op, outcome });
    }

    /// Whether a completion is the operation's first, and so is delivered.
    pub(crate) fn completed(&mut self, op: u64) -> bool {
        self.running.remove(&op).is_some()
    }

    /// Number of the last operation that was submitted.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// When the first timer is due, milliseconds since 1970.
    pub(crate) fn first_due_ms(&self) -> Option<u64> {
        let due = self.running.values().filter_map(|state| match state {
            State::Sleep { due_ms, .. } => Some(*due_ms),
            _ => None,
        });
        due.min()
    }

    /// As a checkpoint keeps them.
    pub(crate) fn capture(&self) -> manifest::Operations {
        let pending = self.running.iter().map(|(op, state)| manifest::Pending {
            op: *op,
            work: match state {
                State::Sleep { due_ms, .. } => manifest::Work::Sleep { due_ms: *due_ms },
                State::Held(message) | State::Leaving(message, _) => manifest::Work::Send {
                    to: message.to.clone(),
                    content_type: message.content_type.clone(),
                    body: message.body.clone(),
                },
                State::Over => manifest::Work::Over,
            },
        });
        manifest::Operations { last: self.last, pending: pending.collect() }
    }

    /// Goes on where a checkpoint left them. `over` are those whose completions wait already. What had an effect
    /// outside goes on only in the life that began it; in another it completes as such.
    pub(crate) fn restore(
        &mut self,
        agent: &Arc<Shared>,
        kept: manifest::Operations,
        cause: ResumeCause,
        over: impl Fn(u64) -> bool,
    ) {
        self.last = kept.last;
        let (now_ms, mut ripe) = (now_ms(), Vec::new());
        for manifest::Pending { op, work } in kept.pending.into_iter().take(MAX_OPERATIONS) {
            let state = match work {
                _ if over(op) => State::Over,
                manifest::Work::Over => State::Over,
                manifest::Work::Sleep { due_ms } if due_ms <= now_ms => {
                    ripe.push((due_ms, op));
                    State::Over
                }
                manifest::Work::Sleep { due_ms } => {
                    let left = Duration::from_millis(due_ms.saturating_sub(now_ms)).min(MAX_SLEEP);
                    sleep(agent.clone(), op, due_ms, left)
                }
                manifest::Work::Send { to, content_type, body } => match cause {
                    ResumeCause::Suspend | ResumeCause::Migrate | ResumeCause::Rollback => {
                        State::Held(Message { to, content_type, body })
                    }
                    ResumeCause::Fork => {
                        let outcome = wit::Outcome::Cancelled("forked".to_owned());
                        agent.mailbox.completed(wit::Completion { op, outcome });
                        State::Over
                    }
                    ResumeCause::Restore => {
                        let outcome =
                            wit::Outcome::OutcomeUnknown("restored to a time before it was known".to_owned());
                        agent.mailbox.completed(wit::Completion { op, outcome });
                        State::Over
                    }
                },
                manifest::Work::Fetch(_) => {
                    let outcome = wit::Outcome::OutcomeUnknown("this host cannot go on with it".to_owned());
                    agent.mailbox.completed(wit::Completion { op, outcome });
                    State::Over
                }
            };
            self.running.insert(op, state);
        }
        // What ended while it was away comes in the order it would have come in: tasks of their own would race.
        ripe.sort_unstable();
        for (_, op) in ripe {
            let outcome = wit::Outcome::Done(wit::Output::Slept);
            agent.mailbox.completed(wit::Completion { op, outcome });
        }
        // They are in the checkpoint this goes on from.
        self.release(agent, kept.last);
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
            if let State::Sleep { timer: task, .. } | State::Leaving(_, task) = state {
                task.abort();
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

fn refuse_fetch(fetch: &wit::Fetch) -> wit::Refusal {
    let host = fetch.url.split("//").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
    match host {
        Some(host) if !host.is_empty() => not_granted(format!(
            "egress to {} is not granted: this agent has no egress rules",
            short(host.rsplit('@').next().unwrap_or(host))
        )),
        _ => refusal(
            wit::RefusalCode::Invalid,
            format!("{:?} is not an absolute http or https URL", short(&fetch.url)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{mailbox::Item, state::tests::shared};

    fn fetch(url: &str) -> wit::Operation {
        wit::Operation::Fetch(wit::Fetch {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: vec![],
            body: vec![],
            timeout_ms: None,
            secret: None,
            retryable: false,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_completes_once() {
        let agent = shared();
        let mut operations = Operations::new(vec![], Outbox::default());
        let op = operations.submit(&agent, wit::Operation::Sleep(1000)).unwrap();
        let Some(Item::Completed(completion)) = agent.mailbox.next().await else { panic!("no completion") };
        assert_eq!(completion.op, op);
        assert!(matches!(completion.outcome, wit::Outcome::Done(wit::Output::Slept)));
        // Cancelled after it completed: the second completion is not delivered.
        operations.cancel(&agent, op);
        assert!(operations.completed(op));
        assert!(!operations.completed(op));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_sleep_completes_as_cancelled() {
        let agent = shared();
        let mut operations = Operations::new(vec![], Outbox::default());
        let op = operations.submit(&agent, wit::Operation::Sleep(1000)).unwrap();
        operations.cancel(&agent, op);
        // Again and again: one completion.
        operations.cancel(&agent, op);
        let Some(Item::Completed(completion)) = agent.mailbox.next().await else { panic!("no completion") };
        assert!(matches!(completion.outcome, wit::Outcome::Cancelled(_)));
        agent.mailbox.turn();
        assert!(matches!(agent.mailbox.next().await, Some(Item::Turn)));
    }

    #[tokio::test]
    async fn what_is_not_granted_is_refused_with_a_reason() {
        let agent = shared();
        let mut operations = Operations::new(vec![], Outbox::default());
        let refused = operations.submit(&agent, fetch("https://user:pw@example.com/x?y")).unwrap_err();
        assert!(matches!(refused.code, wit::RefusalCode::NotGranted));
        assert!(
            refused.reason.contains("example.com") && !refused.reason.contains("pw"),
            "{}",
            refused.reason
        );
        let refused = operations.submit(&agent, fetch("nonsense")).unwrap_err();
        assert!(matches!(refused.code, wit::RefusalCode::Invalid));
    }

    fn to(id: AgentId) -> wit::Operation {
        let body = b"hi".to_vec();
        wit::Operation::Send(wit::MessageOut {
            to: id.to_string(),
            content_type: "text/plain".to_owned(),
            body,
        })
    }

    #[tokio::test]
    async fn a_message_is_held_and_a_fork_does_not_send_it() {
        let (agent, friend) = (shared(), AgentId::new());
        let mut operations = Operations::new(vec![Recipient::Agent(friend)], Outbox::default());
        assert!(operations.submit(&agent, to(AgentId::new())).is_err(), "not granted");
        let op = operations.submit(&agent, to(friend)).unwrap();
        assert!(operations.holds());
        let kept = operations.capture();
        operations.release(&agent, op);
        assert!(!operations.holds());
        let fork = shared();
        let mut forked = Operations::new(vec![], Outbox::default());
        forked.restore(&fork, kept, ResumeCause::Fork, |_| false);
        let Some(Item::Completed(completion)) = fork.mailbox.next().await else { panic!("no completion") };
        assert!(matches!(completion.outcome, wit::Outcome::Cancelled(why) if why == "forked"));
        assert!(completion.op == op && !forked.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_goes_on_in_another_life() {
        let (agent, next) = (shared(), shared());
        let mut operations = Operations::new(vec![], Outbox::default());
        let op = operations.submit(&agent, wit::Operation::Sleep(60_000)).unwrap();
        let kept = operations.capture();
        drop(operations);
        let mut operations = Operations::new(vec![], Outbox::default());
        operations.restore(&next, kept, ResumeCause::Suspend, |_| false);
        assert!(operations.first_due_ms().is_some());
        let Some(Item::Completed(completion)) = next.mailbox.next().await else { panic!("no completion") };
        assert_eq!(completion.op, op);
        assert_eq!(operations.submit(&next, wit::Operation::Sleep(1)).unwrap(), op + 1);
    }

    #[tokio::test]
    async fn timers_that_ended_meanwhile_come_in_their_order() {
        let agent = shared();
        let pending = |op, due_ms| manifest::Pending { op, work: manifest::Work::Sleep { due_ms } };
        let due = [9, 3, 7, 1, 5];
        let kept = manifest::Operations {
            last: 5,
            pending: (1..).zip(due).map(|(op, at)| pending(op, at)).collect(),
        };
        let mut operations = Operations::new(vec![], Outbox::default());
        operations.restore(&agent, kept, ResumeCause::Suspend, |_| false);
        for expected in [4, 2, 5, 3, 1] {
            let Some(Item::Completed(completion)) = agent.mailbox.next().await else {
                panic!("no completion")
            };
            assert_eq!(completion.op, expected);
            assert!(operations.completed(expected) && !operations.completed(expected));
        }
    }

    #[tokio::test]
    async fn operations_in_flight_are_bounded() {
        let agent = shared();
        let mut operations = Operations::new(vec![], Outbox::default());
        for _ in 0..MAX_OPERATIONS {
            operations.submit(&agent, wit::Operation::Sleep(60_000)).unwrap();
        }
        let refused = operations.submit(&agent, wit::Operation::Sleep(1)).unwrap_err();
        assert!(matches!(refused.code, wit::RefusalCode::LimitExceeded));
    }
}
