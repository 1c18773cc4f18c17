//! Messages to agents, and webhooks.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use wire::{
    AgentId,
    agent::Page,
    message::{Hook, HookRequest, MAX_MESSAGE_BYTES, MessageAccepted, Sender},
};

use super::agents::idempotency_key;
use crate::{
    app::{
        App,
        access::Caller,
        mail::{Accepted, Incoming},
    },
    error::Error,
    extract::{Address, Id, Json, Name, bytes},
};

/// Send a message
///
/// The body is the message, of any content type, at most 128 KiB. It is durable when this answers: it reaches the
/// agent exactly as often as a checkpoint covers it, in order, and wakes the agent when it is suspended.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/messages",
    tag = "messages",
    operation_id = "send_message",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h are one message; another body is refused. 1 to 255 visible ASCII characters."),
    ),
    request_body(content = Vec<u8>, content_type = "*/*"),
    responses((status = 202, description = "It is durable.", body = MessageAccepted)),
)]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    request: Request,
) -> Result<Response, Error> {
    let incoming = read(request).await?;
    app.message(&caller, id, incoming).await.map(accepted)
}

/// Call a webhook
///
/// The address is the secret: no token is needed. The body becomes a message to the agent it belongs to.
#[utoipa::path(
    post,
    path = "/v1/hooks/{secret}",
    tag = "messages",
    operation_id = "call_hook",
    security(()),
    params(
        ("secret" = String, Path, description = "As in the webhook's `url`."),
        ("Idempotency-Key" = Option<String>, Header, description = "As for `POST /v1/agents/{id}/messages`."),
    ),
    request_body(content = Vec<u8>, content_type = "*/*"),
    responses((status = 202, description = "It is durable.", body = MessageAccepted)),
)]
pub(super) async fn hooked(
    State(app): State<Arc<App>>,
    Address(secret): Address,
    request: Request,
) -> Result<Response, Error> {
    // Nothing is read from whoever knows no address.
    let (agent, name) = app.hooked(&secret).await?;
    let incoming = read(request).await?;
    app.deliver(agent, Sender::Webhook { name }, incoming).await.map(accepted)
}

/// Make a webhook
///
/// Its address is in this answer and nowhere else. At most 16 for an agent.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/hooks",
    tag = "messages",
    operation_id = "create_hook",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body = HookRequest,
    responses((status = 201, description = "The webhook with its address.", body = Hook)),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Json { value, .. }: Json<HookRequest>,
) -> Result<(StatusCode, Answer<Hook>), Error> {
    Ok((StatusCode::CREATED, Answer(app.create_hook(&caller, id, value).await?)))
}

/// List webhooks
///
/// Without their addresses.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/hooks",
    tag = "messages",
    operation_id = "list_hooks",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent's webhooks by name.", body = Page<Hook>)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
) -> Result<Answer<Page<Hook>>, Error> {
    Ok(Answer(Page { data: app.hooks_of(&caller, id).await?, next_cursor: None }))
}

/// Delete a webhook
#[utoipa::path(
    delete,
    path = "/v1/agents/{id}/hooks/{name}",
    tag = "messages",
    operation_id = "delete_hook",
    params(
        ("id" = AgentId, Path, description = "The agent."),
        ("name" = String, Path, description = "The webhook."),
    ),
    responses((status = 204, description = "Its address means nothing any more.")),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    Name(name): Name,
) -> Result<StatusCode, Error> {
    app.delete_hook(&caller, id, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(request: Request) -> Result<Incoming, Error> {
    let key = idempotency_key(request.headers())?;
    let content_type = content_type(request.headers())?;
    let body = bytes(request, MAX_MESSAGE_BYTES).await?;
    Ok(Incoming { content_type, body, key })
}

fn content_type(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let kind = kind.to_str().map_err(|_| Error::field("/content-type", "must be visible ASCII"))?;
    Ok(Some(kind.to_owned()))
}

fn accepted(Accepted { message, replayed }: Accepted) -> Response {
    let body = Answer(MessageAccepted { message_id: message });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
