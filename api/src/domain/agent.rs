//! An agent's row.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wire::{
    AgentId, Digest, HostId, TenantId,
    agent::{DesiredStatus, Limits, OnDrain, Status, StatusReason},
    checkpoint::{CheckpointRef, Lineage},
    egress::Rule,
    host::ResumeCause,
    image::ImageKind,
    message::Recipient,
};

use super::state;

/// One row per agent; `epoch` is its fencing token (Kleppmann, "How to do distributed locking").
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its owner.
    pub tenant: TenantId,
    /// What it is: fixed at spawn, but for the component, which an upgrade changes.
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
    /// Its owner; for a `suspended` agent the host it is parked on. A row that waits for a host has none.
    pub host: Option<HostId>,
    /// The host that had it last: its files may be cached there, so it is tried first.
    pub home: Option<HostId>,
    /// Whether it has run before: what its sockets saw is over, unless it goes on from a checkpoint.
    pub ran: bool,
    /// Its last durable checkpoint: what its next start goes on from. It begins anew when there is none.
    pub checkpoint: Option<CheckpointRef>,
    /// The one before, for when that cannot be read.
    pub previous: Option<CheckpointRef>,
    /// What its next start is told it goes on from the checkpoint for; none while it runs.
    pub cause: Option<ResumeCause>,
    /// Which of its lives this is, 1 at its spawn: grows when it is restored to an earlier checkpoint.
    pub timeline: u64,
    /// What it was forked from.
    pub parent: Option<Lineage>,
    /// When its first timer is due, as its last checkpoint says: a suspended agent is resumed then.
    pub wake_at: Option<Timestamp>,
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
    /// What drives its component.
    pub kind: ImageKind,
    /// Whether it can be checkpointed.
    pub suspendable: bool,
    /// Suspended after so long without an event, seconds.
    pub idle_timeout_seconds: Option<u32>,
    /// Whom it may send messages to.
    pub send_to: Vec<Recipient>,
    /// Where it may send requests to.
    pub egress: Vec<Rule>,
    /// What a planned stop of its host does to it when it cannot be suspended.
    pub on_drain: OnDrain,
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
    /// `Some(None)` takes it off its host, which becomes its home.
    pub host: Option<Option<HostId>>,
    /// The new home, where it is not the host by the rule of [`Agent::patched`].
    pub home: Option<Option<HostId>>,
    /// The new checkpoint, which must be there: only a restore or a fall back to the one before says this,
    /// all others are commits.
    pub checkpoint: Option<Option<CheckpointRef>>,
    /// The new one before, which must be there.
    pub previous: Option<Option<CheckpointRef>>,
    /// What the next start is told; coming to `running` clears it.
    pub cause: Option<Option<ResumeCause>>,
    /// The new timeline. A higher one is a restore: what the inbox held for the one that is left behind is
    /// not delivered again.
    pub timeline: Option<u64>,
    /// When a suspended agent is resumed; `Some(None)` clears it.
    pub wake_at: Option<Option<Timestamp>>,
    /// The component of the checkpoint a restore goes back to.
    pub digest: Option<Digest>,
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
    /// usual one, and one that may last has none, whatever the patch says. Going to `suspended`,
    /// `resuming` or `migrating` without saying where takes it off its host. Its home is the host it is on
    /// or was on last. Coming to `running` clears the cause; an end takes away its checkpoints.
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
        let is_left = matches!(patch.status, Some(Status::Suspended | Status::Resuming | Status::Migrating));
        next.host = patch.host.unwrap_or(if is_left { None } else { self.host });
        next.home = patch.home.unwrap_or(next.host.or(self.host).or(self.home));
        if let Some(checkpoint) = &patch.checkpoint {
            next.checkpoint.clone_from(checkpoint);
        }
        if let Some(previous) = &patch.previous {
            next.previous.clone_from(previous);
        }
        let comes_up = patch.status == Some(Status::Running);
        next.cause = patch.cause.unwrap_or(if comes_up { None } else { self.cause });
        next.timeline = patch.timeline.unwrap_or(next.timeline);
        next.wake_at = patch.wake_at.unwrap_or(next.wake_at);
        if let Some(digest) = &patch.digest {
            next.spec.digest.clone_from(digest);
        }
        let usual = state::deadline(next.status, now);
        let unsaid = if patch.status.is_some() { usual } else { self.deadline };
        next.deadline = usual.and(patch.deadline.unwrap_or(unsaid));
        next.ran = patch.ran.unwrap_or(next.ran);
        next.started_at = patch.started_at.or(next.started_at);
        if next.status.is_final() {
            (next.checkpoint, next.previous, next.cause, next.wake_at) = (None, None, None, None);
        }
        Some(next.written(now))
    }

    /// The row as a write leaves it.
    pub(super) fn written(self, now: Timestamp) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self }
    }

    /// Whether it needs a host and has none: `pending`, or `resuming` or `migrating` without one, and
    /// wanted running.
    #[must_use]
    pub fn waits(&self) -> bool {
        let is_free = match self.status {
            Status::Pending => true,
            Status::Resuming | Status::Migrating => self.host.is_none(),
            _ => false,
        };
        is_free && self.desired == DesiredStatus::Running
    }

    /// The row after it was given to a host, or `None` unless it [waits](Self::waits) and is of this
    /// epoch: a `pending` one is `starting`, another one keeps its status. What was said of the waiting
    /// is cleared.
    #[must_use]
    pub fn assigned(
        &self,
        expect_epoch: u64,
        host: HostId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let is_free = self.waits() && self.epoch == expect_epoch;
        let (status, reason) = match self.status {
            Status::Pending => (Status::Starting, None),
            status => (status, Some(StatusReason::Restoring)),
        };
        is_free.then(|| {
            let next = Self {
                status,
                reason,
                detail: None,
                epoch: self.epoch + 1,
                host: Some(host),
                home: Some(host),
                deadline: Some(deadline),
                ..self.clone()
            };
            next.written(now)
        })
    }

    /// When the sweeper must look at it next: its deadline, the timer that wakes it while it is
    /// `suspended`, or the end of its lifetime unless it is ending already; `None` when it never must.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let lifetime = state::expired(self.status).and(self.expires_at);
        let deadline = self.deadline.filter(|_| !self.status.is_final());
        let timer = self.wake_at.filter(|_| self.status == Status::Suspended);
        [deadline, lifetime, timer].into_iter().flatten().min()
    }
}
