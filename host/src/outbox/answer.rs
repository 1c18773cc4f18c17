//! How a request ended.

use egress::{Error, Kind, Response};
use wire::message::{FailureCode, Header, Outcome};

/// Of a request that may be made again.
pub(super) fn read(answer: Result<Response, Error>) -> Outcome {
    match answer {
        Ok(response) => fetched(response),
        Err(error) => failed(&error),
    }
}

/// Of one that may not: where it left and nobody answered, nobody knows. An answer that is too long is one.
pub(super) fn written(answer: Result<Response, Error>) -> Outcome {
    match answer {
        Err(error) if error.may_have_left() && error.kind() != Kind::TooLarge => {
            Outcome::Unknown { reason: crate::link::chain(&error) }
        }
        answer => read(answer),
    }
}

/// Of one that no host can make.
pub(super) fn nowhere() -> Outcome {
    let reason = "this host has no way out".to_owned();
    Outcome::Failed { code: FailureCode::Internal, reason, retryable: false }
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
