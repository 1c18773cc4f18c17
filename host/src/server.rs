//! The host's listener: speaks `wire` to the API, and the terminal protocol to replayed sockets.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use subtle::ConstantTimeEq as _;
use wire::{
    AgentId,
    host::{Command, MAX_COMMAND_BYTES, REQUEST_ID, Reply},
    problem::{Code, Problem},
};

use crate::{agent::Shared, agents::Agents, link::Link};

mod files;
mod logs;
mod socket;

/// What every handler sees.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) agents: Arc<Agents>,
    /// What the API proves itself with; without one nobody is admitted.
    pub(crate) credential: Option<Arc<str>>,
    /// Redeems tickets of clients that come directly; `None` when hosts are not reachable.
    pub(crate) link: Option<Arc<Link>>,
}

/// The routes of `wire::host`.
pub(crate) fn routes(door: Door) -> Router {
    let guarded = Router::new()
        .route("/wire/v1/command", post(command).layer(DefaultBodyLimit::max(MAX_COMMAND_BYTES)))
        .route("/wire/v1/agents/{id}/logs", get(logs::read))
        .route("/wire/v1/agents/{id}/files", get(files::list))
        .route(
            "/wire/v1/agents/{id}/files/{*path}",
            get(files::read).put(files::write).delete(files::remove).layer(DefaultBodyLimit::disable()),
        )
        .layer(middleware::from_fn_with_state(door.clone(), authenticate));
    Router::new()
        // Checks for itself: a client that comes directly has a ticket instead of the credential.
        .route("/wire/v1/agents/{id}/socket", get(socket::open))
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(guarded)
        .fallback(|| async { problem(StatusCode::NOT_FOUND, Code::NotFound, "no such route") })
        .with_state(door)
}

impl Door {
    /// Whether a request carries this host's credential.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let given =
            headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let Some((given, wanted)) = given.zip(self.credential.as_ref()) else { return false };
        given.ct_eq(wanted.as_bytes()).into()
    }

    #[expect(clippy::result_large_err, reason = "the error is the response")]
    fn agent(&self, id: &str) -> Result<Arc<Shared>, Response> {
        // Not `not_found`: that is the answer for a file that is not there.
        let unknown = || problem(StatusCode::CONFLICT, Code::EpochChanged, "the agent is not on this host");
        id.parse::<AgentId>().ok().and_then(|id| self.agents.get(id)).ok_or_else(unknown)
    }
}

async fn authenticate(State(door): State<Door>, request: Request, next: Next) -> Response {
    if door.admits(request.headers()) {
        next.run(request).await
    } else {
        problem(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "the host's credential is missing or wrong")
    }
}

async fn command(State(door): State<Door>, headers: HeaderMap, body: Bytes) -> Result<Json<Reply>, Response> {
    let command: Command = serde_json::from_slice(&body).map_err(|error| {
        problem(StatusCode::BAD_REQUEST, Code::BadRequest, &format!("not a command: {error}"))
    })?;
    let request = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let span = tracing::info_span!("command", request);
    // Detached: an API that goes away does not leave a command half done.
    let done = tokio::spawn(tracing::Instrument::instrument(
        async move { door.agents.command(command).await },
        span,
    ));
    let broken = |_| problem(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "the command panicked");
    done.await.map(Json).map_err(broken)
}

/// An error as `wire` has them.
fn describe(status: StatusCode, code: Code, detail: &str) -> Problem {
    let text = serde_json::to_value(code).ok();
    let text = text.as_ref().and_then(|code| code.as_str()).unwrap_or("internal");
    Problem {
        kind: format!("https://docs.openclaw.cloud/problems/{text}"),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        code,
        detail: Some(detail.to_owned()),
        retryable: status == StatusCode::SERVICE_UNAVAILABLE,
        retry_after_ms: None,
        request_id: String::new(),
        errors: vec![],
    }
}

/// An error as the answer to a request.
pub(crate) fn problem(status: StatusCode, code: Code, detail: &str) -> Response {
    let mut response = (status, Json(describe(status, code, detail))).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A body of JSON lines.
fn lines(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// The agent a path names.
type AgentPath = Path<String>;
