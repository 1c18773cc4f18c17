//! The WebSocket of a terminal: who may open it is decided here, its bytes are its host's.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{
        FromRequestParts as _, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::request::Parts,
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use wire::{
    AgentId, RequestId,
    access::Role,
    problem::Code,
    terminal::{self, PROTOCOL, ServerControl, close},
};

use crate::{
    app::{
        App,
        files::from_host,
        tickets::{Admitted, Credential},
    },
    auth::ticket::from_protocol,
    edge,
    error::Error,
    extract::{Id, Query, bearer, origin},
    hosts::{OpenSocket, Opened},
    relay,
};

/// How long a refused client may take to take note.
const PARTING: std::time::Duration = std::time::Duration::from_secs(5);

/// Largest message a refused client may send before it takes note, bytes.
const MAX_PARTING_BYTES: usize = 32 * 1024;

/// What a client with a token wants to be.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct As {
    /// For clients with a token; a ticket says its own.
    #[serde(default)]
    role: Role,
}

/// Open a terminal
///
/// A WebSocket that speaks `openclaw.terminal.v1`. Browsers offer two subprotocols,
/// `openclaw.terminal.v1` and `ticket.<base64url>` (a ticket's `protocols`); other clients send
/// `authorization: Bearer`. A browser cannot see the status of a refused upgrade, so refusals open the
/// socket, send one `problem` and close it with 4401, 4403, 4404, 4409, 4410 or 4503; only a request
/// from a wrong origin is refused as HTTP.
#[utoipa::path(
    get,
    path = "/v1/agents/{id}/socket",
    tag = "terminals",
    operation_id = "open_socket",
    security(("token" = []), ("ticket" = [])),
    params(
        ("id" = AgentId, Path, description = "The agent."),
        As,
        ("Sec-WebSocket-Protocol" = String, Header, description = "`openclaw.terminal.v1`, and the ticket for browsers."),
        ("Origin" = Option<String>, Header, description = "An allowed one; absent only with a token."),
    ),
    responses((status = 101, description = "The socket is open.")),
)]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Id(id): Id<AgentId>,
    Query(As { role }): Query<As>,
    request: Request,
) -> Result<Response, Error> {
    let (mut parts, _) = request.into_parts();
    let headers = parts.headers.clone();
    let asked = Asked::read(&headers)?;
    asked.check_origin(&app)?;
    match connect(&app, id, role, &asked).await {
        Ok(opened) => pass_on(&app, &mut parts, &asked, opened),
        Err(refusal) => refuse(&app, &mut parts, refusal).await,
    }
}

/// A client's upgrade request.
struct Asked<'a> {
    key: &'a HeaderValue,
    origin: Option<&'a str>,
    ticket: Option<String>,
    token: Result<Option<&'a str>, Error>,
    speaks: bool,
}

impl<'a> Asked<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, Error> {
        let is = |name, word: &str| {
            headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
        };
        let upgrade = is(header::CONNECTION, "upgrade") && is(header::UPGRADE, "websocket");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
        let (Some(key), true, true) = (key, upgrade, is(header::SEC_WEBSOCKET_VERSION, "13")) else {
            return Err(Error::with(
                Code::BadRequest,
                "this address is for WebSockets (RFC 6455, version 13)",
            ));
        };
        let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let offered =
            offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let (mut speaks, mut others, mut ticket) = (false, false, None);
        for protocol in offered.map(str::trim) {
            match protocol {
                PROTOCOL => speaks = true,
                other if other.starts_with(terminal::TICKET_PREFIX) => {
                    ticket = Some(from_protocol(other).unwrap_or_default());
                }
                _ => others = true,
            }
        }
        if others && !speaks {
            return Err(Error::with(Code::BadRequest, "this address speaks openclaw.terminal.v1 only"));
        }
        Ok(Self { key, origin: origin(headers), ticket, token: bearer(headers), speaks })
    }

    /// A page may open a socket only from an allowed origin; only a client with a token may have none.
    fn check_origin(&self, app: &App) -> Result<(), Error> {
        let allowed = match self.origin {
            Some(origin) => app.origin_allowed(origin),
            None => self.ticket.is_none(),
        };
        if allowed { Ok(()) } else { Err(Error::new(Code::OriginDenied)) }
    }

    async fn credential(&self, app: &App, role: Role) -> Result<Credential, Error> {
        if let Some(ticket) = &self.ticket {
            return Ok(Credential::Ticket(ticket.clone()));
        }
        let missing = || Error::with(Code::Unauthenticated, "a socket needs a ticket or a token");
        let token = self.token.clone()?.ok_or_else(missing)?;
        let caller = app.caller_by_token(token).await?;
        edge::record_tenant(caller.tenant);
        Ok(Credential::Token(caller, role))
    }
}

