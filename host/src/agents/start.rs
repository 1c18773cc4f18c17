//! Starting: everything is checked and reserved, the checkpoint is read, then the agent's task takes over.

use std::{
    panic::AssertUnwindSafe,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use depot::DepotError;
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::Instrument as _;
use wire::{
    CheckpointId,
    agent::{Status, StatusReason},
    checkpoint::CheckpointRef,
    host::{Refusal, RefusalCode, Reply, ResumeCause, Start},
};

use super::{Agents, Entry, Stopping, forget_oldest, moved, refused};
use crate::{
    agent::{
        Live, Shared,
        driver::{self, Cast, Ending},
    },
    bindings::agent::openclaw::agent::types::StopReason,
    checkpoints::restore::{self, Restored},
    engine::MAX_MEMORY_BYTES,
    images::Program,
    journal::Journal,
    persist,
    terminal::{
        inputs::Inputs,
        log::{Size, TerminalLog},
    },
    workspace::{Quota, RestoreError as TreeError, Workspace, WorkspaceError},
};

/// Files and directories of a workspace for each MiB it may have.
const FILES_PER_MIB: u64 = 256;
/// "Too many open files", errno(3).
const EMFILE: i32 = 24;
/// Questions that may wait for an agent's task.
const MAX_ASKS: usize = 8;
/// Generations that one placement may use up by rollbacks.
const GENERATIONS_A_PLACEMENT: u32 = 16;

/// The generation of an agent whose past is undone with this placement.
fn generation(epoch: u64, before: u64) -> u64 {
    (before + 1).max(epoch << GENERATIONS_A_PLACEMENT)
}

enum Begun {
    Now(Origin),
    Already(Arc<Shared>),
}

/// What an agent goes on from.
#[derive(Debug, Clone, Default)]
struct Origin {
    checkpoint: Option<CheckpointId>,
    /// What was wrong with a newer one.
    problem: Option<String>,
}

/// An agent's parts, ready.
struct Prepared {
    workspace: Workspace,
    restored: Option<Restored>,
    origin: Origin,
}

impl Agents {
    pub(super) async fn start(self: &Arc<Self>, start: Start) -> Result<Reply, Refusal> {
        let span =
            tracing::info_span!("start", agent = %start.agent, tenant = %start.tenant, epoch = start.epoch);
        let (started, answer) = oneshot::channel();
        match self.begin(start, started).instrument(span.clone()).await? {
            Begun::Already(shared) => already_started(&shared).await,
            Begun::Now(Origin { checkpoint, problem }) => {
                let broken = || refused(RefusalCode::Internal, "its task ended before it started");
                answer.instrument(span).await.map_err(|_| broken())??;
                Ok(Reply::Started { checkpoint, problem })
            }
        }
    }

    /// Checks and reserves everything, then hands the agent to its task.
    async fn begin(
        self: &Arc<Self>,
        start: Start,
        started: oneshot::Sender<Result<(), Refusal>>,
    ) -> Result<Begun, Refusal> {
        self.admit(&start)?;
        let unknown = || refused(RefusalCode::UnknownImage, format!("no image {} on this host", start.image));
        let image = self.means.images.get(&start.image).await.ok_or_else(unknown)?;
        if let Some(shared) = self.present(&start).await? {
            return Ok(Begun::Already(shared));
        }
        let full = |_| refused(RefusalCode::Full, format!("all {} slots are taken", self.means.capacity));
        let slot = self.slots.clone().try_acquire_owned().map_err(full)?;
        let Prepared { workspace, restored, origin } = self.prepare(&start).await?;
        let stopping = Arc::new(Mutex::new(None));
        let (asks, asked) = mpsc::channel(MAX_ASKS);
        let shared = {
            let mut entries = self.entries();
            // Asked again under the lock: a drain cordons first and then takes the lock, so what gets in here
            // is seen by it.
            if self.cordoned.load(Ordering::SeqCst) {
                return Err(refused(RefusalCode::Cordoned, "the host takes no more agents"));
            }
            let present = entries.get(&start.agent);
            if present.is_some_and(|other| other.parked.is_none() && !other.shared.live().borrow().is_over())
            {
                return Err(refused(RefusalCode::StaleEpoch, "another start of the agent came first"));
            }
            let parked = present.and_then(|other| Some((other.shared.clone(), other.parked?)));
            let shared = match parked {
                Some((shared, at)) => adopt(shared, at, &start, workspace, restored.as_ref()),
                None => assemble(&start, workspace, restored.as_ref()),
            };
            shared.set_suspendable(image.suspendable().is_some());
            forget_oldest(&mut entries);
            let entry = Entry { shared: shared.clone(), stopping: stopping.clone(), asks, parked: None };
            entries.insert(start.agent, entry);
            shared
        };
        if start.restart && start.resume.is_none() {
            shared.output(RESTARTED);
        }
        if matches!(image.program(), Program::Command(_)) {
            // It has no reader for its inbox, ever: what is in it stays there.
            shared.pulls.begin();
        }
        shared.set_timeline(start.timeline);
        let services = self.means.services.clone();
        let cast = Cast { shared, image, start, services, restored, asks: asked };
        self.run(cast, stopping, slot, started);
        Ok(Begun::Now(origin))
    }

    fn admit(&self, start: &Start) -> Result<(), Refusal> {
        if self.cordoned.load(Ordering::SeqCst) {
            return Err(refused(RefusalCode::Cordoned, "the host takes no more agents"));
        }
        if self.short.load(Ordering::Relaxed) {
            return Err(refused(RefusalCode::Full, "the host is short of memory"));
        }
        let max_mib = (MAX_MEMORY_BYTES >> 20) as u64;
        if start.limits.memory_mib == 0 || u64::from(start.limits.memory_mib) > max_mib {
            return Err(refused(
                RefusalCode::Limits,
                format!("memory_mib must be 1 to {max_mib} on this host"),
            ));
        }
        Ok(())
    }

    /// What is here under the same id: the same epoch is the same start; an older one is over and is ended.
    async fn present(self: &Arc<Self>, start: &Start) -> Result<Option<Arc<Shared>>, Refusal> {
        let found = self.entries().get(&start.agent).map(|entry| (entry.shared.clone(), entry.parked));
        let Some((shared, parked)) = found else { return Ok(None) };
        let epoch = shared.epoch();
        if epoch == start.epoch && parked.is_none() {
            return Ok(Some(shared));
        }
        if epoch > start.epoch {
            return Err(refused(RefusalCode::StaleEpoch, format!("epoch {epoch} is here")));
        }
        if parked.is_none()
            && !shared.live().borrow().is_over()
            && let Ok(before) = self.placed(start.agent, epoch)
        {
            // One that was just being suspended is parked then, and its sockets stay with it.
            self.end(&before, Stopping::Release, StopReason::HostDrain, Duration::ZERO).await;
        }
        Ok(None)
    }

    /// Reads the checkpoint that a start names and makes the workspace what it says, or the one before when that is bad; an
    /// empty workspace without.
    async fn prepare(&self, start: &Start) -> Result<Prepared, Refusal> {
        let Some(resume) = &start.resume else {
            return self.prepare_at(start, None).await.map_err(Unfit::last);
        };
        let unfit = match self.prepare_at(start, Some(&resume.checkpoint)).await {
            Ok(prepared) => return Ok(prepared),
            Err(unfit) => unfit,
        };
        let Some(previous) = resume.previous.as_ref().filter(|_| unfit.is_checkpoint()) else {
            return Err(unfit.last());
        };
        let problem = unfit.refusal.detail;
        tracing::error!(%problem, "the last checkpoint cannot be used; the one before is");
        let mut prepared = self.prepare_at(start, Some(previous)).await.map_err(Unfit::last)?;
        prepared.origin.problem = Some(problem);
        Ok(prepared)
    }

    async fn prepare_at(&self, start: &Start, at: Option<&CheckpointRef>) -> Result<Prepared, Unfit> {
        let restored = match at {
            Some(at) => Some(restore::load(&self.means.services.depot, at, &start.image, start).await?),
            None => None,
        };
        let workspace = self.place(start, restored.as_ref()).await?;
        let origin = Origin { checkpoint: at.map(|at| at.id), problem: None };
        Ok(Prepared { workspace, restored, origin })
    }

    /// Makes the workspace.
    async fn place(&self, start: &Start, restored: Option<&Restored>) -> Result<Workspace, Unfit> {
        let dir = self.dir_of(start.agent);
        let quota = Quota {
            bytes: u64::from(start.limits.disk_mib) << 20,
            files: u64::from(start.limits.disk_mib) * FILES_PER_MIB,
        };
        let depot = self.means.services.depot.clone();
        let tree = restored.map(|restored| restored.tree.clone());
        let placed = tokio::task::spawn_blocking(move || match tree {
            None => fresh(&dir, quota).map_err(|error| of_workspace(&error).into()),
            Some(tree) => {
                persist::create(&dir).map_err(|error| failed(&error))?;
                let restored = Workspace::restore(&dir, quota, &tree, &mut restore::fetch(depot));
                restored.map_err(|error| of_tree(&error))
            }
        });
        placed.await.map_err(|e| failed(&e))?
    }

    fn run(
        self: &Arc<Self>,
        cast: Cast,
        stopping: Arc<Mutex<Option<Stopping>>>,
        slot: OwnedSemaphorePermit,
        started: oneshot::Sender<Result<(), Refusal>>,
    ) {
        let (agents, fresh) = (self.clone(), cast.start.resume.is_none() && !cast.start.restart);
        let on_drain = cast.start.on_drain;
        let (answer, answered) = oneshot::channel();
        let (shared, digest) = (cast.shared.clone(), cast.image.info().digest.clone());
        let drive = driver::drive(cast, answer);
        let task = self.means.executor.spawn(AssertUnwindSafe(drive).catch_unwind());
        let span = tracing::info_span!("agent", agent = %shared.id, epoch = shared.epoch());
        let supervise = async move {
            let begun =
                answered.await.unwrap_or_else(|_| Err(refused(RefusalCode::Internal, "the host panicked")));
            if let Err(refusal) = begun {
                // Ended before anybody can ask again, so that the answer is never ahead of the state.
                let _ = task.await;
                let asked = *stopping.lock().unwrap_or_else(PoisonError::into_inner);
                let refusal = match asked {
                    // Not its fault: the API places it again, here or elsewhere.
                    Some(Stopping::Release | Stopping::Suspend(_)) => {
                        refused(RefusalCode::Cordoned, "the host stops")
                    }
                    _ => refusal,
                };
                agents.never_started(&shared, &refusal, fresh).await;
                drop(slot);
                let _ = started.send(Err(refusal));
                return;
            }
            points::reach(points::Point::Restored, [shared.id]).await;
            let _ = started.send(Ok(()));
            // What came while it was on no host or was starting. Not before: where to go on in the inbox is in the
            // checkpoint.
            agents.pull(&shared);
            let ending = task.await.unwrap_or_else(|_| {
                Some(Ending::GivenUp("the host panicked while it ran the agent".to_owned()))
            });
            let end = agents.ended(&shared, &stopping, ending, &digest, on_drain);
            if AssertUnwindSafe(end).catch_unwind().await.is_err() {
                // Whoever waits for its end must not wait for ever.
                let detail = Some("the host panicked while it ended the agent".to_owned());
                shared.set_live(Live { status: Status::Failed, reason: None, detail, moved: false });
            }
            drop(slot);
        };
        self.tasks.spawn(supervise.instrument(span));
    }

    async fn never_started(&self, shared: &Shared, refusal: &Refusal, fresh: bool) {
        tracing::warn!(code = ?refusal.code, detail = %refusal.detail, "agent did not start");
        shared.mailbox.close();
        shared.set_workspace(None);
        // Until it is over nothing else starts under this id, so what is removed here is its own.
        if fresh {
            self.purge(shared.id).await;
        }
        self.forget(shared);
        let detail = Some(refusal.detail.clone());
        let live = Live { status: Status::Failed, reason: None, detail, moved: false };
        // One that ran before is not over: its sockets come back.
        shared.set_live(if fresh { live } else { moved(StatusReason::Restoring) });
    }
}

/// A new agent's parts, from its checkpoint where it has one.
fn assemble(start: &Start, workspace: Workspace, restored: Option<&Restored>) -> Arc<Shared> {
    let size = start.size.map_or(Size::DEFAULT, |(cols, rows)| Size::clamped(cols, rows));
    let Some(kept) = restored.map(|restored| &restored.checkpoint) else {
        let mut terminal = TerminalLog::new(size);
        if start.restart {
            terminal.set_generation(generation(start.epoch, 0));
        }
        return Shared::new(start.agent, start.epoch, terminal, Some(workspace));
    };
    let cause = start.resume.as_ref().map_or(ResumeCause::Suspend, |resume| resume.cause);
    // Falling back to the checkpoint before undoes something, whatever the cause.
    let planned = cause.is_planned() && start.resume.as_ref().is_some_and(|r| r.checkpoint.id == kept.id);
    let of = |before| if planned { before } else { generation(start.epoch, before) };
    let terminal = TerminalLog::restored(&kept.terminal, of(kept.terminal.generation));
    let shared = Shared::new(start.agent, start.epoch, terminal, Some(workspace));
    if cause != ResumeCause::Fork {
        *shared.journal() = Journal::restored(&kept.journal, of(kept.journal.generation), !planned);
        *shared.inputs() = Inputs::restored(&kept.inputs);
    }
    shared
}

/// A parked agent's parts go on with their sockets; what they show is what the checkpoint says.
fn adopt(
    shared: Arc<Shared>,
    parked_at: CheckpointId,
    start: &Start,
    workspace: Workspace,
    restored: Option<&Restored>,
) -> Arc<Shared> {
    shared.set_epoch(start.epoch);
    shared.set_workspace(Some(workspace));
    if restored.is_none_or(|restored| restored.at.id != parked_at) {
        let kept = restored.map(|restored| &restored.checkpoint);
        let generation = generation(start.epoch, shared.terminal().generation());
        shared.rewind(kept, generation);
        if let Some(kept) = kept {
            *shared.inputs() = Inputs::restored(&kept.inputs);
        }
    }
    shared.set_live(Live { status: Status::Resuming, reason: None, detail: None, moved: false });
    shared
}

fn fresh(dir: &Path, quota: Quota) -> Result<Workspace, WorkspaceError> {
    persist::remove(dir)?;
    persist::create(dir)?;
    Workspace::open(dir, quota)
}

fn failed(error: &dyn std::error::Error) -> Refusal {
    refused(RefusalCode::Internal, format!("cannot prepare the workspace: {}", crate::link::chain(error)))
}

fn of_workspace(error: &WorkspaceError) -> Refusal {
    match error {
        // Another host may have room.
        WorkspaceError::Disk(disk) if disk.raw_os_error() == Some(EMFILE) => {
            refused(RefusalCode::Full, "no file descriptors are left")
        }
        _ => failed(error),
    }
}

/// Why it cannot begin, or go on from a checkpoint.
struct Unfit {
    refusal: Refusal,
    /// What was read is not what was stored.
    damage: bool,
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, damage: false }
    }
}

