//! [`Hosts`] over HTTP/1.1 as `wire::host` describes it, with connections kept open.

use std::{sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use async_trait::async_trait;
use axum::body::Body;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{RequestBuilder, Response};
use serde::Serialize;
use tokio::{net::TcpStream, time::timeout};
use wire::{
    AgentId, CheckpointId, Digest,
    access::Role,
    agent::StatusReason,
    file::FileEntry,
    host::{Command, MAX_COMMAND_BYTES, Park, REQUEST_ID, Reply, SOCKET_EPOCH, SOCKET_ROLE, Start},
    problem::Problem,
    terminal,
};

use super::{HostError, Hosts, OpenSocket, Opened, Placed, Read, Started, Stop, Streamed, Take, To};
use crate::auth::host::FleetKey;

/// A host that does not take a connection in this time is unreachable.
const CONNECT: Duration = Duration::from_secs(2);
/// What a host may take beyond the time that a command itself allows.
const MARGIN: Duration = Duration::from_secs(3);
/// What a host may take to commit a checkpoint, beyond the time its agent may take to come to rest.
const COMMIT: Duration = Duration::from_secs(10);
/// What a host may take for what needs no answer of an agent's own.
const SHORT: Duration = Duration::from_secs(5);
/// A host that sends nothing of a file for this long is gone.
const READ_IDLE: Duration = Duration::from_secs(30);
/// Connections kept open to a host.
const POOL: usize = 64;
/// Largest problem body read from a host, bytes.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;
/// What is written as it is in a path: RFC 3986 unreserved and the separator.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The client.
#[derive(Debug)]
pub(crate) struct HttpHosts {
    client: reqwest::Client,
    key: Arc<FleetKey>,
}

impl HttpHosts {
    /// A client whose credentials come from `key`.
    pub(crate) fn new(key: Arc<FleetKey>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(POOL)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { client, key })
    }

    fn request(&self, to: &To, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}/wire/v1/{path}", to.address));
        request.bearer_auth(self.key.credential(to.id))
    }

    async fn command(&self, to: &To, command: &Command, within: Duration) -> Result<Reply, HostError> {
        let request = self.request(to, Method::POST, "command").timeout(within + MARGIN).json(command);
        let response = send(request).await?;
        let body = bounded(response, MAX_COMMAND_BYTES).await?;
        serde_json::from_slice(&body).map_err(|e| HostError::NoAnswer(e.into()))
    }
}

#[async_trait]
impl Hosts for HttpHosts {
    async fn start(&self, to: &To, start: Start) -> Result<Started, HostError> {
        let within = Duration::from_millis(start.timeout_ms);
        match self.command(to, &Command::Start(Box::new(start)), within).await? {
            Reply::Started { checkpoint, problem } => Ok(Started { checkpoint, problem }),
            other => Err(unexpected(other)),
        }
    }

