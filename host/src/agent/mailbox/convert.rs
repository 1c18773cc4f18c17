//! What waits for an agent, between its three forms: the guest's contract, a checkpoint's, and the inbox's.

use checkpoint::manifest::{self, Event};
use wire::message::{FailureCode, Header, Message, Outcome, Sender};

use super::{Item, Origin};
use crate::bindings::agent::openclaw::agent::types as wit;

/// A failure's code as a checkpoint numbers it, in the order of the contract.
const FAILURE_CODES: [wit::FailureCode; 7] = [
    wit::FailureCode::Timeout,
    wit::FailureCode::Unreachable,
    wit::FailureCode::RefusedByPeer,
    wit::FailureCode::TooLarge,
    wit::FailureCode::RateLimited,
    wit::FailureCode::Invalid,
    wit::FailureCode::Internal,
];

/// As a checkpoint holds it; `None` for what is made anew by every resume and stop.
pub(crate) fn event(item: &Item) -> Option<Event> {
    Some(match item {
        Item::Resume(_) | Item::Stop(_) => return None,
        Item::Input { bytes, origin } => {
            Event::Input { bytes: bytes.clone(), session: origin.session.clone(), upto: origin.upto }
        }
        Item::Resize(size) => Event::Resize { cols: size.cols, rows: size.rows },
        Item::Message { seq, message } => Event::Message {
            seq: *seq,
            id: message.id.clone(),
            sender: match &message.sender {
                wit::Sender::Api => "api".to_owned(),
                wit::Sender::Webhook(name) => format!("webhook:{name}"),
                wit::Sender::Agent(id) => format!("agent:{id}"),
            },
            content_type: message.content_type.clone(),
            body: message.body.clone(),
            sent_at_ms: message.sent_at,
        },
        Item::Completed(completion) => {
            Event::Completed { op: completion.op, outcome: saved(completion.outcome.clone()) }
        }
        Item::Turn => Event::Turn,
    })
}

/// The event of a checkpoint to be delivered.
pub(crate) fn item(event: Event) -> Item {
    match event {
        Event::Input { bytes, session, upto } => Item::Input { bytes, origin: Origin { session, upto } },
        Event::Resize { cols, rows } => Item::Resize(wit::Size { cols, rows }),
        Event::Message { seq, id, sender, content_type, body, sent_at_ms } => {
            let sender = match sender.split_once(':') {
                Some(("webhook", name)) => wit::Sender::Webhook(name.to_owned()),
                Some(("agent", id)) => wit::Sender::Agent(id.to_owned()),
                _ => wit::Sender::Api,
            };
            Item::Message {
                seq,
                message: wit::Message { id, sender, content_type, body, sent_at: sent_at_ms },
            }
        }
        Event::Completed { op, outcome } => {
            Item::Completed(wit::Completion { op, outcome: completed(outcome) })
        }
        Event::Turn => Item::Turn,
    }
}

/// How an operation ended, as a checkpoint holds it.
pub(crate) fn saved(outcome: wit::Outcome) -> manifest::Outcome {
    use manifest::Outcome as Saved;
    match outcome {
        wit::Outcome::Done(wit::Output::Slept) => Saved::Slept,
        wit::Outcome::Done(wit::Output::Sent(id)) => Saved::Sent(id),
        wit::Outcome::Done(wit::Output::Chatted(text)) => Saved::Chatted(text),
        wit::Outcome::Done(wit::Output::Called(text)) => Saved::Called(text),
        wit::Outcome::Done(wit::Output::Fetched(response)) => Saved::Fetched {
            status: response.status,
            headers: response.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: response.body,
        },
        wit::Outcome::Failed(failure) => {
            let at = FAILURE_CODES.iter().position(|code| *code == failure.code);
            let code = at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX);
            Saved::Failed(code, failure.reason, failure.retryable)
        }
        wit::Outcome::Cancelled(why) => Saved::Cancelled(why),
        wit::Outcome::OutcomeUnknown(why) => Saved::Unknown(why),
    }
}

/// How an operation of a checkpoint ended, as the agent is told. A code of a newer host is its own fault.
pub(crate) fn completed(outcome: manifest::Outcome) -> wit::Outcome {
    use manifest::Outcome as Saved;
    wit::Outcome::Done(match outcome {
        Saved::Slept => wit::Output::Slept,
        Saved::Sent(id) => wit::Output::Sent(id),
        Saved::Chatted(text) => wit::Output::Chatted(text),
        Saved::Called(text) => wit::Output::Called(text),
        Saved::Fetched { status, headers, body } => {
            let headers = headers.into_iter().map(|(name, value)| wit::Header { name, value }).collect();
            wit::Output::Fetched(wit::Response { status, headers, body })
        }
        Saved::Failed(code, reason, retryable) => {
            let code = FAILURE_CODES.get(usize::from(code)).copied().unwrap_or(wit::FailureCode::Internal);
            return wit::Outcome::Failed(wit::Failure { code, reason, retryable });
        }
        Saved::Cancelled(why) => return wit::Outcome::Cancelled(why),
        Saved::Unknown(why) => return wit::Outcome::OutcomeUnknown(why),
    })
}

