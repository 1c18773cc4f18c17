//! Errors as RFC 9457 problem details.

use serde::{Deserialize, Serialize};

/// The contract of an error; clients branch on it. `api/src/error.rs` maps each to its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: not HTTP or JSON as this API speaks it.
    BadRequest,
    /// 401: no valid token, cookie or ticket.
    Unauthenticated,
    /// 403: the token lacks the scope.
    ScopeMissing,
    /// 403: a cookie request that changes something came from another origin.
    OriginDenied,
    /// 404: no such thing, or another tenant's.
    NotFound,
    /// 405: the path knows other methods.
    MethodNotAllowed,
    /// 409: not legal in this state.
    InvalidState,
    /// 409: the agent moved meanwhile.
    EpochChanged,
    /// 409: the input session's numbers are forgotten; attach with a new one.
    InputSessionExpired,
    /// 409: the same idempotency key is being worked on.
    IdempotencyInProgress,
    /// 410: the agent is gone.
    AgentTerminated,
    /// 412: `If-Match` names another version.
    VersionMismatch,
    /// 413: body or file over its bound.
    TooLarge,
    /// 415: not the content type this endpoint takes.
    UnsupportedMediaType,
    /// 416: no such range in the file.
    RangeNotSatisfiable,
    /// 422: well-formed but not acceptable; `errors` says where.
    Validation,
    /// 422: the idempotency key was used for another body.
    IdempotencyKeyReused,
    /// 429: too many requests.
    RateLimited,
    /// 429: the tenant's quota is used up.
    QuotaExceeded,
    /// 500: our fault.
    Internal,
    /// 503: no host has room.
    InsufficientCapacity,
    /// 503: shutting down or not yet up.
    Unavailable,
    /// 504: the agent did not come to `running` in time.
    StartTimeout,
    /// 507: the workspace is full.
    WorkspaceFull,
}

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `https://docs.openclaw.cloud/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What a client branches on.
    pub code: Code,
    /// What happened this time, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When to try again, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_ms: Option<u64>,
    /// The request, as in `x-request-id`.
    pub request_id: String,
    /// Where a validation failed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<FieldError>,
}

/// One field that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// A JSON Pointer (RFC 6901) into the body, such as `/limits/memory_mib`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}