    async fn stop(&self, to: &To, stop: Stop) -> Result<(), HostError> {
        let Stop { agent, epoch, reason, grace, purge } = stop;
        let command = Command::Stop { agent, epoch, reason, grace_ms: millis(grace), purge };
        match self.command(to, &command, grace).await? {
            Reply::Stopped {} | Reply::Gone {} => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn suspend(
        &self,
        to: &To,
        which: Placed,
        reason: StatusReason,
        grace: Duration,
    ) -> Result<bool, HostError> {
        let Placed { agent, epoch } = which;
        let command = Command::Suspend { agent, epoch, reason, grace_ms: millis(grace) };
        match self.command(to, &command, grace + COMMIT).await? {
            Reply::Suspended { rolled_back } => Ok(rolled_back),
            other => Err(unexpected(other)),
        }
    }

    async fn checkpoint(&self, to: &To, take: Take) -> Result<CheckpointId, HostError> {
        let Take { of: Placed { agent, epoch }, kind, note, grace } = take;
        let command = Command::Checkpoint { agent, epoch, kind, note, grace_ms: millis(grace) };
        match self.command(to, &command, grace + COMMIT).await? {
            Reply::Checkpointed { id } => Ok(id),
            other => Err(unexpected(other)),
        }
    }

    async fn upgrade(&self, to: &To, which: Placed, image: Digest, grace: Duration) -> Result<(), HostError> {
        let Placed { agent, epoch } = which;
        let command = Command::Upgrade { agent, epoch, image, grace_ms: millis(grace) };
        match self.command(to, &command, grace + COMMIT).await? {
            Reply::Upgraded {} => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn park(&self, to: &To, park: Park) -> Result<(), HostError> {
        done(self.command(to, &Command::Park(Box::new(park)), SHORT).await?)
    }

    async fn unpark(&self, to: &To, Placed { agent, epoch }: Placed) -> Result<(), HostError> {
        match self.command(to, &Command::Unpark { agent, epoch }, SHORT).await? {
            Reply::Gone {} => Ok(()),
            other => done(other),
        }
    }

    async fn nudge(&self, to: &To, Placed { agent, epoch }: Placed) -> Result<(), HostError> {
        done(self.command(to, &Command::Nudge { agent, epoch }, SHORT).await?)
    }

    async fn read(&self, to: &To, agent: AgentId, read: Read) -> Result<Streamed, HostError> {
        let request = match read {
            Read::File { path, range } => {
                let request = self.request(to, Method::GET, &file_path(agent, &path));
                range.into_iter().fold(request, |r, range| r.header(header::RANGE, range))
            }
            Read::Files { prefix, cursor, limit } => self
                .request(to, Method::GET, &format!("agents/{agent}/files"))
                .query(&Listing { prefix, cursor, limit }),
            Read::Logs { after, level, follow } => self
                .request(to, Method::GET, &format!("agents/{agent}/logs"))
                .query(&Logs { after, level, follow: follow.then_some(true) }),
        };
        let response = match timeout(READ_IDLE, send(request)).await {
            Ok(response) => response?,
            Err(elapsed) => return Err(HostError::NoAnswer(elapsed.into())),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Streamed { status, headers, body: Body::from_stream(response.bytes_stream()) })
    }

    async fn write_file(
        &self,
        to: &To,
        agent: AgentId,
        path: &str,
        body: Body,
    ) -> Result<FileEntry, HostError> {
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        let response = send(self.request(to, Method::PUT, &file_path(agent, path)).body(body)).await?;
        let entry = bounded(response, MAX_PROBLEM_BYTES).await?;
        serde_json::from_slice(&entry).map_err(|e| HostError::NoAnswer(e.into()))
    }

    async fn delete_file(&self, to: &To, agent: AgentId, path: &str) -> Result<(), HostError> {
        let request = self.request(to, Method::DELETE, &file_path(agent, path)).timeout(READ_IDLE);
        send(request).await.map(|_| ())
    }

    async fn open_socket(&self, to: &To, open: OpenSocket) -> Result<Opened, HostError> {
        let stream = match timeout(CONNECT, TcpStream::connect(&to.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(HostError::Unreachable(error.into())),
            Err(elapsed) => return Err(HostError::Unreachable(elapsed.into())),
        };
        stream.set_nodelay(true).map_err(|e| HostError::Unreachable(e.into()))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|e| HostError::Unreachable(e.into()))?;
        // The connection's task ends by itself once the bytes have been handed over or refused.
        tokio::spawn(connection.with_upgrades());
        let request = self.upgrade(to, &open)?;
        let response = match timeout(CONNECT + MARGIN, sender.send_request(request)).await {
            Ok(response) => response.map_err(|e| HostError::NoAnswer(e.into()))?,
            Err(elapsed) => return Err(HostError::NoAnswer(elapsed.into())),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(Body::new(body), MAX_PROBLEM_BYTES).await;
            let body = body.map_err(|e| HostError::NoAnswer(e.into()))?;
            return Err(problem(parts.status, &body));
        }
        let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).cloned();
        let accept = accept.ok_or_else(|| HostError::NoAnswer("no sec-websocket-accept".into()))?;
        let io = hyper::upgrade::on(response).await.map_err(|e| HostError::NoAnswer(e.into()))?;
        Ok(Opened { accept, io: TokioIo::new(io) })
    }
}

impl HttpHosts {
    fn upgrade(&self, to: &To, open: &OpenSocket) -> Result<hyper::Request<Empty<bytes::Bytes>>, HostError> {
        let role = match open.role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        };
        hyper::Request::get(format!("/wire/v1/agents/{}/socket", open.agent))
            .header(header::HOST, &to.address)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key.credential(to.id)))
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &open.key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, terminal::PROTOCOL)
            .header(HeaderName::from_static(SOCKET_ROLE), role)
            .header(HeaderName::from_static(SOCKET_EPOCH), open.epoch)
            .header(HeaderName::from_static(REQUEST_ID), &open.request_id)
            .body(Empty::new())
            .map_err(|e| HostError::Unreachable(e.into()))
    }
}

#[derive(Serialize)]
struct Listing {
    prefix: String,
    cursor: Option<String>,
    limit: usize,
}

#[derive(Serialize)]
struct Logs {
    after: Option<u64>,
    level: Option<wire::log::Level>,
    follow: Option<bool>,
}

fn file_path(agent: AgentId, path: &str) -> String {
    format!("agents/{agent}/files/{}", utf8_percent_encode(path, PATH))
}

/// Sends, and turns everything but a success into an error.
async fn send(request: RequestBuilder) -> Result<Response, HostError> {
    let mut headers = HeaderMap::new();
    if let Some(id) = crate::edge::current_id().and_then(|id| HeaderValue::from_str(&id).ok()) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    let response = request.headers(headers).send().await.map_err(|error| {
        // Its address adds nothing: the caller knows the host.
        let connecting = error.is_connect();
        let source = error.without_url().into();
        if connecting { HostError::Unreachable(source) } else { HostError::NoAnswer(source) }
    })?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    Err(problem(status, &bounded(response, MAX_PROBLEM_BYTES).await?))
}

async fn bounded(response: Response, limit: usize) -> Result<bytes::Bytes, HostError> {
    let body = axum::body::to_bytes(Body::from_stream(response.bytes_stream()), limit).await;
    body.map_err(|e| HostError::NoAnswer(e.into()))
}

fn problem(status: StatusCode, body: &[u8]) -> HostError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => HostError::Problem(Box::new(problem)),
        Err(_) => HostError::NoAnswer(format!("status {} without a problem", status.as_u16()).into()),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn done(reply: Reply) -> Result<(), HostError> {
    match reply {
        Reply::Done {} => Ok(()),
        other => Err(unexpected(other)),
    }
}

fn unexpected(reply: Reply) -> HostError {
    match reply {
        Reply::Gone {} => HostError::Gone,
        Reply::Refused { refusal } => HostError::Refused(refusal),
        other => HostError::NoAnswer(format!("unexpected reply {other:?}").into()),
    }
}
