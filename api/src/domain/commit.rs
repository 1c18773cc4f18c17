//! What a host's commit makes of an agent's row.

use jiff::Timestamp;
use wire::{
    HostId,
    agent::{DesiredStatus, Status, StatusReason},
    checkpoint::CheckpointRef,
    host::{Commit, CommitRefusal, ResumeCause, Taken, Then},
};

use super::{agent::Agent, checkpoint::Checkpoint, state};

/// What becomes of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The row as the commit leaves it.
    Apply(Box<Agent>),
    /// It was recorded before, and its answer was lost.
    Replayed,
    /// It is not recorded.
    Refused(CommitRefusal),
}

impl Agent {
    /// What a commit of `host` makes of the row. Every backend decides by this, in the atomic step that also
    /// writes the row. `last` is the row's checkpoint; `is_recorded` says whether the one that the commit brings
    /// is there already.
    ///
    /// The one before stays when the new one goes on from it: then the last could not be read. What its owner wants is left as it is,
    /// but for one that nothing can be kept of: that is started anew.
    #[must_use]
    pub fn committed(
        &self,
        host: HostId,
        commit: &Commit,
        last: Option<&Checkpoint>,
        is_recorded: bool,
        now: Timestamp,
    ) -> Verdict {
        if self.status.is_final() || self.epoch != commit.epoch {
            return Verdict::Refused(CommitRefusal::Stale {});
        }
        if self.was_left_by(host, commit, is_recorded) {
            return Verdict::Replayed;
        }
        if self.host != Some(host) {
            return Verdict::Refused(CommitRefusal::Stale {});
        }
        let is_late = |taken: &Taken| last.is_some_and(|last| is_older(taken, commit.epoch, last));
        let taken = commit.taken.as_ref().filter(|taken| !is_recorded && !is_late(taken));
        if commit.taken.is_some() && taken.is_none() && commit.then == (Then::Run {}) {
            return Verdict::Replayed;
        }
        let mut next = self.clone();
        if let Some(taken) = taken {
            let goes_on_from = |at: &CheckpointRef| taken.parent == Some(at.id);
            if !self.previous.as_ref().is_some_and(goes_on_from) {
                next.previous.clone_from(&self.checkpoint);
            }
            next.checkpoint = Some(taken.checkpoint.clone());
            next.spec.digest.clone_from(&taken.image);
        }
        next.wake_at = commit.wake_at;
        let is_allowed = match commit.then {
            Then::Run {} => matches!(
                self.status,
                Status::Starting
                    | Status::Running
                    | Status::Suspending
                    | Status::Resuming
                    | Status::Migrating
            ),
            Then::Suspend { reason, parked } => next.suspend(reason, parked, now),
            Then::Release {} => next.release(taken.is_some(), now),
        };
        if !is_allowed {
            return Verdict::Refused(CommitRefusal::Conflict {});
        }
        if commit.undone {
            next.cause = next.cause.map(|_| ResumeCause::Rollback);
        }
        if next == *self {
            return Verdict::Replayed;
        }
        Verdict::Apply(Box::new(next.written(now)))
    }

    /// Whether the row is as this commit left it, or has gone on from there without a new placement.
    fn was_left_by(&self, host: HostId, commit: &Commit, is_recorded: bool) -> bool {
        let is_home = self.home == Some(host) && (commit.taken.is_none() || is_recorded);
        match commit.then {
            // What was recorded stays so, whoever has the agent now.
            Then::Run {} => is_recorded,
            Then::Suspend { .. } => {
                let cause = if commit.undone { ResumeCause::Rollback } else { ResumeCause::Suspend };
                is_home
                    && self.cause == Some(cause)
                    && (self.status == Status::Suspended || self.host.is_none())
            }
            Then::Release {} => is_home && self.host.is_none(),
        }
    }

    fn suspend(&mut self, reason: StatusReason, parked: bool, now: Timestamp) -> bool {
        let may = matches!(self.status, Status::Running | Status::Suspending) && self.checkpoint.is_some();
        if may {
            if self.status == Status::Suspending && self.desired == DesiredStatus::Running {
                // Its owner thought better of it meanwhile: it is due, also when nobody is left who waits for this.
                self.wake_at = Some(now);
            }
            self.status = Status::Suspended;
            self.reason = Some(reason);
            self.detail = None;
            self.cause = Some(ResumeCause::Suspend);
            self.deadline = None;
            self.home = self.host;
            self.host = self.host.filter(|_| parked);
        }
        may
    }

    fn release(&mut self, is_taken: bool, now: Timestamp) -> bool {
        let came_up = matches!(self.status, Status::Running | Status::Suspending);
        let to = match self.status {
            Status::Starting => Status::Pending,
            Status::Resuming | Status::Migrating => self.status,
            Status::Running | Status::Suspending if self.checkpoint.is_none() => Status::Pending,
            Status::Running | Status::Suspending if self.desired == DesiredStatus::Suspended => {
                Status::Suspended
            }
            Status::Running | Status::Suspending => Status::Migrating,
            Status::Pending
            | Status::Suspended
            | Status::Terminating
            | Status::Terminated
            | Status::Failed => {
                return false;
            }
        };
        if to == Status::Pending && self.desired == DesiredStatus::Suspended {
            self.desired = DesiredStatus::Running;
        }
        self.ran = self.ran || came_up || is_taken;
        // One that never came up goes on for the reason it was to.
        if self.checkpoint.is_none() {
            self.cause = None;
        } else if to == Status::Suspended {
            self.cause = Some(ResumeCause::Suspend);
        } else if came_up || is_taken || self.cause.is_none() {
            self.cause = Some(ResumeCause::Migrate);
        }
        self.status = to;
        self.reason = Some(StatusReason::HostDrain);
        self.detail = None;
        self.deadline = state::deadline(to, now);
        self.home = self.host;
        self.host = None;
        true
    }
}

/// Whether a commit is a late copy of one from before the last: a placement's checkpoints have ids in the order
/// they were taken in, and each says which it replaces.
fn is_older(taken: &Taken, epoch: u64, last: &Checkpoint) -> bool {
    last.epoch == epoch && taken.parent != Some(last.at.id) && taken.checkpoint.id < last.at.id
}
