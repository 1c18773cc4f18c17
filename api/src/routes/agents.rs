//! Agents: spawn, list, read, delete.

use std::{sync::Arc, time::Duration};

use axum::{
    Json as Answer,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use wire::{
    AgentId,
    agent::{Agent, Page, SpawnRequest, Spawned, Status},
    problem::Code,
};

use super::page::{self, Asked};
use crate::{
    app::{App, access::Caller, agents::Spawn},
    error::Error,
    extract::{Id, Json, Query},
};

/// Longest wait a client can ask for, seconds.
const MAX_WAIT_SECONDS: u64 = 60;
/// Longest idempotency key, bytes of visible ASCII.
const MAX_KEY_BYTES: usize = 255;

/// Spawn an agent
///
/// Records an agent and starts it. Answers 202 at once; with `Prefer: wait=N` it waits up to N seconds
/// (at most 60) and answers 201 when the agent runs, with a first ticket for its terminal.
#[utoipa::path(
    post,
    path = "/v1/agents/spawn",
    tag = "agents",
    operation_id = "spawn_agent",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h give the same agent; another body is refused. 1 to 255 visible ASCII characters."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for `running`."),
    ),
    request_body = SpawnRequest,
    responses(
        (status = 201, description = "It runs.", body = Spawned),
        (status = 202, description = "Recorded; it is being started.", body = Spawned),
    ),
)]
pub(super) async fn spawn(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json { value, bytes }: Json<SpawnRequest>,
) -> Result<Response, Error> {
    let (key, wait) = (idempotency_key(&headers)?, prefer_wait(&headers));
    let spawned = app.spawn(&caller, Spawn { request: value, key, body: bytes, wait }).await?;
    let running = wait.is_some() && spawned.agent.status == Status::Running;
    let status = if running { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let location = format!("/v1/agents/{}", spawned.agent.id);
    let body = Spawned { agent: app.view(spawned.agent), ticket: spawned.ticket };
    let mut response = (status, [(header::LOCATION, location)], Answer(body)).into_response();
    let facts = [(spawned.replayed, "idempotency-replayed", "true"), (running, "preference-applied", "wait")];
    for (_, name, value) in facts.into_iter().filter(|(holds, ..)| *holds) {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Spawn an agent (short path)
///
/// The same as `POST /v1/agents/spawn`.
#[utoipa::path(
    post,
    path = "/agents/spawn",
    tag = "agents",
    operation_id = "spawn_agent_short",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "As for `POST /v1/agents/spawn`."),
        ("Prefer" = Option<String>, Header, description = "As for `POST /v1/agents/spawn`."),
    ),
    request_body = SpawnRequest,
    responses(
        (status = 201, description = "It runs.", body = Spawned),
        (status = 202, description = "Recorded; it is being started.", body = Spawned),
    ),
)]
pub(super) async fn spawn_short(
    app: State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Json<SpawnRequest>,
) -> Result<Response, Error> {
    spawn(app, caller, headers, body).await
}

/// List agents
///
/// The tenant's agents, newest first.
#[utoipa::path(
    get,
    path = "/v1/agents",
    tag = "agents",
    operation_id = "list_agents",
    params(
        ("status" = Option<String>, Query, description = "Only these statuses, separated by commas."),
        ("name" = Option<String>, Query, description = "Only agents of exactly this name."),
        ("metadata.{key}" = Option<String>, Query, description = "Only agents with this pair, such as `metadata.team=blue`; may be given for several keys."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when absent.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "One page.", body = Page<Agent>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Answer<Page<Agent>>, Error> {
    let Asked { filter, after, limit } = page::parse(query.as_deref().unwrap_or(""))?;
    let (agents, next) = app.agents(&caller, filter, after, limit).await?;
    let data = agents.into_iter().map(|agent| app.view(agent)).collect();
    Ok(Answer(Page { data, next_cursor: next.map(page::cursor) }))
}

/// How long to wait for what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Answer once the agent has this status, or has ended, or the time is over.
    wait_for: Option<Status>,
    /// Longest wait, seconds; 30 when absent.
    #[param(minimum = 1, maximum = 60)]
    timeout_seconds: Option<u64>,
}

/// Read an agent
///
/// With `wait_for` the answer comes when the agent has that status, has ended, or the time is over.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}",
    tag = "agents",
    operation_id = "get_agent",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        Wait,
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` of before."),
    ),
    responses(
        (status = 200, description = "The agent.", body = Agent, headers(("ETag" = String, description = "Its version."))),
        (status = 304, description = "It has not changed."),
    ),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let seconds = wait.timeout_seconds.unwrap_or(30);
    if !(1..=MAX_WAIT_SECONDS).contains(&seconds) {
        return Err(Error::field("/timeout_seconds", format!("must be from 1 to {MAX_WAIT_SECONDS}")));
    }
    let agent = match wait.wait_for {
        Some(status) => {
            app.agent_once(&caller, id, status, Instant::now() + Duration::from_secs(seconds)).await?
        }
        None => app.agent(&caller, id).await?,
    };
    let tag = format!("\"{}\"", agent.version);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Answer(app.view(agent))).into_response())
}

/// Delete an agent
///
/// Legal in every status; again is no error.
#[utoipa::path(
    delete,
    path = "/v1/agents/{id}",
    tag = "agents",
    operation_id = "delete_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses(
        (status = 202, description = "It is being ended.", body = Agent),
        (status = 204, description = "It had ended before."),
    ),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
) -> Result<Response, Error> {
    let (agent, ending) = app.delete(&caller, id).await?;
    if !ending {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Answer(app.view(agent))).into_response())
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()));
    let key = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    let wrong = || Error::with(Code::BadRequest, "Idempotency-Key must be 1 to 255 visible ASCII characters");
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

/// `wait=N` of `Prefer` (RFC 7240): what is not understood there is ignored.
pub(super) fn prefer_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("wait").then(|| value.parse::<u64>().ok())?
    })?;
    Some(Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &'static str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", HeaderValue::from_static(value));
        prefer_wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn prefer_is_read_as_the_standard_says() {
        assert_eq!(wait("wait=10"), Some(10));
        assert_eq!(wait("respond-async, Wait = \"5\""), Some(5));
        assert_eq!(wait("wait=999999"), Some(MAX_WAIT_SECONDS));
        assert_eq!(wait("wait=soon"), None);
        assert_eq!(wait("return=minimal"), None);
    }
}
