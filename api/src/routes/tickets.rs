//! Tickets for terminals.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use http::StatusCode;
use wire::{
    AgentId,
    access::{NewTicket, Ticket},
};

use crate::{
    app::{App, access::Caller},
    error::Error,
    extract::{Id, OptionalJson},
};

/// Make a ticket
///
/// Opens one WebSocket of the agent, once, within 30 seconds: the only way for a browser to get one.
#[utoipa::path(
    post,
    path = "/v1/agents/{id}/tickets",
    tag = "terminals",
    operation_id = "create_ticket",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body = Option<NewTicket>,
    responses((status = 201, description = "The ticket.", body = Ticket)),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AgentId>,
    OptionalJson(new): OptionalJson<NewTicket>,
) -> Result<(StatusCode, Answer<Ticket>), Error> {
    Ok((StatusCode::CREATED, Answer(app.ticket(&caller, id, new).await?)))
}
