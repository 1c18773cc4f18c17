//! Opens a WebSocket that speaks `openclaw.terminal.v1`.

use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Error,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
        protocol::WebSocketConfig,
    },
};
use wire::{
    AgentId,
    access::Role,
    terminal::{HEADER_BYTES, MAX_CONTROL_BYTES, MAX_PAYLOAD, PROTOCOL},
};

use crate::{client::Client, failure::Failure};

/// A connected terminal.
pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longest message taken: the longest the protocol has, doubled for one of a newer server.
const MAX_MESSAGE: usize = 2 * (HEADER_BYTES + MAX_PAYLOAD + MAX_CONTROL_BYTES);

/// Connects with the token: tickets are for browsers, which cannot send one.
pub(super) async fn connect(client: &Client, agent: AgentId, role: Role) -> Result<Socket, Failure> {
    let role = match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
    };
    let url = format!("{}/v1/agents/{agent}/socket?role={role}", client.url().replacen("http", "ws", 1));
    let unreachable =
        |source: Error| Failure::Unreachable { url: client.url().to_owned(), source: Box::new(source) };
    let mut request = url.as_str().into_client_request().map_err(unreachable)?;
    let bearer = HeaderValue::try_from(format!("Bearer {}", client.token()));
    let bearer = bearer.map_err(|_| Failure::Usage("the token has characters no token has".to_owned()))?;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let status = answer.status().as_u16();
            let problem = answer.body().as_ref().and_then(|body| serde_json::from_slice(body).ok());
            Err(match problem {
                Some(problem) => Failure::Problem(Box::new(problem)),
                None => Failure::Answer { url, status },
            })
        }
        Err(error) => Err(unreachable(error)),
    }
}
