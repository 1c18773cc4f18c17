//! Errors of the public interface: the one place that maps a [`Code`] to an HTTP status.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use wire::problem::{Code, FieldError, Problem};

use crate::store::StoreError;

/// Why a request was not done, as its caller is told.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", title(*code))]
pub struct Error {
    /// What a client branches on.
    pub code: Code,
    /// What happened this time, for people. Never holds a secret.
    pub detail: Option<Cow<'static, str>>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Where a validation failed.
    pub errors: Vec<FieldError>,
    /// What is logged and never shown.
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, retry_after: None, errors: Vec::new(), source: None }
    }

    /// An error with one sentence for people.
    #[must_use]
    pub fn with(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(code) }
    }

    /// No such thing, or another tenant's: the two look the same.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// Fields that are not acceptable.
    #[must_use]
    pub fn validation(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(Code::Validation) }
    }

    /// One field that is not acceptable.
    #[must_use]
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::validation(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// Our fault; `source` goes to the log only.
    #[must_use]
    pub fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..Self::new(Code::Internal) }
    }

    /// When the caller may try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self, request_id: &str) -> Problem {
        Problem {
            kind: format!("https://docs.openclaw.cloud/problems/{}", name(self.code)),
            title: title(self.code).to_owned(),
            status: status(self.code).as_u16(),
            code: self.code,
            detail: self.detail.clone().map(Cow::into_owned),
            // What has a time when it may be tried again may be tried again.
            retryable: retryable(self.code) || self.retry_after.is_some(),
            retry_after_ms: self.retry_after.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }

    /// What an answer that some layer gave without a problem of ours means.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        Self::new(match status {
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Code::Validation,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            s if s.is_client_error() => Code::BadRequest,
            _ => Code::Internal,
        })
    }
}

/// The status of each code; nothing else in this crate chooses one for an error.
#[must_use]
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ScopeMissing | Code::OriginDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::InvalidState | Code::EpochChanged | Code::IdempotencyInProgress | Code::InputSessionExpired => {
            StatusCode::CONFLICT
        }
        Code::AgentTerminated => StatusCode::GONE,
        Code::VersionMismatch => StatusCode::PRECONDITION_FAILED,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::Validation | Code::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RateLimited | Code::QuotaExceeded => StatusCode::TOO_MANY_REQUESTS,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::InsufficientCapacity | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::StartTimeout => StatusCode::GATEWAY_TIMEOUT,
        Code::WorkspaceFull => StatusCode::INSUFFICIENT_STORAGE,
    }
}

fn retryable(code: Code) -> bool {
    matches!(
        code,
        Code::EpochChanged
            | Code::IdempotencyInProgress
            | Code::RateLimited
            | Code::QuotaExceeded
            | Code::Internal
            | Code::InsufficientCapacity
            | Code::Unavailable
            | Code::StartTimeout
    )
}

fn title(code: Code) -> &'static str {
    match code {
        Code::BadRequest => "Malformed request",
        Code::Unauthenticated => "No valid token, session or ticket",
        Code::ScopeMissing => "The token lacks the scope",
        Code::OriginDenied => "Request from an origin that is not allowed",
        Code::NotFound => "Not found",
        Code::MethodNotAllowed => "Method not allowed",
        Code::InvalidState => "Not possible in the agent's present state",
        Code::EpochChanged => "The agent moved meanwhile",
        Code::IdempotencyInProgress => "The same idempotency key is being worked on",
        Code::InputSessionExpired => "The input session is forgotten",
        Code::AgentTerminated => "The agent has ended",
        Code::VersionMismatch => "The resource has changed",
        Code::TooLarge => "Body too large",
        Code::UnsupportedMediaType => "Unsupported content type",
        Code::RangeNotSatisfiable => "No such range",
        Code::Validation => "Not acceptable",
        Code::IdempotencyKeyReused => "The idempotency key was used for another request",
        Code::RateLimited => "Too many requests",
        Code::QuotaExceeded => "Quota used up",
        Code::Internal => "Internal error",
        Code::InsufficientCapacity => "No host has room",
        Code::Unavailable => "Temporarily unavailable",
        Code::StartTimeout => "The agent did not start in time",
        Code::WorkspaceFull => "The workspace is full",
    }
}

/// The code's name on the wire.
#[must_use]
pub fn name(code: Code) -> String {
    serde_json::to_value(code).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Full(_) => {
                Self { source: Some(Arc::new(error)), ..Self::new(Code::Unavailable) }
                    .retry_after(Duration::from_secs(1))
            }
            StoreError::Corrupt { .. } => Self::internal(error),
        }
    }
}

/// The answer carries the error as an extension; `crate::edge` writes the body, because only it
/// knows the request's id.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = status(self.code).into_response();
        if self.code == Code::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_fault_is_ours_and_says_nothing_of_its_cause() {
        let error = Error::from(StoreError::Full("disk /secret/path".into()));
        let problem = serde_json::to_string(&error.problem("req_1")).unwrap();
        assert_eq!(error.code, Code::Unavailable);
        assert!(problem.contains("\"retryable\":true") && !problem.contains("secret"), "{problem}");
    }

    #[test]
    fn names_are_those_of_the_wire() {
        assert_eq!(name(Code::IdempotencyKeyReused), "idempotency_key_reused");
    }
}