impl From<restore::RestoreError> for Unfit {
    fn from(error: restore::RestoreError) -> Self {
        Self { refusal: error.refusal(), damage: error.is_damage() }
    }
}

impl Unfit {
    /// Whether it is the checkpoint's fault.
    fn is_checkpoint(&self) -> bool {
        self.refusal.code == RefusalCode::BadCheckpoint
    }

    /// When there is no other checkpoint. Damage alone is no reason to give up the last: it is tried again until
    /// somebody decides.
    fn last(mut self) -> Refusal {
        if self.damage {
            self.refusal.code = RefusalCode::StoreUnavailable;
        }
        self.refusal
    }
}

fn of_tree(error: &TreeError) -> Unfit {
    match error {
        TreeError::Invalid(_) => refused(RefusalCode::BadCheckpoint, crate::link::chain(error)).into(),
        TreeError::Chunks(source) => {
            let source = source.downcast_ref::<DepotError>();
            let passing = source.is_some_and(DepotError::is_temporary);
            let code = if passing { RefusalCode::StoreUnavailable } else { RefusalCode::BadCheckpoint };
            let damage = source.is_some_and(restore::is_damage);
            Unfit { refusal: refused(code, crate::link::chain(error)), damage }
        }
        TreeError::Workspace(error) => of_workspace(error).into(),
    }
}

/// Written where a terminal goes on although the agent begins anew.
const RESTARTED: &[u8] = b"\x1b[2m[the agent was started anew]\x1b[0m\r\n";

async fn already_started(shared: &Shared) -> Result<Reply, Refusal> {
    let mut live = shared.live();
    let starting = |live: &Live| matches!(live.status, Status::Starting | Status::Resuming);
    let now = live.wait_for(|live| !starting(live)).await.map(|live| live.clone());
    match now {
        Ok(Live { status: Status::Running, .. }) => Ok(Reply::Started { checkpoint: None, problem: None }),
        Ok(live) => {
            Err(refused(RefusalCode::Internal, live.detail.unwrap_or_else(|| "it has ended".to_owned())))
        }
        Err(_) => Err(refused(RefusalCode::Internal, "it has ended")),
    }
}
