//! How a request ended, as the agent is told: at once, or by its inbox.

use egress::{Error, Kind, Response};
use wire::message::{FailureCode, Header, Outcome};

use crate::{agent::mailbox::convert, bindings::agent::openclaw::agent::types as wit};

/// Of a request that may be made again.
pub(super) fn to_agent(answer: Result<Response, Error>) -> wit::Outcome {
    convert::delivered(&match answer {
        Ok(response) => fetched(response),
        Err(error) => failed(&error),
    })
}

/// Of one that may not: where it left and nobody answered, nobody knows. An answer that is too long is one.
pub(super) fn to_inbox(answer: Result<Response, Error>) -> Outcome {
    match answer {
        Ok(response) => fetched(response),
        Err(error) if error.may_have_left() && error.kind() != Kind::TooLarge => {
            Outcome::Unknown { reason: crate::link::chain(&error) }
        }
        Err(error) => failed(&error),
    }
}

/// Of one that no host can make.
pub(super) fn nowhere() -> Outcome {
    let reason = "this host has no way out".to_owned();
    Outcome::Failed { code: FailureCode::Internal, reason, retryable: false }
}

/// [`nowhere`], told at once.
pub(super) fn no_way() -> wit::Outcome {
    convert::delivered(&nowhere())
}

fn fetched(response: Response) -> Outcome {
    let Response { status, headers, body } = response;
    let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
    Outcome::Fetched { status, headers, body }
}

fn failed(error: &Error) -> Outcome {
    let code = match error.kind() {
        Kind::Timeout => FailureCode::Timeout,
        Kind::Unreachable => FailureCode::Unreachable,
        // Rules that say no to an address it has only now are no mistake of the agent.
        Kind::RefusedByPeer | Kind::NotGranted => FailureCode::RefusedByPeer,
        Kind::TooLarge => FailureCode::TooLarge,
        Kind::Invalid => FailureCode::Invalid,
        Kind::Internal => FailureCode::Internal,
    };
    Outcome::Failed { code, reason: crate::link::chain(error), retryable: error.retryable() }
}
