//! Suspend and resume.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;
use wire::{AgentId, agent::Agent};

use super::agents::prefer_wait;
use crate::{
    app::{App, access::Caller, suspending::Turned},
    error::Error,
    extract::Id,
};

/// Suspend an agent
///
/// Lets it come to rest, at most 10 s, and keeps it as a checkpoint; its next key press, message or timer
/// brings it back. One that does not come to rest goes back to its last checkpoint, and what it was doing is
/// done again later: `status_detail` says so. Answers 202 at once; with `Prefer: wait=N` it waits up to N
/// seconds, and answers a problem when the agent could not be suspended and goes on: `invalid_state`, or
/// `unavailable` when no checkpoint can be stored now.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/suspend",
    tag = "checkpoints",
    operation_id = "suspend_agent",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for `suspended`."),
    ),
    responses(
        (status = 200, description = "It is suspended already.", body = Agent),
        (status = 202, description = "It is being suspended, or was just now.", body = Agent),
    ),
)]
pub(super) async fn suspend(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let until = prefer_wait(&headers).map(|wait| Instant::now() + wait);
    let turned = app.suspend(&caller, id, until).await?;
    Ok(answer(&app, turned, until.is_some()))
}

/// Resume an agent
///
/// Brings a suspended agent back from its checkpoint. With `Prefer: wait=N` the answer comes when it runs, or
/// after N seconds.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/resume",
    tag = "checkpoints",
    operation_id = "resume_agent",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for `running`."),
    ),
    responses(
        (status = 200, description = "It runs already.", body = Agent),
        (status = 202, description = "It is being resumed, or was just now.", body = Agent),
    ),
)]
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let until = prefer_wait(&headers).map(|wait| Instant::now() + wait);
    let turned = app.resume(&caller, id, until).await?;
    Ok(answer(&app, turned, until.is_some()))
}

pub(super) fn answer(app: &App, Turned { agent, changed }: Turned, waited: bool) -> Response {
    let status = if changed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut response = (status, Answer(app.view(agent))).into_response();
    if waited {
        response.headers_mut().insert("preference-applied", HeaderValue::from_static("wait"));
    }
    response
}
