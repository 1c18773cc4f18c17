//! `GET /wire/v1/agents/{id}/socket`: a client's upgrade, replayed by the API or made directly.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use wire::{
    AgentId,
    access::Role,
    host::{SOCKET_EPOCH, SOCKET_ROLE},
    problem::Code,
    terminal::{HEADER_BYTES, MAX_PAYLOAD, PROTOCOL, ServerControl, TICKET_PREFIX, close},
};

use super::{AgentPath, Door, describe, problem};
use crate::{agent::Shared, link::LinkError, terminal::session};

/// Bytes of a frame taken from a client: a full payload and, for a clear answer to a longer one, some more.
const MAX_MESSAGE_BYTES: usize = 2 * (HEADER_BYTES + MAX_PAYLOAD);
/// Bytes collected before they are written to the socket, and the most that may wait.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
const MAX_WRITE_BUFFER_BYTES: usize = 1 << 20;

/// How long a refused client may take to take note.
const PARTING: Duration = Duration::from_secs(5);

/// Why a socket is not served.
struct Refusal {
    status: StatusCode,
    code: Code,
    detail: String,
}

/// Upgrades and serves. The API is refused in HTTP; a client that comes directly is a page as often as not, which
/// would not see that, so its socket is opened to say why it is closed. A page that may not use tickets is told
/// nothing: it is refused in HTTP, as the API does.
pub(super) async fn open(
    State(door): State<Door>,
    Path(id): AgentPath,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Response> {
    let replayed = door.admits(&headers);
    match (serve(&door, &id, &headers, replayed).await, upgrade) {
        (Ok((agent, role)), Ok(upgrade)) => Ok(upgrade
            .protocols([PROTOCOL])
            .max_message_size(MAX_MESSAGE_BYTES)
            .max_frame_size(MAX_MESSAGE_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
            .on_upgrade(move |socket| session::run(socket, agent, role))),
        (Ok(_), Err(rejection)) => Err(rejection.into_response()),
        (Err(refusal), Ok(upgrade)) if !replayed && refusal.code != Code::OriginDenied => Ok(upgrade
            .protocols([PROTOCOL])
            .max_message_size(MAX_MESSAGE_BYTES)
            .max_frame_size(MAX_MESSAGE_BYTES)
            .on_upgrade(move |socket| part(socket, refusal))),
        (Err(Refusal { status, code, detail }), _) => Err(problem(status, code, &detail)),
    }
}

/// Whose socket it is and what it may do.
async fn serve(
    door: &Door,
    id: &str,
    headers: &HeaderMap,
    replayed: bool,
) -> Result<(Arc<Shared>, Role), Refusal> {
    let (epoch, role) = if replayed { by_api(headers)? } else { by_ticket(door, id, headers).await? };
    let found = id.parse::<AgentId>().ok().and_then(|id| door.agents.get(id));
    let agent = found.ok_or_else(|| Refusal {
        status: StatusCode::NOT_FOUND,
        code: Code::NotFound,
        detail: "the agent is not on this host".to_owned(),
    })?;
    if agent.epoch() == epoch {
        return Ok((agent, role));
    }
    let detail = format!("epoch {} of the agent is here", agent.epoch());
    Err(Refusal { status: StatusCode::CONFLICT, code: Code::EpochChanged, detail })
}

/// Epoch and role by the API's word.
fn by_api(headers: &HeaderMap) -> Result<(u64, Role), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let epoch = text(SOCKET_EPOCH).and_then(|epoch| epoch.parse().ok());
    let role = match text(SOCKET_ROLE) {
        Some("operator") => Some(Role::Operator),
        Some("viewer") => Some(Role::Viewer),
        _ => None,
    };
    epoch.zip(role).ok_or_else(|| Refusal {
        status: StatusCode::BAD_REQUEST,
        code: Code::BadRequest,
        detail: "the replayed request lacks epoch or role".to_owned(),
    })
}

/// Epoch and role by a ticket that the API redeems.
async fn by_ticket(door: &Door, id: &str, headers: &HeaderMap) -> Result<(u64, Role), Refusal> {
    let denied = || Refusal {
        status: StatusCode::UNAUTHORIZED,
        code: Code::Unauthenticated,
        detail: "no credential and no valid ticket".to_owned(),
    };
    let link = door.link.as_ref().ok_or_else(denied)?;
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let ticket = offered
        .unwrap_or_default()
        .split(',')
        .find_map(|protocol| protocol.trim().strip_prefix(TICKET_PREFIX));
    let ticket = ticket.and_then(|ticket| URL_SAFE_NO_PAD.decode(ticket).ok());
    let ticket = ticket.and_then(|ticket| String::from_utf8(ticket).ok()).ok_or_else(denied)?;
    // One that is not text is none of the allowed ones, but it is one.
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default().to_owned());
    let redeemed = link.redeem(ticket, origin).await.map_err(|error| {
        tracing::info!(%error, "a ticket was not redeemed");
        match error {
            LinkError::Refused { code: Some(Code::OriginDenied), .. } => Refusal {
                status: StatusCode::FORBIDDEN,
                code: Code::OriginDenied,
                detail: "pages of this origin may not use tickets".to_owned(),
            },
            _ => denied(),
        }
    })?;
    if redeemed.agent.to_string() == id { Ok((redeemed.epoch, redeemed.role)) } else { Err(denied()) }
}

/// Says why, and closes.
async fn part(mut socket: WebSocket, refusal: Refusal) {
    let code = match refusal.code {
        Code::Unauthenticated => close::TICKET,
        Code::NotFound => close::UNKNOWN,
        _ => close::EPOCH,
    };
    let problem = describe(refusal.status, refusal.code, &refusal.detail);
    let control = serde_json::to_string(&ServerControl::Problem { problem }).unwrap_or_default();
    let parting = async {
        socket.send(Message::Text(control.into())).await?;
        socket.send(Message::Close(Some(CloseFrame { code, reason: "refused".into() }))).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<(), axum::Error>(())
    };
    // The client may be gone already; there is nobody else to tell.
    let _ = tokio::time::timeout(PARTING, parting).await;
}
