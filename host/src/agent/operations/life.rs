//! Operations in checkpoints: what is kept of each, and how it goes on in another life.

use std::{sync::Arc, time::Duration};

use checkpoint::manifest::{self, Fetch};
use wire::{egress::is_repeatable, host::ResumeCause};

use super::{Effect, MAX_OPERATIONS, MAX_SLEEP, Message, Operations, Shared, State, fetch, now_ms, sleep};
use crate::bindings::agent::openclaw::agent::types as wit;

/// What a rollback says of a request that may have left.
const LOST: &str = "its host was lost, and whether it had left is not known";

impl Operations {
    /// When the first timer is due, or an answer that never came is given up: milliseconds since 1970.
    pub(crate) fn first_due_ms(&self) -> Option<u64> {
        let due = self.running.values().filter_map(|state| match state {
            State::Sleep { due_ms, .. } => Some(*due_ms),
            State::Out { until_ms, .. } | State::Awaited { until_ms, .. } => Some(*until_ms),
            _ => None,
        });
        due.min()
    }

    /// As a checkpoint keeps them.
    pub(crate) fn capture(&self) -> manifest::Operations {
        let pending = self.running.iter().map(|(op, state)| manifest::Pending { op: *op, work: work(state) });
        manifest::Operations { last: self.last, pending: pending.collect() }
    }

    /// Goes on where a checkpoint left them. `over` are those whose completions wait already. What had an effect
    /// outside goes on only in the life that began it; in another it completes as such. Whether something left that
    /// the checkpoint does not say left.
    pub(crate) fn restore(
        &mut self,
        agent: &Arc<Shared>,
        kept: manifest::Operations,
        cause: ResumeCause,
        over: impl Fn(u64) -> bool,
    ) -> bool {
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
                manifest::Work::Send { to, content_type, body } => {
                    let message = Effect::Message(Message { to, content_type, body });
                    effect(agent, op, cause, || State::Held(message))
                }
                manifest::Work::Fetch(fetch) if is_repeatable(&fetch.method) => self.ask(agent, op, fetch),
                manifest::Work::Fetch(fetch) => {
                    effect(agent, op, cause, || self.go_on(agent, op, fetch, None, cause))
                }
                manifest::Work::Left { fetch, until_ms } => {
                    effect(agent, op, cause, || self.go_on(agent, op, fetch, Some(until_ms), cause))
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
        self.release(agent, kept.last, false)
    }

    /// A request that may not be made twice, in the life that began it; `left` is known of those that did.
    fn go_on(
        &self,
        agent: &Arc<Shared>,
        op: u64,
        fetch: Box<Fetch>,
        left: Option<u64>,
        cause: ResumeCause,
    ) -> State {
        let until_ms = left.unwrap_or_else(|| fetch::gives_up_at(now_ms(), &fetch));
        if self.outbox.is_out(agent, op) {
            return State::Out { fetch, until_ms };
        }
        // A planned stop tells what left; after another it may have.
        match (cause, left) {
            (ResumeCause::Suspend | ResumeCause::Migrate, Some(_)) => {
                let timer = self.wait_for(agent, op, &fetch, until_ms);
                State::Awaited { fetch, until_ms, timer }
            }
            (ResumeCause::Suspend | ResumeCause::Migrate, None) => State::Held(Effect::Request(fetch)),
            _ if fetch.retryable => State::Held(Effect::Request(fetch)),
            _ => {
                self.outbox.give_up(agent, op, LOST);
                State::Out { fetch, until_ms }
            }
        }
    }

    /// Waits for an answer that another host promised, and for no longer than it could take.
    fn wait_for(
        &self,
        agent: &Arc<Shared>,
        op: u64,
        fetch: &Fetch,
        until_ms: u64,
    ) -> tokio::task::AbortHandle {
        let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
        let (outbox, agent, rules) = (self.outbox.clone(), agent.clone(), self.grants.egress.clone());
        let again = fetch.retryable.then(|| fetch::request(fetch));
        let task = tokio::spawn(async move {
            tokio::time::sleep(left).await;
            match again {
                Some(request) => outbox.fetch(&agent, op, request, rules),
                None => outbox.give_up(&agent, op, LOST),
            }
        });
        task.abort_handle()
    }
}

/// An operation with an effect outside: in another life than the one that began it, it is over.
fn effect(agent: &Shared, op: u64, cause: ResumeCause, goes_on: impl FnOnce() -> State) -> State {
    let outcome = match cause {
        ResumeCause::Suspend | ResumeCause::Migrate | ResumeCause::Rollback => return goes_on(),
        ResumeCause::Fork => wit::Outcome::Cancelled("forked".to_owned()),
        ResumeCause::Restore => {
            wit::Outcome::OutcomeUnknown("restored to a time before it was known".to_owned())
        }
    };
    agent.mailbox.completed(wit::Completion { op, outcome });
    State::Over
}

fn work(state: &State) -> manifest::Work {
    match state {
        State::Sleep { due_ms, .. } => manifest::Work::Sleep { due_ms: *due_ms },
        State::Held(Effect::Message(message)) | State::Leaving(message, _) => manifest::Work::Send {
            to: message.to.clone(),
            content_type: message.content_type.clone(),
            body: message.body.clone(),
        },
        State::Asking(fetch, _) | State::Held(Effect::Request(fetch)) => manifest::Work::Fetch(fetch.clone()),
        State::Out { fetch, until_ms } | State::Awaited { fetch, until_ms, .. } => {
            manifest::Work::Left { fetch: fetch.clone(), until_ms: *until_ms }
        }
        State::Over => manifest::Work::Over,
    }
}
