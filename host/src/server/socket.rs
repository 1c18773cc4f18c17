//! `GET /wire/v1/agents/{id}/socket`: a client's upgrade, replayed by the API or made directly.

use axum::{
    extract::{Path, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use wire::{
    access::Role,
    host::{SOCKET_EPOCH, SOCKET_ROLE},
    problem::Code,
    terminal::{HEADER_BYTES, MAX_PAYLOAD, PROTOCOL, TICKET_PREFIX},
};

use super::{AgentPath, Door, problem};
use crate::terminal::session;

/// Bytes of a frame taken from a client: a full payload and, for a clear answer to a longer one, some more.
const MAX_MESSAGE_BYTES: usize = 2 * (HEADER_BYTES + MAX_PAYLOAD);
/// Bytes collected before they are written to the socket, and the most that may wait.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
const MAX_WRITE_BUFFER_BYTES: usize = 1 << 20;

/// Upgrades and serves.
pub(super) async fn open(
    State(door): State<Door>,
    Path(id): AgentPath,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Response> {
    let (epoch, role) = admit(&door, &id, &headers).await?;
    let agent = door.agent(&id)?;
    if agent.epoch != epoch {
        let detail = format!("epoch {} of the agent is here", agent.epoch);
        return Err(problem(StatusCode::CONFLICT, Code::EpochChanged, &detail));
    }
    let upgrade = upgrade.map_err(|rejection| rejection.into_response())?;
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .on_upgrade(move |socket| session::run(socket, agent, role)))
}

/// Epoch and role: by the API's word, or by a ticket that the API redeems.
async fn admit(door: &Door, id: &str, headers: &HeaderMap) -> Result<(u64, Role), Response> {
    let denied =
        || problem(StatusCode::UNAUTHORIZED, Code::Unauthenticated, "no credential and no valid ticket");
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if door.admits(headers) {
        let epoch = text(SOCKET_EPOCH).and_then(|epoch| epoch.parse().ok());
        let role = match text(SOCKET_ROLE) {
            Some("operator") => Some(Role::Operator),
            Some("viewer") => Some(Role::Viewer),
            _ => None,
        };
        return epoch.zip(role).ok_or_else(|| {
            problem(StatusCode::BAD_REQUEST, Code::BadRequest, "the replayed request lacks epoch or role")
        });
    }
    let link = door.link.as_ref().ok_or_else(denied)?;
    let offered = text(header::SEC_WEBSOCKET_PROTOCOL.as_str()).unwrap_or_default();
    let ticket = offered.split(',').find_map(|protocol| protocol.trim().strip_prefix(TICKET_PREFIX));
    let ticket = ticket.and_then(|ticket| URL_SAFE_NO_PAD.decode(ticket).ok());
    let ticket = ticket.and_then(|ticket| String::from_utf8(ticket).ok()).ok_or_else(denied)?;
    let redeemed = link.redeem(ticket).await.map_err(|error| {
        tracing::info!(%error, "a ticket was not redeemed");
        denied()
    })?;
    if redeemed.agent.to_string() == id { Ok((redeemed.epoch, redeemed.role)) } else { Err(denied()) }
}
