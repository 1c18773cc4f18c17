//! Checkpoints, restoring, forks and upgrades.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use wire::{
    AgentId, CheckpointId,
    agent::{Agent, Page, UpgradeRequest},
    checkpoint::{Checkpoint, CheckpointRequest, ForkRequest, Forks, RestoreRequest},
};

use super::{agents::idempotency_key, page};
use crate::{
    app::{App, access::Caller},
    error::Error,
    extract::{Id, Json, OptionalJson, Query},
};

/// Take a checkpoint
///
/// Lets the agent come to rest, at most 10 s, and keeps it as it is then; it goes on. Kept until it is deleted or the
/// agent ends.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/checkpoints",
    tag = "checkpoints",
    operation_id = "create_checkpoint",
    params(("id" = AgentId, Path, description = "The agent, which has to run.")),
    request_body = Option<CheckpointRequest>,
    responses((status = 201, description = "It is durable.", body = Checkpoint)),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    OptionalJson(request): OptionalJson<CheckpointRequest>,
) -> Result<(StatusCode, Answer<Checkpoint>), Error> {
    Ok((StatusCode::CREATED, Answer(app.create_checkpoint(&caller, id, request).await?)))
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// 1 to 100; 50 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List checkpoints
///
/// The agent's durable checkpoints, newest first: the last two that its host took by itself, and those that were
/// asked for.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/checkpoints",
    tag = "checkpoints",
    operation_id = "list_checkpoints",
    params(("id" = AgentId, Path, description = "The agent."), Which),
    responses((status = 200, description = "One page.", body = Page<Checkpoint>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Query(Which { limit, cursor }): Query<Which>,
) -> Result<Answer<Page<Checkpoint>>, Error> {
    let limit = limit.unwrap_or(page::LIMIT);
    if !(1..=page::MAX_LIMIT).contains(&limit) {
        return Err(Error::field("/limit", format!("must be from 1 to {}", page::MAX_LIMIT)));
    }
    let after = cursor.map(|cursor| cursor.parse::<CheckpointId>()).transpose();
    let after = after.map_err(|_| Error::field("/cursor", "not a cursor of this list"))?;
    let (data, next) = app.checkpoints(&caller, id, after, limit).await?;
    Ok(Answer(Page { data, next_cursor: next.map(|id| id.to_string()) }))
}

/// Delete a checkpoint
///
/// Refused with `invalid_state` while an agent goes on from it.
#[utoipa::path(
    delete,
    path = "/v1/checkpoints/{id}",
    tag = "checkpoints",
    operation_id = "delete_checkpoint",
    params(("id" = CheckpointId, Path, description = "The checkpoint.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<CheckpointId>,
) -> Result<StatusCode, Error> {
    app.delete_checkpoint(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restore an agent
///
/// Takes a running or suspended agent back to one of its checkpoints, with its files and screen; what came after is
/// undone and its sockets are told so.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/restore",
    tag = "checkpoints",
    operation_id = "restore_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body = RestoreRequest,
    responses((status = 202, description = "It is being restored.", body = Agent)),
)]
pub(super) async fn restore(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Json { value, .. }: Json<RestoreRequest>,
) -> Result<(StatusCode, Answer<Agent>), Error> {
    let agent = app.restore(&caller, id, value).await?;
    Ok((StatusCode::ACCEPTED, Answer(app.view(agent))))
}

/// Fork an agent
///
/// Makes running copies: memory and files as they are now or were at a checkpoint. The agent itself goes on
/// undisturbed. What is given can only narrow what the copies may do.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/forks",
    tag = "checkpoints",
    operation_id = "fork_agent",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body within 24 h, a request is answered with the forks it made, and makes those it did not."),
    ),
    request_body = Option<ForkRequest>,
    responses((status = 201, description = "For each that was asked for the agent, or why it was not made.", body = Forks)),
)]
pub(super) async fn fork(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    headers: HeaderMap,
    OptionalJson(request): OptionalJson<ForkRequest>,
) -> Result<(StatusCode, Answer<Forks>), Error> {
    let key = idempotency_key(&headers)?;
    Ok((StatusCode::CREATED, Answer(app.fork(&caller, id, request, key).await?)))
}

/// Upgrade an agent
///
/// Gives a running agent another version of its component, which takes over its state by `save` and `load`. Nothing
/// changes when either refuses. An agent is never upgraded otherwise.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/upgrade",
    tag = "checkpoints",
    operation_id = "upgrade_agent",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body = UpgradeRequest,
    responses((status = 200, description = "It runs the new version.", body = Agent)),
)]
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Json { value, .. }: Json<UpgradeRequest>,
) -> Result<Answer<Agent>, Error> {
    let agent = app.upgrade(&caller, id, &value.image).await?;
    Ok(Answer(app.view(agent)))
}
