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
//! | `POST /internal/v1/hosts/{id}/commits` | [`Commits`] → [`Committed`] |
//! | `GET /internal/v1/agents/{id}/inbox?epoch=&after=` | → `Vec<`[`crate::message::Delivery`]`>`, at most `INBOX_PAGE` |
//! | `POST /internal/v1/agents/{id}/send` | [`crate::message::Send`] → 204; its result comes through the inbox |
//! | `POST /internal/v1/tickets/redeem` | [`Redeem`] → [`Redeemed`] (hosts that are reachable directly) |
//!
//! Errors on both are a [`crate::problem::Problem`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use crate::{
    AgentId, CheckpointId, Digest, HostId, Incarnation, PackId, TenantId,
    access::Role,
    agent::{Limits, OnDrain, Status, StatusReason},
    checkpoint::{CheckpointKind, CheckpointRef},
    image::Image,
    message::Recipient,
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
    /// Let an agent come to rest, commit its checkpoint as suspended ([`Then::Suspend`]) and end its instance.
    Suspend {
        /// Which.
        agent: AgentId,
        /// Of the placement that is meant.
        epoch: u64,
        /// What its row and sockets say.
        reason: StatusReason,
        /// How long it may take to come to rest; then it goes back to its last checkpoint. Milliseconds.
        grace_ms: u64,
    },
    /// Commit a checkpoint of an agent that goes on.
    Checkpoint {
        /// Which.
        agent: AgentId,
        /// Of the placement that is meant.
        epoch: u64,
        /// Kept until it is deleted, or one of the host's own.
        kind: CheckpointKind,
        /// Said when it was asked for.
        note: Option<String>,
        /// How long it may take to come to rest; then there is none. Milliseconds.
        grace_ms: u64,
    },
    /// Serve a suspended agent's screen and log without an instance; a key press is reported as
    /// [`ReportEvent::Wanted`].
    Park(Box<Park>),
    /// End the serving of a suspended agent: its sockets are told to come back.
    Unpark {
        /// Which.
        agent: AgentId,
        /// Of the placement that is meant.
        epoch: u64,
    },
    /// There is something in an agent's inbox: read it.
    Nudge {
        /// Which.
        agent: AgentId,
        /// Of the placement that is meant.
        epoch: u64,
    },
    /// Give an agent another component, which takes over its state by `save` and `load`.
    Upgrade {
        /// Which.
        agent: AgentId,
        /// Of the placement that is meant.
        epoch: u64,
        /// The new component.
        image: Digest,
        /// How long it may take to come to rest; then nothing changes. Milliseconds.
        grace_ms: u64,
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
    /// Whether it ran before: then its sockets are told that what they saw is over, unless it goes on from a checkpoint.
    pub restart: bool,
    /// What it goes on from; it begins anew when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resume: Option<Resume>,
    /// The checkpoint it was forked from: the only one it may go on from that is not its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forked_from: Option<CheckpointId>,
    /// Which of its lives this is: part of the identity of its operations. Grows when it is restored to an earlier
    /// checkpoint.
    #[serde(default)]
    pub timeline: u64,
    /// Suspended after so long without an event, seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idle_timeout_seconds: Option<u32>,
    /// Whom it may send messages to.
    #[serde(default)]
    pub send_to: Vec<Recipient>,
    /// Where it may send requests to.
    #[serde(default)]
    pub egress: Vec<crate::egress::Rule>,
    /// What a planned stop does to one that cannot be suspended.
    #[serde(default)]
    pub on_drain: OnDrain,
    /// How long until `start` must have returned, milliseconds.
    pub timeout_ms: u64,
}

/// What an agent goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// Its last checkpoint.
    pub checkpoint: CheckpointRef,
    /// The one before, for when that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<CheckpointRef>,
    /// What the agent is told, and whether its sockets go on where they were.
    pub cause: ResumeCause,
}

/// Why an agent goes on from a checkpoint; `resume-cause` of the guest's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeCause {
    /// It was suspended. Planned: positions and input go on where they were.
    Suspend,
    /// Its host drained. Planned.
    Migrate,
    /// It is a copy of another agent.
    Fork,
    /// Its owner took it back to an earlier checkpoint.
    Restore,
    /// Its host was lost: what came after the checkpoint is undone.
    Rollback,
}

impl ResumeCause {
    /// Whether nothing was undone, so that sockets keep generation and offset.
    #[must_use]
    pub fn is_planned(self) -> bool {
        matches!(self, Self::Suspend | Self::Migrate)
    }
}

