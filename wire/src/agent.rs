//! Agents: what a spawn asks for and what a caller sees.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AgentId, Digest, HostId, TenantId};

/// Longest `name`, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Longest `config`, in bytes of JSON text.
pub const MAX_CONFIG_BYTES: usize = 64 * 1024;
/// Most `env` entries.
pub const MAX_ENV: usize = 64;
/// Longest `env` name or value, in bytes.
pub const MAX_ENV_BYTES: usize = 4096;
/// Most `metadata` pairs.
pub const MAX_METADATA: usize = 16;
/// Longest `metadata` key or value, in bytes.
pub const MAX_METADATA_BYTES: usize = 256;

/// Where an agent is in its life; the table of transitions is `api/src/domain/state.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Recorded, on no host yet.
    Pending,
    /// Placed; its host is starting it.
    Starting,
    /// Its `start` event returned ok.
    Running,
    /// Coming to rest for a checkpoint.
    Suspending,
    /// A checkpoint and no instance.
    Suspended,
    /// Being restored from its checkpoint.
    Resuming,
    /// Moving to another host.
    Migrating,
    /// Being ended.
    Terminating,
    /// Ended on request.
    Terminated,
    /// Ended by a fault; `status_reason` says which.
    Failed,
}

impl Status {
    /// Every status, in the order of an agent's life.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Starting,
        Self::Running,
        Self::Suspending,
        Self::Suspended,
        Self::Resuming,
        Self::Migrating,
        Self::Terminating,
        Self::Terminated,
        Self::Failed,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Suspending => "suspending",
            Self::Suspended => "suspended",
            Self::Resuming => "resuming",
            Self::Migrating => "migrating",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
        }
    }

    /// From the name on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Terminated | Self::Failed)
    }
}

/// What the owner wants; the reconciler works towards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DesiredStatus {
    /// Live, or brought back by the next event.
    Running,
    /// Kept as a checkpoint.
    Suspended,
    /// Ended.
    Terminated,
}

/// What a planned stop of its host does to an agent that cannot be suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnDrain {
    /// It is ended and starts anew on another host, over its files and screen.
    #[default]
    Restart,
    /// It may go on until it ends by itself or its host's grace is over, and is not started again.
    Finish,
}

/// Why the status is what it is. A closed list: clients branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StatusReason {
    /// Waiting for the scheduler.
    Scheduling,
    /// No host has room.
    InsufficientCapacity,
    /// The tenant's quota is used up.
    QuotaWait,
    /// The image is being compiled.
    Compiling,
    /// A checkpoint is being restored.
    Restoring,
    /// Its Spot task was reclaimed.
    SpotInterruption,
    /// Its host is going away as planned.
    HostDrain,
    /// Its host vanished.
    HostLost,
    /// Nothing happened for `idle_timeout_seconds`.
    IdleTimeout,
    /// It lived for `max_lifetime_seconds`.
    MaxLifetime,
    /// Its budget of tokens or money is used up.
    BudgetExhausted,
    /// Somebody asked.
    UserRequest,
    /// The component trapped.
    GuestTrap,
    /// It asked for more memory than it was granted.
    OutOfMemory,
    /// It used up its fuel.
    FuelExhausted,
    /// Its `start` event did not end in time.
    InitTimeout,
    /// A policy forbids it.
    PolicyDenied,
}

/// What an agent may use. Absent fields take the tenant's default; every one has a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// All its linear memories together, MiB. 1..=1024.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1024))]
    pub memory_mib: u32,
    /// Fuel a second, sustained; about one wasm instruction each. 1,000,000..=10,000,000,000.
    #[cfg_attr(feature = "openapi", schema(minimum = 1_000_000, maximum = 10_000_000_000_u64))]
    pub fuel_per_second: u64,
    /// Bytes under `/work`, MiB. 1..=10240.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10240))]
    pub disk_mib: u32,
    /// Longest wall time of one event, seconds; 0 is no limit. 0..=86400.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 86400))]
    pub wall_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mib: 64, fuel_per_second: 1_000_000_000, disk_mib: 256, wall_seconds: 0 }
    }
}

/// The body of `POST /agents/spawn`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SpawnRequest {
    /// A name such as `shell`, or a digest `sha256:…`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub image: String,
    /// For people; need not be unique. Made up when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON given to the agent with its `start` event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Ends the agent this long after its spawn. 1..=31,536,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u32>,
    /// Suspends the agent after this long without an event. 1..=31,536,000; absent: it is not suspended for
    /// being idle alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u32>,
    /// Whom it may send messages to; nobody when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub send_to: Vec<crate::message::Recipient>,
    /// Where it may send requests to; nowhere when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<crate::egress::Rule>,
    /// What a planned stop of its host does to an agent that cannot be suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_drain: Option<OnDrain>,
    /// At most 16 pairs of the caller's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// The body of `POST /v1/agents/{id}/upgrade`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpgradeRequest {
    /// The other version: a name such as `shell`, or a digest `sha256:…`.
    pub image: String,
}

/// An agent as its tenant sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its owner.
    pub tenant: TenantId,
    /// For people.
    pub name: String,
    /// The image's name when it was spawned by name.
    pub image: String,
    /// The image's digest.
    pub image_digest: Digest,
    /// Where it is in its life.
    pub status: Status,
    /// What its owner wants.
    pub desired_status: DesiredStatus,
    /// Why it is where it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_reason: Option<StatusReason>,
    /// One sentence more about the reason, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_detail: Option<String>,
    /// Grows at every move; a stale one is refused.
    pub epoch: u64,
    /// Grows at every change of this record; also its `ETag`.
    pub version: u64,
    /// Where it is placed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostId>,
    /// Whether it can be checkpointed: suspended, moved, forked, and brought back after a crash.
    pub suspendable: bool,
    /// What a planned stop of its host does to it when it cannot.
    #[serde(default)]
    pub on_drain: OnDrain,
    /// Its last durable checkpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkpoint: Option<crate::CheckpointId>,
    /// What it was forked from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<crate::checkpoint::Lineage>,
    /// When a suspended agent is resumed by its own timer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wakes_at: Option<Timestamp>,
    /// Suspended after so long without an event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idle_timeout_seconds: Option<u32>,
    /// Whom it may send messages to.
    #[serde(default)]
    pub send_to: Vec<crate::message::Recipient>,
    /// Where it may send requests to.
    #[serde(default)]
    pub egress: Vec<crate::egress::Rule>,
    /// What it may use.
    pub limits: Limits,
    /// When it is ended whatever it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Timestamp>,
    /// The caller's own pairs.
    pub metadata: BTreeMap<String, String>,
    /// When it was spawned.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
    /// When it came to `running`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// The page of its terminal.
    pub terminal_url: String,
}

/// The answer to a spawn: the agent, and a first ticket when it runs already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Spawned {
    /// The agent.
    #[serde(flatten)]
    pub agent: Agent,
    /// Opens its terminal with no further call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ticket: Option<crate::access::Ticket>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items, newest first.
    pub data: Vec<T>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_cursor: Option<String>,
}
