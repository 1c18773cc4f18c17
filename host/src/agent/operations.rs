//! Operations in flight: submitted by the guest, completed by a later event.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use super::Shared;
use crate::bindings::agent::openclaw::agent::types as wit;

/// Operations an agent may have in flight.
pub(crate) const MAX_OPERATIONS: usize = 1024;
/// Longest sleep: a year. A longer one is not meant.
const MAX_SLEEP: Duration = Duration::from_secs(365 * 24 * 3600);

/// See the module. Dropping it cancels what is in flight.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    next: u64,
    /// `None` once it was cancelled: its completion is in the mailbox.
    running: BTreeMap<u64, Option<AbortHandle>>,
}

fn refusal(code: wit::RefusalCode, reason: impl Into<String>) -> wit::Refusal {
    wit::Refusal { code, reason: reason.into() }
}

impl Operations {
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
            wit::Operation::Sleep(ms) => Ok(self.sleep(agent.clone(), Duration::from_millis(ms))),
            wit::Operation::Fetch(fetch) => Err(refuse_fetch(&fetch)),
            wit::Operation::Chat(chat) => Err(not_granted(format!(
                "no model is configured for this agent (asked for {:?})",
                short(&chat.model)
            ))),
            wit::Operation::Tool(call) => {
                Err(not_granted(format!("the tool {:?} is not granted to this agent", short(&call.name))))
            }
            wit::Operation::Send(message) => Err(not_granted(format!(
                "messages to {:?} are not granted to this agent",
                short(&message.to)
            ))),
        }
    }

    fn sleep(&mut self, agent: Arc<Shared>, duration: Duration) -> u64 {
        self.next += 1;
        let op = self.next;
        let timer = tokio::spawn(async move {
            tokio::time::sleep(duration.min(MAX_SLEEP)).await;
            agent.mailbox.completed(wit::Completion { op, outcome: wit::Outcome::Done(wit::Output::Slept) });
        });
        self.running.insert(op, Some(timer.abort_handle()));
        op
    }

    /// Cancels an operation; it completes as cancelled. One that completed stays completed.
    pub(crate) fn cancel(&mut self, agent: &Shared, op: u64) {
        // It stays in flight until a completion is delivered: the first in the mailbox counts, and a second
        // cancel adds none.
        if let Some(handle) = self.running.get_mut(&op).and_then(Option::take) {
            handle.abort();
            let outcome = wit::Outcome::Cancelled("cancelled by the agent".to_owned());
            agent.mailbox.completed(wit::Completion { op, outcome });
        }
    }

    /// Whether a completion is the operation's first, and so is delivered.
    pub(crate) fn completed(&mut self, op: u64) -> bool {
        self.running.remove(&op).is_some()
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        for handle in self.running.values().flatten() {
            handle.abort();
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
        let mut operations = Operations::default();
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
        let mut operations = Operations::default();
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
        let mut operations = Operations::default();
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

    #[tokio::test]
    async fn operations_in_flight_are_bounded() {
        let agent = shared();
        let mut operations = Operations::default();
        for _ in 0..MAX_OPERATIONS {
            operations.submit(&agent, wit::Operation::Sleep(60_000)).unwrap();
        }
        let refused = operations.submit(&agent, wit::Operation::Sleep(1)).unwrap_err();
        assert!(matches!(refused.code, wit::RefusalCode::LimitExceeded));
    }
}
