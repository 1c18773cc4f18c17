//! Hosts as the control plane speaks to them: a few verbs behind a narrow trait, so that whoever
//! decides knows neither HTTP nor JSON.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use wire::{
    AgentId, HostId,
    access::Role,
    agent::StatusReason,
    file::FileEntry,
    host::{Refusal, Start},
    log::Level,
    problem::Problem,
};

pub(crate) mod http;

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct To {
    /// Which; its credential depends on it.
    pub(crate) id: HostId,
    /// `host:port`.
    pub(crate) address: String,
}

/// Why a host did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    /// No connection: it has not seen the request.
    #[error("host is unreachable")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No readable answer: it may or may not have done it.
    #[error("host gave no answer")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It said no, and nothing changed.
    #[error("host refused: {}", .0.detail)]
    Refused(Refusal),
    /// It answered a problem.
    #[error("host answered a problem: {}", .0.title)]
    Problem(Box<Problem>),
}

/// How to end an agent.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    /// Which.
    pub(crate) agent: AgentId,
    /// Of the placement that is meant.
    pub(crate) epoch: u64,
    /// What its sockets are told.
    pub(crate) reason: StatusReason,
    /// How long its `stop` event may take.
    pub(crate) grace: Duration,
    /// Whether its workspace is removed too.
    pub(crate) purge: bool,
}

/// What can be read of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// A file's bytes.
    File {
        /// Below `/work`, checked.
        path: String,
        /// The client's `Range`.
        range: Option<String>,
    },
    /// The entries below a prefix.
    Files {
        /// Below `/work`, checked; empty is all.
        prefix: String,
        /// Of the page before.
        cursor: Option<String>,
        /// Most entries.
        limit: usize,
    },
    /// Log entries.
    Logs {
        /// Only later ones.
        after: Option<u64>,
        /// Only these and worse.
        level: Option<Level>,
        /// Whether to wait for more.
        follow: bool,
    },
}

/// An answer whose body is passed on as it comes.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// 200 or 206.
    pub(crate) status: ::http::StatusCode,
    /// Headers of the answer.
    pub(crate) headers: ::http::HeaderMap,
    /// Its bytes.
    pub(crate) body: Body,
}

/// A client's upgrade request, as a host is to see it.
#[derive(Debug, Clone)]
pub(crate) struct OpenSocket {
    /// Whose terminal.
    pub(crate) agent: AgentId,
    /// Of the placement that is meant.
    pub(crate) epoch: u64,
    /// What the socket may do.
    pub(crate) role: Role,
    /// The client's `Sec-WebSocket-Key`; the host answers it.
    pub(crate) key: ::http::HeaderValue,
    /// The request it belongs to.
    pub(crate) request_id: String,
}

/// A host's side of a socket.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The host's `Sec-WebSocket-Accept`.
    pub(crate) accept: ::http::HeaderValue,
    /// The bytes.
    pub(crate) io: TokioIo<Upgraded>,
}

/// The hosts.
#[async_trait]
pub(crate) trait Hosts: Send + Sync + std::fmt::Debug {
    /// Begins an agent; ok once its `start` event returned.
    async fn start(&self, to: &To, start: Start) -> Result<(), HostError>;
    /// Ends an agent; ok also when it is not there.
    async fn stop(&self, to: &To, stop: Stop) -> Result<(), HostError>;
    /// Reads something of an agent.
    async fn read(&self, to: &To, agent: AgentId, read: Read) -> Result<Streamed, HostError>;
    /// Writes a file whole. An error of `body` ends it with [`HostError::NoAnswer`].
    async fn write_file(
        &self,
        to: &To,
        agent: AgentId,
        path: &str,
        body: Body,
    ) -> Result<FileEntry, HostError>;
    /// Removes a file or a directory.
    async fn delete_file(&self, to: &To, agent: AgentId, path: &str) -> Result<(), HostError>;
    /// Opens a terminal's socket.
    async fn open_socket(&self, to: &To, open: OpenSocket) -> Result<Opened, HostError>;
}
