//! How an operation can end without its output.

use std::fmt;

use crate::types::{Failure, Refusal};

/// Why an operation has no output. Each case asks for something else, so
/// match on it; `Display` is for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The host did not accept it: not granted, over a limit, invalid. It took no effect.
    Refused(Refusal),
    /// It was tried and failed; [`Failure::retryable`] says whether trying again makes sense.
    Failed(Failure),
    /// It was cancelled, by the agent or because the agent was forked.
    Cancelled(String),
    /// It left the host, and nobody knows whether it took effect. Ask the far
    /// side before sending it again.
    OutcomeUnknown(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {}", refusal.reason),
            Self::Failed(failure) => write!(f, "failed: {}", failure.reason),
            Self::Cancelled(reason) => write!(f, "cancelled: {reason}"),
            Self::OutcomeUnknown(reason) => write!(f, "outcome unknown: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
