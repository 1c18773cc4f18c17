//! Hosts as the control plane speaks to them: a few verbs behind a narrow trait, so that whoever
//! decides knows neither HTTP nor JSON.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use wire::{
    AgentId, CheckpointId, Digest, HostId,
    access::Role,
    agent::StatusReason,
    checkpoint::CheckpointKind,
    file::FileEntry,
    host::{Park, Refusal, Start},
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
    /// The agent is not there.
    #[error("host does not have the agent")]
    Gone,
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

/// One placement of an agent: a host that has another one refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Which agent.
    pub(crate) agent: AgentId,
    /// Of which placement.
    pub(crate) epoch: u64,
}

/// What an agent began from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Started {
    /// The checkpoint it goes on from; none when it began anew.
    pub(crate) checkpoint: Option<CheckpointId>,
    /// What was wrong with the last one, when that is another.
    pub(crate) problem: Option<String>,
}

/// A checkpoint that a host is to take of an agent that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Take {
    /// Of which agent.
    pub(crate) of: Placed,
    /// Whether it is kept.
    pub(crate) kind: CheckpointKind,
    /// What its owner said about it.
    pub(crate) note: Option<String>,
    /// How long the agent may take to come to rest.
    pub(crate) grace: Duration,
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
    /// Begins an agent; ok once its `start` event returned, or it goes on from its checkpoint.
    async fn start(&self, to: &To, start: Start) -> Result<Started, HostError>;
    /// Ends an agent; ok also when it is not there.
    async fn stop(&self, to: &To, stop: Stop) -> Result<(), HostError>;
    /// Suspends an agent, whose row says so when this returns; true when it did not come to rest within
    /// `grace` and is at its last checkpoint.
    async fn suspend(
        &self,
        to: &To,
        which: Placed,
        reason: StatusReason,
        grace: Duration,
    ) -> Result<bool, HostError>;
    /// Takes a checkpoint, which is durable when this returns.
    async fn checkpoint(&self, to: &To, take: Take) -> Result<CheckpointId, HostError>;
    /// Gives an agent another component, which a checkpoint says when this returns.
    async fn upgrade(&self, to: &To, which: Placed, image: Digest, grace: Duration) -> Result<(), HostError>;
    /// Serves a suspended agent's screen and log; ok also when it does already.
    async fn park(&self, to: &To, park: Park) -> Result<(), HostError>;
    /// Ends that; ok also when it does not.
    async fn unpark(&self, to: &To, which: Placed) -> Result<(), HostError>;
    /// Has it read an agent's inbox.
    async fn nudge(&self, to: &To, which: Placed) -> Result<(), HostError>;
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
