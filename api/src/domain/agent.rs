//! An agent's row.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wire::{
    AgentId, Digest, HostId, TenantId,
    agent::{DesiredStatus, Limits, Status, StatusReason},
};

/// One row per agent; `epoch` is its fencing token (Kleppmann, "How to do distributed locking").
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its owner.
    pub tenant: TenantId,
    /// What it is: fixed at spawn.
    pub spec: Spec,
    /// The caller's own pairs.
    pub metadata: BTreeMap<String, String>,
    /// Where it is in its life.
    pub status: Status,
    /// What its owner wants.
    pub desired: DesiredStatus,
    /// Why it is where it is.
    pub reason: Option<StatusReason>,
    /// One sentence more.
    pub detail: Option<String>,
    /// Grows at every assignment to a host; 0 before the first.
    pub epoch: u64,
    /// Grows at every write of the row.
    pub version: u64,
    /// Who has it.
    pub host: Option<HostId>,
    /// Whether it has run before: the next start takes over its workspace and screen.
    pub ran: bool,
    /// When a transient status is overdue and the sweeper moves it on.
    pub deadline: Option<Timestamp>,
    /// When it is ended whatever it does.
    pub expires_at: Option<Timestamp>,
    /// When it was spawned.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
    /// When it first came to `running`.
    pub started_at: Option<Timestamp>,
}

/// What an agent is.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// For people.
    pub name: String,
    /// As the spawn named it.
    pub image: String,
    /// What that was.
    pub digest: Digest,
    /// JSON text for its `start` event.
    pub config: String,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
}

/// A change of a row; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// The new status; its legality is checked against [`super::state`].
    pub status: Option<Status>,
    /// The new desired status.
    pub desired: Option<DesiredStatus>,
    /// The new reason; `Some(None)` clears it.
    pub reason: Option<Option<StatusReason>>,
    /// The new detail; `Some(None)` clears it.
    pub detail: Option<Option<String>>,
    /// `Some(None)` takes it off its host.
    pub host: Option<Option<HostId>>,
    /// The new deadline; `Some(None)` clears it.
    pub deadline: Option<Option<Timestamp>>,
    /// It has run now.
    pub ran: Option<bool>,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
}

/// What must hold for a change to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// The row's epoch, where it matters: every write on behalf of a host carries it.
    pub epoch: Option<u64>,
    /// The row's version, for `If-Match`.
    pub version: Option<u64>,
    /// The row's status is one of these; empty means any.
    pub status: Vec<Status>,
}
