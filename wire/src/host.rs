//! What the API and its hosts tell each other, as JSON over HTTP/1.1.
//!
//! API → host, at the host's own listener, each with `authorization: Bearer <credential>`:
//!
//! | route | body → answer |
//! |---|---|
//! | `POST /wire/v1/command` | [`Command`] → [`Reply`] |
//! | `GET /wire/v1/agents/{id}/socket` | the client's upgrade request, replayed with the `SOCKET_*` headers, then bytes |
//! | `GET /wire/v1/agents/{id}/files/{path}` | → the bytes (`Range` honoured), or a listing as `Vec<FileEntry>` for `?prefix=` |
//! | `PUT`, `DELETE /wire/v1/agents/{id}/files/{path}` | the bytes → [`Reply`] |
//! | `GET /wire/v1/agents/{id}/logs?after=&level=&follow=` | → JSON lines of [`crate::log::LogEntry`] |
//!
//! Host → API, at the API's listener, each with the same credential:
//!
//! | route | body → answer |
//! |---|---|
//! | `POST /internal/v1/hosts` | [`Register`] → [`Registered`] |
//! | `POST /internal/v1/hosts/{id}/heartbeat` | [`Heartbeat`] → [`Lease`] |
//! | `POST /internal/v1/hosts/{id}/reports` | `Vec<`[`Report`]`>` → 204 |
//! | `POST /internal/v1/tickets/redeem` | [`Redeem`] → [`Redeemed`] (hosts that are reachable directly) |
//!
//! Errors on both are a [`crate::problem::Problem`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AgentId, Digest, HostId, Incarnation, TenantId,
    access::Role,
    agent::{Limits, Status, StatusReason},
    image::Image,
};

/// On a replayed upgrade request: the role of the socket, `viewer` or `operator`.
pub const SOCKET_ROLE: &str = "x-claw-role";
/// On a replayed upgrade request: the epoch the API believes in; another one is refused with 409.
pub const SOCKET_EPOCH: &str = "x-claw-epoch";
/// On every request between API and host: the request it belongs to.
pub const REQUEST_ID: &str = "x-request-id";
/// A host renews its lease this often, seconds.
pub const HEARTBEAT_SECONDS: u64 = 5;
/// Without a renewal for this long a host freezes, seconds.
pub const FREEZE_SECONDS: u64 = 12;
/// A lease unchanged for this long by an observer's own clock is lost, seconds.
pub const LOST_SECONDS: u64 = 20;
/// Largest body of a command, bytes.
pub const MAX_COMMAND_BYTES: usize = 1024 * 1024;

/// The one door into a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Begin an agent; answered when its `start` event returned. Again with the same epoch: the same answer.
    Start(Box<Start>),
    /// End an agent; one that is not here answers [`Reply::Gone`].
    Stop {
        /// Which.
        agent: AgentId,
        /// Another epoch is refused, so a late stop cannot hit a newer placement.
        epoch: u64,
        /// What its sockets are told.
        reason: StatusReason,
        /// How long its `stop` event may take, milliseconds; 0 ends it at once.
        grace_ms: u64,
        /// Whether its workspace is removed too.
        purge: bool,
    },
    /// How an agent is.
    Inspect {
        /// Which.
        agent: AgentId,
    },
    /// Take no more agents.
    Cordon {},
}

/// Everything a host needs to run an agent; it knows no policy beyond these grants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Which.
    pub agent: AgentId,
    /// Whose; for spans and metrics only.
    pub tenant: TenantId,
    /// Of this placement.
    pub epoch: u64,
    /// For people.
    pub name: String,
    /// Which component.
    pub image: Digest,
    /// JSON text for its `start` event.
    pub config: String,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// The terminal's first size in cells, columns then rows; 80 by 24 when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<(u16, u16)>,
    /// Whether it ran before: then its workspace and screen are taken over from what its last stop left.
    pub restart: bool,
    /// How long until `start` must have returned, milliseconds.
    pub timeout_ms: u64,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Its `start` event returned ok.
    Started {},
    /// It is ended.
    Stopped {},
    /// It is not here.
    Gone {},
    /// How it is.
    Inspected {
        /// Its present meters.
        usage: Usage,
    },
    /// Done.
    Done {},
    /// Not done, and nothing changed (a start that failed leaves nothing behind).
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// Why a host did not do it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the API branches on.
    pub code: RefusalCode,
    /// For people.
    pub detail: String,
}

