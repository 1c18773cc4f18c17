//! An agent's row.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wire::{
    AgentId, Digest, HostId, TenantId,
    agent::{DesiredStatus, Limits, Status, StatusReason},
};

use super::state;

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
    /// Who has it. While `pending`, who had it: its workspace is there, so it starts there again.
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
    /// The new deadline; `None` with a new status sets that status's usual one, `Some(None)` clears it.
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

impl Agent {
    /// The row after a change, or `None` when `expect` does not hold or the transition is not legal.
    /// Every backend decides by this, in the atomic step that also writes the row.
    ///
    /// Transient statuses have a deadline and no others do: entering one without saying when sets the
    /// usual one, and one that may last has none, whatever the patch says.
    #[must_use]
    pub fn patched(&self, expect: &Expect, patch: &Patch, now: Timestamp) -> Option<Self> {
        let expected = expect.epoch.is_none_or(|epoch| epoch == self.epoch)
            && expect.version.is_none_or(|version| version == self.version)
            && (expect.status.is_empty() || expect.status.contains(&self.status));
        let is_legal = patch.status.is_none_or(|to| state::legal(self.status, to));
        if !(expected && is_legal) {
            return None;
        }
        let mut next = self.clone();
        next.status = patch.status.unwrap_or(next.status);
        next.desired = patch.desired.unwrap_or(next.desired);
        next.reason = patch.reason.unwrap_or(next.reason);
        if let Some(detail) = &patch.detail {
            next.detail.clone_from(detail);
        }
        next.host = patch.host.unwrap_or(next.host);
        let usual = state::deadline(next.status, now);
        let unsaid = if patch.status.is_some() { usual } else { self.deadline };
        next.deadline = usual.and(patch.deadline.unwrap_or(unsaid));
        next.ran = patch.ran.unwrap_or(next.ran);
        next.started_at = patch.started_at.or(next.started_at);
        next.version += 1;
        next.updated_at = now;
        Some(next)
    }

    /// The row after it was given to a host, or `None` unless it is `pending`, wanted running and of
    /// this epoch. Reason and detail are cleared: they said why it was waiting.
    #[must_use]
    pub fn assigned(
        &self,
        expect_epoch: u64,
        host: HostId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let free = self.status == Status::Pending
            && self.desired == DesiredStatus::Running
            && self.epoch == expect_epoch;
        free.then(|| Self {
            status: Status::Starting,
            reason: None,
            detail: None,
            epoch: self.epoch + 1,
            version: self.version + 1,
            host: Some(host),
            deadline: Some(deadline),
            updated_at: now,
            ..self.clone()
        })
    }

    /// When the sweeper must look at it next: its deadline, or the end of its lifetime unless it is
    /// ending already; `None` when it never must.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let lifetime = state::expired(self.status).and(self.expires_at);
        let deadline = self.deadline.filter(|_| !self.status.is_final());
        match (deadline, lifetime) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        }
    }
}