/// What a host needs to serve a suspended agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Park {
    /// Which.
    pub agent: AgentId,
    /// Of its last placement.
    pub epoch: u64,
    /// Where its screen and log are.
    pub checkpoint: CheckpointRef,
    /// What its sockets are told.
    pub reason: Option<StatusReason>,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Its `start` event returned ok, or it goes on from a checkpoint.
    Started {
        /// The checkpoint it goes on from: the previous one where the last could not be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        checkpoint: Option<CheckpointId>,
        /// What was wrong with the last one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        problem: Option<String>,
    },
    /// It is suspended, and its row says so.
    Suspended {
        /// It did not come to rest: it is at its last checkpoint, and its event runs again when it is resumed.
        rolled_back: bool,
    },
    /// A checkpoint is durable.
    Checkpointed {
        /// Its id.
        id: CheckpointId,
    },
    /// It runs the new component, and a checkpoint says so.
    Upgraded {},
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
    /// Its `start` event did not return in time, or its present event did not end within the grace.
    Timeout,
    /// It cannot be checkpointed, ever or as it is now; the detail says why.
    NotSuspendable,
    /// The object store or the API did not take a checkpoint; nothing is lost, the agent goes on.
    StoreUnavailable,
    /// Its checkpoint cannot be read or does not fit this image.
    BadCheckpoint,
    /// The component has no `save`, or the new one did not `load`.
    NotUpgradable,
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
    /// Suspended agents whose sockets it serves, with their epochs.
    #[serde(default)]
    pub parked: Vec<(AgentId, u64)>,
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
    /// A planned stop of its host ended it without a new checkpoint; it goes on from its last one.
    Released {},
    /// A suspended agent that is parked here has a key press.
    Wanted {},
    /// The last socket of a suspended agent that was parked here is gone.
    Unparked {},
}

/// Most commits in one call.
pub const MAX_COMMITS: usize = 1024;

/// What a host asks to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commits {
    /// Must be the registered one.
    pub incarnation: Incarnation,
    /// The packs that were written for these: each with its bytes. More than one where an agent changed much.
    pub packs: Vec<(PackId, u64)>,
    /// One for each agent.
    pub commits: Vec<Commit>,
}

/// One agent's part of a [`Commits`]. Applied only while the epoch is the row's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Which.
    pub agent: AgentId,
    /// Of the placement that took it.
    pub epoch: u64,
    /// The new checkpoint; `None` says that the last one counts.
    pub taken: Option<Taken>,
    /// What becomes of the agent in the same step.
    pub then: Then,
    /// When its first timer is due: a suspended agent is resumed then.
    pub wake_at: Option<Timestamp>,
    /// It did not come to rest in time: what it did since its last checkpoint is undone, and its sockets saw it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub undone: bool,
}

/// A checkpoint that is written and is to count from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Where it is.
    pub checkpoint: CheckpointRef,
    /// The one it replaces.
    pub parent: Option<CheckpointId>,
    /// Why it was taken.
    pub kind: CheckpointKind,
    /// Said when it was asked for.
    pub note: Option<String>,
    /// The component it continues: another one than the row's after an upgrade.
    pub image: Digest,
    /// Everything it refers to, as stored, bytes.
    pub size_bytes: u64,
    /// What was stored for it alone, bytes.
    pub unique_bytes: u64,
    /// Every pack it refers to.
    pub packs: Vec<PackId>,
    /// Inbox entries up to this one are in it.
    pub inbox: u64,
}

/// What becomes of an agent with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "then", rename_all = "snake_case")]
pub enum Then {
    /// It goes on.
    Run {},
    /// It is suspended.
    Suspend {
        /// Why.
        reason: StatusReason,
        /// Its host goes on serving its sockets.
        parked: bool,
    },
    /// Its host gives it up: it goes on elsewhere.
    Release {},
}

/// The answer to [`Commits`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// Those that were not recorded; all others were.
    pub refused: Vec<CommitRefused>,
}

/// A commit that was not recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitRefused {
    /// Which agent.
    pub agent: AgentId,
    /// Why.
    pub why: CommitRefusal,
}

/// Why a commit was not recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum CommitRefusal {
    /// The row is at another epoch or over: the host must end what it has.
    Stale {},
    /// The row is of this epoch and not in a status that allows it now; the agent goes on.
    Conflict {},
    /// These packs are gone: what was in them has to be stored again.
    PacksGone {
        /// Which.
        packs: Vec<PackId>,
    },
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