/// What the API branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No slot or no memory: try another host.
    Full,
    /// Takes no more agents: try another host.
    Cordoned,
    /// It does not have that image.
    UnknownImage,
    /// Another epoch of the agent is here.
    StaleEpoch,
    /// The limits are outside what this host can enforce.
    Limits,
    /// The component trapped in its `start` event.
    Trap,
    /// It went over its memory while starting.
    OutOfMemory,
    /// Its `start` event returned a fault.
    Fault,
    /// Its `start` event did not return in time.
    Timeout,
    /// The host's own fault.
    Internal,
}

/// Present meters of an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Fuel used since it was placed.
    pub fuel: u64,
    /// All its linear memories, bytes.
    pub memory_bytes: u64,
    /// Bytes under `/work`.
    pub disk_bytes: u64,
    /// Files and directories under `/work`.
    pub files: u64,
    /// Bytes its terminal was written since it was placed.
    pub output_bytes: u64,
    /// Events handled since it was placed.
    pub events: u64,
    /// From the begin of its instantiation to the first byte on its terminal, microseconds; 0 before that.
    #[serde(default)]
    pub first_output_us: u64,
}

/// A host says it is here. A new incarnation of a known id supersedes the old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Register {
    /// Its id, kept in its data directory.
    pub id: HostId,
    /// This start of it.
    pub incarnation: Incarnation,
    /// Where the API reaches it, `host:port`.
    pub address: String,
    /// Where clients reach it, such as `wss://h7.example.net`, where hosts are reachable.
    pub public_url: Option<String>,
    /// Most agents it takes.
    pub capacity_agents: u32,
    /// Its version of `claw`.
    pub version: String,
    /// What it can run.
    pub images: Vec<Image>,
    /// Agents that run on it (after an API restart), with their epochs.
    pub agents: Vec<(AgentId, u64)>,
}

/// The answer to [`Register`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// Agents it must end: they are placed elsewhere or are over.
    pub drop: Vec<AgentId>,
}

/// A renewal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Must be the registered one.
    pub incarnation: Incarnation,
    /// Grows by one.
    pub seq: u64,
    /// Agents on it.
    pub agents: u32,
    /// Anonymous resident memory of its process, bytes.
    pub memory_bytes: u64,
    /// Whether it gives up what it has.
    pub draining: bool,
}

/// The answer to a [`Heartbeat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lease {
    /// Renewed.
    Renewed,
    /// Another incarnation holds the row, or it was declared dead: drop every agent.
    Fenced,
    /// The row is unknown: register again.
    Unknown,
}

/// Something an agent's host saw. Applied only while the epoch is the row's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which.
    pub agent: AgentId,
    /// Of the placement it is about.
    pub epoch: u64,
    /// What happened.
    pub event: ReportEvent,
}

/// What happened to an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ReportEvent {
    /// It ended by itself or by a fault.
    Ended {
        /// `terminated` or `failed`.
        status: Status,
        /// Why.
        reason: StatusReason,
        /// One sentence for people.
        detail: String,
    },
    /// A planned stop of its host ended it; its workspace and screen are kept and it can be placed again.
    Released {},
}

/// A ticket a client gave to a host directly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redeem {
    /// As the client gave it.
    pub ticket: String,
    /// The host that asks.
    pub host: HostId,
    /// The `Origin` of the client's request, as the client gave it; a ticket is refused without one.
    #[serde(default)]
    pub origin: Option<String>,
}

/// What the ticket is good for; it is used up now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redeemed {
    /// Whose terminal.
    pub agent: AgentId,
    /// Of its placement.
    pub epoch: u64,
    /// What the socket may do.
    pub role: Role,
}
