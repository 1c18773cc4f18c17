//! An agent's log.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
};
use futures_util::StreamExt as _;
use http::{HeaderMap, header};
use serde::Deserialize;
use utoipa::IntoParams;
use wire::{
    AgentId,
    log::{Level, LogEntry},
};

use crate::{
    app::{App, access::Caller, logs},
    error::Error,
    extract::{Id, Query},
    hosts::Read,
};

/// A quiet stream of events says so this often, so that proxies keep it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only entries with a higher `seq`.
    after: Option<u64>,
    /// Only this level and worse.
    level: Option<Level>,
    /// Whether to wait for more; a stream of events does unless told otherwise.
    follow: Option<bool>,
}

/// Read the log
///
/// JSON lines; with `Accept: text/event-stream` server-sent events whose id is the entry's `seq`, so
/// that `Last-Event-ID` goes on after it. The log of a suspended agent is read from its checkpoint, and ends there
/// even when it is followed: come back with the last `seq`.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/logs",
    tag = "logs",
    operation_id = "read_logs",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        Which,
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, for event streams."),
    ),
    responses((status = 200, description = "Entries, oldest first.", content(
        (LogEntry = "application/x-ndjson"),
        (LogEntry = "text/event-stream"),
    ))),
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Query(Which { after, level, follow }): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let events = text(header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream"));
    let after =
        text(header::HeaderName::from_static("last-event-id")).and_then(|id| id.parse().ok()).or(after);
    let read = Read::Logs { after, level, follow: follow.unwrap_or(events) };
    let log = app.read(&caller, id, read).await?;
    // A log that is followed has no end of its own.
    let stop = app.stop.clone().cancelled_owned();
    let body = Body::from_stream(log.body.into_data_stream().take_until(stop));
    if events {
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        return Ok(Sse::new(logs::events(body)).keep_alive(keep_alive).into_response());
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