/// Decides, and opens the host's side.
async fn connect(app: &Arc<App>, id: AgentId, role: Role, asked: &Asked<'_>) -> Result<Opened, Error> {
    let credential = asked.credential(app, role).await?;
    let Admitted { agent, to, role } = app.admit(id, credential).await?;
    let request_id = edge::current_id().map_or_else(|| RequestId::new().to_string(), |id| id.to_string());
    let open = OpenSocket { agent: agent.id, epoch: agent.epoch, role, key: asked.key.clone(), request_id };
    app.hosts.open_socket(&to, open).await.map_err(|error| match from_host(error) {
        // The row says it is there and the host does not: one of the two is about to change.
        Error { code: Code::NotFound, .. } => Error::new(Code::EpochChanged),
        error => error,
    })
}

/// Gives the client the host's answer, and from then on the host's bytes.
fn pass_on(app: &Arc<App>, parts: &mut Parts, asked: &Asked<'_>, host: Opened) -> Result<Response, Error> {
    let client = parts.extensions.remove::<OnUpgrade>();
    let client = client.ok_or_else(|| Error::with(Code::BadRequest, "the connection cannot be upgraded"))?;
    let stop = app.stop.clone();
    app.sockets.spawn(edge::inherit(async move {
        match client.await {
            Ok(client) => relay::run(TokioIo::new(client), host.io, stop).await,
            Err(error) => tracing::debug!(%error, "client left before its socket was open"),
        }
    }));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, host.accept);
    if asked.speaks {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}

/// Opens the socket only to say why it is closed.
async fn refuse(app: &Arc<App>, parts: &mut Parts, refusal: Error) -> Result<Response, Error> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    let upgrade = upgrade.map_err(|_| Error::with(Code::BadRequest, "the connection cannot be upgraded"))?;
    if let Some(source) = &refusal.source {
        tracing::error!(code = ?refusal.code, error = %edge::Chain(source.as_ref()), "socket refused");
    }
    tracing::info!(code = ?refusal.code, detail = refusal.detail.as_deref(), "socket refused");
    let problem = refusal.problem(edge::current_id().as_deref().unwrap_or_default());
    let sockets = app.sockets.clone();
    let upgrade = upgrade.max_message_size(MAX_PARTING_BYTES).max_frame_size(MAX_PARTING_BYTES);
    Ok(upgrade.protocols([PROTOCOL]).on_upgrade(async move |mut socket: WebSocket| {
        let _counted = sockets.token();
        let code = close_code(refusal.code);
        let reason = problem.title.clone();
        let control = serde_json::to_string(&ServerControl::Problem { problem }).unwrap_or_default();
        let parting = async {
            socket.send(Message::Text(control.into())).await?;
            socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
            while let Some(Ok(_)) = socket.recv().await {}
            Ok::<(), axum::Error>(())
        };
        let _ = tokio::time::timeout(PARTING, parting).await;
    }))
}

/// The close code that tells a client what to do about an error.
fn close_code(code: Code) -> u16 {
    match code {
        Code::Unauthenticated => close::TICKET,
        Code::ScopeMissing | Code::OriginDenied => close::ROLE,
        Code::NotFound => close::UNKNOWN,
        Code::AgentTerminated => close::TERMINATED,
        Code::EpochChanged => close::EPOCH,
        Code::RateLimited | Code::QuotaExceeded => close::RATE,
        _ => close::MOVING,
    }
}
