//! Keeping an agent: capturing it between two events, committing it, and what follows from that.

use std::{sync::Arc, time::Duration};

use checkpoint::Checkpoint;
use jiff::Timestamp;
use tokio::{sync::oneshot, time::Instant};
use wire::{CheckpointId, agent::StatusReason, checkpoint::CheckpointKind, host::Then};

use super::{Ending, Running, begin::now_ms, rollback::Past};
use crate::{
    agent::{ask::AskError, mailbox::convert},
    checkpoints::{
        capture::{self, CaptureError, Eyes, Files, Snapshot},
        committer::{CommitError, Job, Stored},
        files,
    },
    workspace::Stamps,
};

/// An agent that changed is kept this much later, at least and at most: with the committer's linger never more than
/// ten seconds.
const SOON: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_secs(8);
/// A checkpoint may take one part in so many of an agent's time.
const COST_SHARE: u32 = 20;
/// After a checkpoint that did not count the next one is not tried before.
const RETRY: Duration = Duration::from_secs(5);
/// An idle agent whose timer is due so soon is not suspended.
const NOT_WORTH_IT_MS: u64 = 2_000;
/// Tries to capture anew what shared chunks that are gone.
const CAPTURES: usize = 3;

/// A checkpoint on its way.
pub(super) struct InFlight {
    answer: oneshot::Receiver<Result<Stored, CommitError>>,
    result: Option<Result<Stored, CommitError>>,
    covers: Covers,
    asked: Option<Asked>,
}

type Asked = oneshot::Sender<Result<Option<CheckpointId>, AskError>>;

/// What a capture covers.
struct Covers {
    past: Past,
    operations: u64,
    /// The agent does not go on from it here.
    goes: bool,
    /// The workspace's count of changes, and what tells its files apart, where they were read.
    files: Option<(u64, Stamps)>,
    begun: Instant,
}

/// Resolves when the checkpoint on its way has arrived somewhere; never without one.
pub(super) async fn ready(in_flight: &mut Option<InFlight>) {
    match in_flight {
        None => std::future::pending().await,
        Some(InFlight { result: Some(_), .. }) => {}
        Some(in_flight) => {
            let lost = |_| Err(CommitError::Unavailable("the host stops".to_owned()));
            in_flight.result = Some((&mut in_flight.answer).await.unwrap_or_else(lost));
        }
    }
}

impl Running {
    /// When the agent is to be kept again; never while it is as it was.
    pub(super) fn checkpoint_due(&self) -> Option<Instant> {
        if self.in_flight.is_some() || self.image.suspendable().is_none() {
            return None;
        }
        let wait = (self.cost * COST_SHARE).clamp(SOON, LATE);
        // What is held until a checkpoint covers it came too late for the one that just arrived.
        let since = self.store.data().operations.holds().then(Instant::now);
        since.or(self.dirty.map(|since| since + wait)).map(|due| due.max(self.not_before))
    }

    /// Captures and begins to commit; the agent goes on. Nothing while another is on its way.
    pub(super) async fn checkpoint_now(&mut self) -> Result<(), Ending> {
        if self.image.suspendable().is_none() {
            // There is no way back, so nothing can be undone that has left.
            let last = self.store.data().operations.last();
            self.store.data_mut().operations.release(&self.shared, last, false);
            self.past = Past::default();
            self.dirty = None;
            return Ok(());
        }
        if self.in_flight.is_some() || Instant::now() < self.not_before {
            return Ok(());
        }
        let urgent = self.store.data().operations.holds();
        if let Err(error) = self.submit(CheckpointKind::Automatic, None, Then::Run {}, urgent, None).await {
            tracing::warn!(%error, "the agent cannot be captured now");
            self.not_before = Instant::now() + RETRY;
        }
        Ok(())
    }

    /// As [`Self::checkpoint_now`], for somebody who waits.
    pub(super) async fn checkpoint_for(
        &mut self,
        kind: CheckpointKind,
        note: Option<String>,
        asked: Asked,
    ) -> Result<(), Ending> {
        self.settle_commit().await?;
        if kind == CheckpointKind::Automatic
            && self.dirty.is_none()
            && self.unchanged_files()
            && let Some(last) = &self.last
        {
            let _ = asked.send(Ok(Some(last.id)));
            return Ok(());
        }
        if let Some(why) = &self.image.info().not_suspendable {
            let _ = asked.send(Err(AskError::NotSuspendable(why.clone())));
            return Ok(());
        }
        if let Err(error) = self.submit(kind, note, Then::Run {}, true, Some(asked)).await {
            tracing::warn!(%error, "the agent cannot be captured now");
        }
        Ok(())
    }