/// A message of the inbox, as the agent gets it.
pub(crate) fn message(message: &Message) -> wit::Message {
    wit::Message {
        id: message.id.to_string(),
        sender: match &message.sender {
            Sender::Api {} => wit::Sender::Api,
            Sender::Webhook { name } => wit::Sender::Webhook(name.clone()),
            Sender::Agent { id } => wit::Sender::Agent(id.to_string()),
        },
        content_type: message.content_type.clone(),
        body: message.body.clone(),
        sent_at: u64::try_from(message.sent_at.as_millisecond()).unwrap_or(0),
    }
}

/// How an operation ended, as the agent is told.
pub(crate) fn delivered(outcome: &Outcome) -> wit::Outcome {
    match outcome {
        Outcome::Sent { message } => wit::Outcome::Done(wit::Output::Sent(message.to_string())),
        Outcome::Fetched { status, headers, body } => {
            let header = |h: &Header| wit::Header { name: h.name.clone(), value: h.value.clone() };
            let headers = headers.iter().map(header).collect();
            let response = wit::Response { status: *status, headers, body: body.clone() };
            wit::Outcome::Done(wit::Output::Fetched(response))
        }
        Outcome::Failed { code, reason, retryable } => wit::Outcome::Failed(wit::Failure {
            code: failure(*code),
            reason: reason.clone(),
            retryable: *retryable,
        }),
        Outcome::Unknown { reason } => wit::Outcome::OutcomeUnknown(reason.clone()),
    }
}

fn failure(code: FailureCode) -> wit::FailureCode {
    match code {
        FailureCode::Timeout => wit::FailureCode::Timeout,
        FailureCode::Unreachable => wit::FailureCode::Unreachable,
        FailureCode::RefusedByPeer => wit::FailureCode::RefusedByPeer,
        FailureCode::TooLarge => wit::FailureCode::TooLarge,
        FailureCode::RateLimited => wit::FailureCode::RateLimited,
        FailureCode::Invalid => wit::FailureCode::Invalid,
        FailureCode::Internal => wit::FailureCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = manifest::Outcome> {
        use manifest::Outcome as Saved;
        let headers = || prop::collection::vec((any::<String>(), any::<Vec<u8>>()), 0..4);
        prop_oneof![
            Just(Saved::Slept),
            any::<String>().prop_map(Saved::Sent),
            (any::<u16>(), headers(), any::<Vec<u8>>()).prop_map(|(status, headers, body)| Saved::Fetched {
                status,
                headers,
                body
            }),
            any::<String>().prop_map(Saved::Chatted),
            any::<String>().prop_map(Saved::Called),
            (0..7u8, any::<String>(), any::<bool>())
                .prop_map(|(code, why, again)| Saved::Failed(code, why, again)),
            any::<String>().prop_map(Saved::Cancelled),
            any::<String>().prop_map(Saved::Unknown),
        ]
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let sender = prop_oneof![Just("api".to_owned()), "webhook:[a-z:]{1,9}", "agent:[a-z0-9_]{1,9}"];
        prop_oneof![
            (any::<Vec<u8>>(), any::<String>(), any::<u64>())
                .prop_map(|(bytes, session, upto)| Event::Input { bytes, session, upto }),
            (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| Event::Resize { cols, rows }),
            (any::<(u64, String, String, Vec<u8>, u64)>(), sender).prop_map(
                |((seq, id, content_type, body, sent_at_ms), sender)| Event::Message {
                    seq,
                    id,
                    sender,
                    content_type,
                    body,
                    sent_at_ms
                }
            ),
            (any::<u64>(), outcome()).prop_map(|(op, outcome)| Event::Completed { op, outcome }),
            Just(Event::Turn),
        ]
    }

    proptest! {
        #[test]
        fn an_event_comes_back_from_a_checkpoint(saved in any_event()) {
            prop_assert_eq!(event(&item(saved.clone())), Some(saved));
        }
    }

    #[test]
    fn a_code_of_a_newer_host_is_told_as_its_own_fault() {
        let unknown = manifest::Outcome::Failed(200, "why".to_owned(), true);
        let wit::Outcome::Failed(failure) = completed(unknown) else { panic!("no failure") };
        assert_eq!((failure.code, failure.reason.as_str()), (wit::FailureCode::Internal, "why"));
    }
}