    /// Captures and commits what becomes of the agent, which does not run meanwhile.
    pub(super) async fn checkpoint_and(
        &mut self,
        kind: CheckpointKind,
        note: Option<String>,
        then: Then,
    ) -> Result<Ending, AskError> {
        if let Some(why) = &self.image.info().not_suspendable {
            return Err(AskError::NotSuspendable(why.clone()));
        }
        for _ in 0..CAPTURES {
            if let Err(ending) = self.settle_commit().await {
                return Ok(ending);
            }
            if self.store.data().operations.holds_requests() {
                // They are made from here, so that what follows can say that they left.
                let _ = self.submit(CheckpointKind::Automatic, None, Then::Run {}, true, None).await;
                if let Err(ending) = self.settle_commit().await {
                    return Ok(ending);
                }
            }
            if self.last.is_some() && self.dirty.is_none() && self.is_at_rest() {
                self.submit_unchanged(then).await;
            } else {
                let submitted = self.submit(kind, note.clone(), then, true, None).await;
                submitted.map_err(|error| AskError::NotSuspendable(error.to_string()))?;
            }
            ready(&mut self.in_flight).await;
            match self.arrived().await {
                Ok(()) => {
                    return Ok(match then {
                        Then::Suspend { reason, .. } => Ending::Suspended(reason),
                        Then::Release {} | Then::Run {} => Ending::Released,
                    });
                }
                Err(CommitError::Again) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommitError::Again.into())
    }

    /// Suspends itself for having nothing to do.
    pub(super) async fn suspend_idle(&mut self) -> Result<(), Ending> {
        self.idle_since = Instant::now();
        let due = self.store.data().operations.first_due_ms();
        if self.shared.is_asking() || due.is_some_and(|due| due < now_ms().saturating_add(NOT_WORTH_IT_MS)) {
            return Ok(());
        }
        let then = Then::Suspend { reason: StatusReason::IdleTimeout, parked: self.shared.is_watched() };
        match self.checkpoint_and(CheckpointKind::Automatic, None, then).await {
            Ok(ending) => Err(ending),
            Err(error) => {
                tracing::info!(%error, "an idle agent stays");
                error.ends()
            }
        }
    }

    fn unchanged_files(&self) -> bool {
        self.files.1 == Some(self.store.data().workspace.changes())
    }

    fn is_at_rest(&self) -> bool {
        self.again.is_empty() && self.shared.mailbox.is_idle() && self.unchanged_files()
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let due = self.store.data().operations.first_due_ms()?;
        i64::try_from(due).ok().and_then(|due| Timestamp::from_millisecond(due).ok())
    }

    async fn submit_unchanged(&mut self, then: Then) {
        let covers = Covers {
            past: std::mem::take(&mut self.past),
            operations: self.store.data().operations.last(),
            goes: then != Then::Run {},
            files: None,
            begun: Instant::now(),
        };
        let job = self.job(None, CheckpointKind::Automatic, None, then, true);
        let answer = self.services.committer.submit(job).await;
        self.in_flight = Some(InFlight { answer, result: None, covers, asked: None });
    }

    fn job(
        &self,
        snapshot: Option<Box<Snapshot>>,
        kind: CheckpointKind,
        note: Option<String>,
        then: Then,
        urgent: bool,
    ) -> Job {
        Job {
            agent: self.shared.id,
            epoch: self.shared.epoch(),
            snapshot,
            parent: self.last.as_ref().map(|last| last.id),
            kind,
            note,
            then,
            wake_at: self.wake_at(),
            undone: false,
            urgent,
            asked: false,
        }
    }

    async fn submit(
        &mut self,
        kind: CheckpointKind,
        note: Option<String>,
        then: Then,
        urgent: bool,
        asked: Option<Asked>,
    ) -> Result<(), CaptureError> {
        let begun = Instant::now();
        let (snapshot, read) = match self.capture().await {
            Ok(captured) => captured,
            Err(error) => {
                if let Some(asked) = asked {
                    let _ = asked.send(Err(AskError::NotSuspendable(error.to_string())));
                }
                return Err(error);
            }
        };
        let covers = Covers {
            past: std::mem::take(&mut self.past),
            operations: self.store.data().operations.last(),
            goes: then != Then::Run {},
            files: read,
            begun,
        };
        self.dirty = None;
        self.cost = begun.elapsed();
        let job = self.job(Some(Box::new(snapshot)), kind, note, then, urgent);
        let job = Job { asked: asked.is_some(), ..job };
        let answer = self.services.committer.submit(job).await;
        self.in_flight = Some(InFlight { answer, result: None, covers, asked });
        Ok(())
    }

    /// The agent as it is: it does not run meanwhile.
    async fn capture(&mut self) -> Result<(Snapshot, Option<(u64, Stamps)>), CaptureError> {
        let image = self.image.clone();
        let services = self.services.clone();
        let Some(suspendable) = image.suspendable() else {
            return Err(CaptureError::Handle("the image cannot be captured".to_owned()));
        };
        let eyes = Eyes {
            access: &suspendable.access,
            base: &suspendable.base,
            pagemap: &services.pagemap,
            index: &services.index,
        };
        let mut guest = capture::guest(&mut self.store, &self.instance, eyes, &mut self.seen).await?;
        let described = self.store.data_mut().describe_handles();
        (guest.files, guest.handles) = described.map_err(|what| CaptureError::Handle(what.to_string()))?;
        // Reading is not the agent's to pay.
        self.fuel_left = self.store.get_fuel().unwrap_or(self.fuel_left);
        let monotonic_ns = self.store.data_mut().monotonic_now();
        let state = self.store.data();
        let workspace = state.workspace.clone();
        let operations = state.operations.capture();
        let mut checkpoint = self.shared.capture(image.info().digest.clone());
        let again = self.again.iter().filter_map(|ran| convert::event(&ran.item));
        checkpoint.mailbox.splice(0..0, again);
        checkpoint.meters.fuel = self.used;
        let checkpoint = Checkpoint { guest: Some(guest), operations, monotonic_ns, ..checkpoint };
        if self.unchanged_files() {
            let files = Files::Unchanged(self.files.0.clone());
            return Ok((Snapshot { checkpoint, files, spilled: Vec::new() }, None));
        }
        let read = files::read(workspace, services).await;
        let read = read.map_err(|error| CaptureError::Files(crate::link::chain(&error)))?;
        let snapshot = Snapshot { checkpoint, files: Files::Captured(read.tree), spilled: read.spilled };
        Ok((snapshot, Some((read.changes, read.stamps))))
    }

    /// Waits for the checkpoint on its way, if there is one, and sees to what follows. None is on its way afterwards.
    pub(super) async fn settle_commit(&mut self) -> Result<(), Ending> {
        if self.in_flight.is_none() {
            return Ok(());
        }
        ready(&mut self.in_flight).await;
        match self.arrived().await {
            Ok(()) => {}
            Err(CommitError::Stale) => return Err(Ending::displaced()),
            Err(CommitError::Again) => self.not_before = Instant::now(),
            Err(_) => self.not_before = Instant::now() + RETRY,
        }
        Ok(())
    }

    async fn arrived(&mut self) -> Result<(), CommitError> {
        let Some(InFlight { result: Some(result), covers, asked, .. }) = self.in_flight.take() else {
            return Ok(());
        };
        let outcome = match result {
            Ok(stored) => {
                self.counts(stored, covers);
                Ok(())
            }
            Err(error) => {
                // What it would have covered, then what came since.
                self.past.prepend(covers.past);
                self.dirty.get_or_insert(covers.begun);
                if matches!(error, CommitError::Again) {
                    self.store.data().workspace.forget();
                    self.shared.terminal().forget_stored();
                    self.shared.journal().forget_stored();
                    self.files = (Default::default(), None);
                }
                Err(error)
            }
        };
        if let Some(asked) = asked {
            let id = self.last.as_ref().map(|last| last.id);
            let _ = asked.send(outcome.clone().map(|()| id).map_err(AskError::from));
        }
        outcome
    }

    fn counts(&mut self, stored: Stored, covers: Covers) {
        self.rollbacks = 0;
        self.cost += stored.cost;
        if let Some(kept) = stored.kept {
            self.files.0 = kept.files;
            self.shared.set_rests_at(kept.at.id);
            self.shared.mark_durable(&kept.inputs);
            self.shared.terminal().stored(&kept.terminal);
            self.shared.journal().stored(&kept.journal);
            self.last = Some(kept.at);
            if let (Some((changes, stamps)), Some(tree)) = (covers.files, &kept.tree) {
                self.files.1 = Some(changes);
                self.store.data().workspace.remember(stamps, tree);
            }
        }
        let shared: &Arc<_> = &self.shared;
        if self.store.data_mut().operations.release(shared, covers.operations, covers.goes) {
            // Whoever goes on from this checkpoint would send it again.
            self.dirty.get_or_insert_with(Instant::now);
        }
    }
}

impl AskError {
    /// What it means for the agent, which mostly goes on.
    pub(super) fn ends(&self) -> Result<(), Ending> {
        match self {
            Self::Commit(CommitError::Stale) => Err(Ending::displaced()),
            _ => Ok(()),
        }
    }
}
