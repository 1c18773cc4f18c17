//! Every agent of this host, and the one door to them: [`Agents::command`].

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use wire::{
    AgentId,
    agent::{Status, StatusReason},
    host::{Command, Refusal, RefusalCode, Reply, Report, ReportEvent, Start},
    log::{Level, Source},
};

use crate::{
    agent::{Live, Shared, driver, driver::Ending},
    bindings::agent::openclaw::agent::types as wit,
    engine::MAX_MEMORY_BYTES,
    executor::Executor,
    images::Images,
    persist,
    terminal::log::{Size, TerminalLog},
    workspace::{Quota, Workspace, WorkspaceError},
};

/// Agents that ended but whose screen and log can still be read; the oldest are forgotten first.
const MAX_ENDED: usize = 256;
/// Files and directories of a workspace for each MiB it may have.
const FILES_PER_MIB: u64 = 256;
/// "Too many open files", errno(3).
const EMFILE: i32 = 24;
/// Longest grace of a stop.
const MAX_GRACE: Duration = Duration::from_secs(60);

/// How a stop was asked for.
#[derive(Debug, Clone, Copy)]
struct Stopping {
    reason: StatusReason,
    /// It goes on later: its screen is kept, and its sockets are told to come back.
    release: bool,
}

#[derive(Debug)]
struct Entry {
    shared: Arc<Shared>,
    stopping: Arc<Mutex<Option<Stopping>>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Agents {
    images: Images,
    executor: Executor,
    /// One permit for each slot of the engine's pool.
    slots: Arc<Semaphore>,
    capacity: u32,
    dir: PathBuf,
    cordoned: AtomicBool,
    entries: Mutex<BTreeMap<AgentId, Entry>>,
    reports: mpsc::UnboundedSender<Report>,
    tasks: TaskTracker,
}

fn refused(code: RefusalCode, detail: impl Into<String>) -> Refusal {
    Refusal { code, detail: detail.into() }
}

impl Agents {
    pub(crate) fn new(
        images: Images,
        executor: Executor,
        capacity: u32,
        dir: PathBuf,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Arc<Self> {
        Arc::new(Self {
            images,
            executor,
            slots: Arc::new(Semaphore::new(capacity as usize)),
            capacity,
            dir,
            cordoned: AtomicBool::new(false),
            entries: Mutex::default(),
            reports,
            tasks: TaskTracker::new(),
        })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<AgentId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Agents that hold a slot.
    pub(crate) fn count(&self) -> u32 {
        self.capacity.saturating_sub(u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX))
    }

    /// Agents that are not over, with their epochs.
    pub(crate) fn live(&self) -> Vec<(AgentId, u64)> {
        let over = |entry: &Entry| entry.shared.live().borrow().is_over();
        self.entries().iter().filter(|(_, e)| !over(e)).map(|(id, e)| (*id, e.shared.epoch())).collect()
    }

    /// An agent that is here, live or ended a while ago.
    pub(crate) fn get(&self, id: AgentId) -> Option<Arc<Shared>> {
        self.entries().get(&id).map(|entry| entry.shared.clone())
    }

    /// Does what it is told, or says why not.
    pub(crate) async fn command(self: &Arc<Self>, command: Command) -> Reply {
        match command {
            Command::Start(start) => match self.start(*start).await {
                Ok(()) => Reply::Started { checkpoint: None, problem: None },
                Err(refusal) => Reply::Refused { refusal },
            },
            Command::Stop { agent, epoch, reason, grace_ms, purge } => {
                self.stop(agent, epoch, reason, Duration::from_millis(grace_ms), purge).await
            }
            Command::Inspect { agent } => match self.get(agent) {
                Some(shared) => Reply::Inspected { usage: shared.usage() },
                None => Reply::Gone {},
            },
            Command::Suspend { .. }
            | Command::Checkpoint { .. }
            | Command::Park(_)
            | Command::Unpark { .. }
            | Command::Nudge { .. }
            | Command::Upgrade { .. } => Reply::Refused {
                refusal: refused(RefusalCode::NotSuspendable, "no agent of this host can be checkpointed"),
            },
            Command::Cordon {} => {
                self.cordon();
                Reply::Done {}
            }
        }
    }

    pub(crate) fn cordon(&self) {
        self.cordoned.store(true, Ordering::SeqCst);
    }

    async fn start(self: &Arc<Self>, start: Start) -> Result<(), Refusal> {
        let span =
            tracing::info_span!("start", agent = %start.agent, tenant = %start.tenant, epoch = start.epoch);
        let (started, answer) = oneshot::channel();
        match self.begin(start, started).instrument(span.clone()).await? {
            Begun::Already(shared) => already_started(&shared).await,
            Begun::Now => {
                let broken = || refused(RefusalCode::Internal, "its task ended before it started");
                answer.instrument(span).await.map_err(|_| broken())?
            }
        }
    }

    /// Checks and reserves everything, then hands the agent to its task.
    async fn begin(
        self: &Arc<Self>,
        start: Start,
        started: oneshot::Sender<Result<(), Refusal>>,
    ) -> Result<Begun, Refusal> {
        if self.cordoned.load(Ordering::SeqCst) {
            return Err(refused(RefusalCode::Cordoned, "the host takes no more agents"));
        }
        let max_mib = (MAX_MEMORY_BYTES >> 20) as u64;
        if start.limits.memory_mib == 0 || u64::from(start.limits.memory_mib) > max_mib {
            return Err(refused(
                RefusalCode::Limits,
                format!("memory_mib must be 1 to {max_mib} on this host"),
            ));
        }
        let unknown = || refused(RefusalCode::UnknownImage, format!("no image {} on this host", start.image));
        let image = self.images.get(&start.image).ok_or_else(unknown)?;
        if let Some(shared) = self.present(&start).await? {
            return Ok(Begun::Already(shared));
        }
        let full = |_| refused(RefusalCode::Full, format!("all {} slots are taken", self.capacity));
        let slot = self.slots.clone().try_acquire_owned().map_err(full)?;
        let dir = self.dir.join(start.agent.to_string());
        let quota = Quota {
            bytes: u64::from(start.limits.disk_mib) << 20,
            files: u64::from(start.limits.disk_mib) * FILES_PER_MIB,
        };
        let prepared = tokio::task::spawn_blocking(move || {
            let kept = persist::take(&dir);
            persist::create(&dir).map(|()| (kept, Workspace::open(&dir, quota), dir))
        });
        let failed = |error: &dyn std::error::Error| {
            refused(RefusalCode::Internal, format!("cannot prepare the workspace: {error}"))
        };
        let (kept, workspace, dir) = prepared.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        let workspace = workspace.map_err(|error| match &error {
            // Another host may have room.
            WorkspaceError::Disk(disk) if disk.raw_os_error() == Some(EMFILE) => {
                refused(RefusalCode::Full, "no file descriptors are left")
            }
            _ => failed(&error),
        })?;
        let size = start.size.map_or(Size::DEFAULT, |(cols, rows)| Size::clamped(cols, rows));
        let terminal = match kept.filter(|_| start.restart) {
            Some(kept) => TerminalLog::restore(&kept),
            None => TerminalLog::new(size),
        };
        let shared = Shared::new(start.agent, start.epoch, terminal, workspace);
        if start.restart {
            shared.output(RESTARTED);
        }
        let stopping = Arc::new(Mutex::new(None));
        {
            let mut entries = self.entries();
            // Asked again under the lock: a drain cordons first and then takes the lock, so what gets in here
            // is seen by it.
            if self.cordoned.load(Ordering::SeqCst) {
                if start.restart {
                    let kept = shared.terminal().keep();
                    if let Err(error) = persist::keep(&dir, &kept) {
                        tracing::warn!(%error, "the screen is not kept");
                    }
                }
                return Err(refused(RefusalCode::Cordoned, "the host takes no more agents"));
            }
            if let Some(other) = entries.get(&start.agent)
                && !other.shared.live().borrow().is_over()
            {
                return Err(refused(RefusalCode::StaleEpoch, "another start of the agent came first"));
            }
            forget_oldest(&mut entries);
            entries.insert(start.agent, Entry { shared: shared.clone(), stopping: stopping.clone() });
        }
        self.run(start, shared, image, stopping, slot, started);
        Ok(Begun::Now)
    }

    /// What is here under the same id: the same epoch is the same start; an older one is over and is ended.
    async fn present(self: &Arc<Self>, start: &Start) -> Result<Option<Arc<Shared>>, Refusal> {
        let Some(shared) = self.get(start.agent) else { return Ok(None) };
        if shared.epoch() == start.epoch {
            return Ok(Some(shared));
        }
        if shared.live().borrow().is_over() {
            return Ok(None);
        }
        if shared.epoch() > start.epoch {
            return Err(refused(RefusalCode::StaleEpoch, format!("epoch {} is here", shared.epoch())));
        }
        self.stop(start.agent, shared.epoch(), StatusReason::HostDrain, Duration::ZERO, false).await;
        Ok(None)
    }

    fn run(
        self: &Arc<Self>,
        start: Start,
        shared: Arc<Shared>,
        image: Arc<crate::images::Image>,
        stopping: Arc<Mutex<Option<Stopping>>>,
        slot: OwnedSemaphorePermit,
        started: oneshot::Sender<Result<(), Refusal>>,
    ) {
        let (agents, restart) = (self.clone(), start.restart);
        let (answer, answered) = oneshot::channel();
        let drive = driver::drive(shared.clone(), image, start, answer);
        let task = self.executor.spawn(AssertUnwindSafe(drive).catch_unwind());
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
                    Some(Stopping { release: true, .. }) => refused(RefusalCode::Cordoned, "the host stops"),
                    _ => refusal,
                };
                agents.never_started(&shared, &refusal, restart).await;
                drop(slot);
                let _ = started.send(Err(refusal));
                return;
            }
            let _ = started.send(Ok(()));
            let ending = task.await.unwrap_or_else(|_| {
                let detail = "the host panicked while it ran the agent".to_owned();
                Some(Ending { status: Status::Failed, reason: StatusReason::GuestTrap, detail })
            });
            let over = AssertUnwindSafe(agents.ended(&shared, &stopping, ending)).catch_unwind().await;
            if over.is_err() {
                // Whoever waits for its end must not wait for ever.
                let detail = Some("the host panicked while it ended the agent".to_owned());
                shared.set_live(Live { status: Status::Failed, reason: None, detail, moved: false });
            }
            drop(slot);
        };
        self.tasks.spawn(supervise.instrument(span));
    }

    async fn never_started(&self, shared: &Shared, refusal: &Refusal, restart: bool) {
        tracing::warn!(code = ?refusal.code, detail = %refusal.detail, "agent did not start");
        shared.mailbox.close();
        let detail = Some(refusal.detail.clone());
        // Until it is over nothing else starts under this id, so what is removed here is its own.
        if !restart {
            self.purge(shared.id).await;
        }
        self.forget(shared);
        shared.set_live(Live { status: Status::Failed, reason: None, detail, moved: false });
    }

    /// Removes an agent's entry, unless a newer one has taken its place.
    fn forget(&self, shared: &Shared) {
        let mut entries = self.entries();
        if entries.get(&shared.id).is_some_and(|entry| std::ptr::eq(&*entry.shared, shared)) {
            entries.remove(&shared.id);
        }
    }

    async fn ended(&self, shared: &Shared, stopping: &Mutex<Option<Stopping>>, ending: Option<Ending>) {
        shared.mailbox.close();
        let asked = *stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let live = match (asked, ending) {
            (Some(Stopping { release: true, reason }), _) => {
                let kept = shared.terminal().keep();
                let dir = self.dir.join(shared.id.to_string());
                let written = tokio::task::spawn_blocking(move || persist::keep(&dir, &kept)).await;
                if let Ok(Err(error)) = written {
                    tracing::warn!(%error, "the screen is not kept");
                }
                self.report(shared, ReportEvent::Released {});
                Live { status: Status::Pending, reason: Some(reason), detail: None, moved: true }
            }
            (Some(Stopping { reason, .. }), _) => {
                Live { status: Status::Terminated, reason: Some(reason), detail: None, moved: false }
            }
            (None, Some(Ending { status, reason, detail })) => {
                tracing::warn!(?reason, %detail, "agent ended");
                shared.output(epitaph(reason, &detail).as_bytes());
                shared.note(Level::Error, Source::Host, format!("the agent ended: {detail}"), vec![]);
                self.report(shared, ReportEvent::Ended { status, reason, detail: detail.clone() });
                Live { status, reason: Some(reason), detail: Some(detail), moved: false }
            }
            (None, None) => {
                let detail = "its task was ended".to_owned();
                Live { status: Status::Failed, reason: None, detail: Some(detail), moved: false }
            }
        };
        shared.set_live(live);
    }

    fn report(&self, shared: &Shared, event: ReportEvent) {
        // The receiver lives as long as the host serves.
        let _ = self.reports.send(Report { agent: shared.id, epoch: shared.epoch(), event });
    }

    async fn stop(
        &self,
        id: AgentId,
        epoch: u64,
        reason: StatusReason,
        grace: Duration,
        purge: bool,
    ) -> Reply {
        let found = self.entries().get(&id).map(|entry| (entry.shared.clone(), entry.stopping.clone()));
        let reply = match found {
            None => Reply::Gone {},
            Some((shared, _)) if shared.epoch() != epoch => {
                let detail = format!("epoch {} is here", shared.epoch());
                return Reply::Refused { refusal: refused(RefusalCode::StaleEpoch, detail) };
            }
            Some((shared, stopping)) => {
                self.end(&shared, &stopping, Stopping { reason, release: false }, grace).await;
                self.forget(&shared);
                Reply::Stopped {}
            }
        };
        if purge {
            self.purge(id).await;
        }
        reply
    }

    /// Lets an agent come to rest within `grace`, ends it, and waits until it is over.
    async fn end(&self, shared: &Shared, stopping: &Mutex<Option<Stopping>>, how: Stopping, grace: Duration) {
        stopping.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(how);
        let mut live = shared.live();
        if !grace.is_zero() && !live.borrow().is_over() {
            let grace = grace.min(MAX_GRACE);
            let reason = if how.release { wit::StopReason::HostDrain } else { wit::StopReason::UserRequest };
            let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            shared.mailbox.stop(wit::Stop { reason, grace_ms });
            // Not within its grace: ended all the same.
            let _ = tokio::time::timeout(grace, live.wait_for(Live::is_over)).await;
        }
        shared.kill.cancel();
        // Its sender lives in `shared`, so this ends only when the agent is over.
        let _ = live.wait_for(Live::is_over).await;
    }

    async fn purge(&self, id: AgentId) {
        let dir = self.dir.join(id.to_string());
        let removed = tokio::task::spawn_blocking(move || persist::remove(&dir)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(agent = %id, %error, "the workspace is not removed");
        }
    }

    /// Gives up every agent: each comes to rest, keeps its files and screen, and can be placed again.
    pub(crate) async fn release_all(&self, grace: Duration) {
        self.cordon();
        let all: Vec<_> = self.entries().values().map(|e| (e.shared.clone(), e.stopping.clone())).collect();
        let how = Stopping { reason: StatusReason::HostDrain, release: true };
        futures_util::future::join_all(
            all.iter().map(|(shared, stopping)| self.end(shared, stopping, how, grace)),
        )
        .await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends agents that belong to somebody else now, keeping nothing.
    pub(crate) async fn drop_agents(&self, placements: &[(AgentId, u64)]) {
        for (id, epoch) in placements {
            // A placement that came meanwhile has another epoch, and stays.
            self.stop(*id, *epoch, StatusReason::HostLost, Duration::ZERO, false).await;
        }
    }
}

enum Begun {
    Now,
    Already(Arc<Shared>),
}

/// Written where a terminal goes on after a planned stop of its host.
const RESTARTED: &[u8] =
    b"\r\n\x1b[2m[the host was restarted: files are as they were, programs start anew]\x1b[0m\r\n";

fn epitaph(reason: StatusReason, detail: &str) -> String {
    let what = match reason {
        StatusReason::OutOfMemory => "out of memory",
        StatusReason::PolicyDenied => "stopped by its limits",
        _ => "trapped",
    };
    let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
    format!("\r\n\x1b[0;31m[agent ended: {what}: {detail}]\x1b[0m\r\n")
}

async fn already_started(shared: &Shared) -> Result<(), Refusal> {
    let mut live = shared.live();
    let now = live.wait_for(|live| live.status != Status::Starting).await.map(|live| live.clone());
    match now {
        Ok(Live { status: Status::Running, .. }) => Ok(()),
        Ok(live) => {
            Err(refused(RefusalCode::Internal, live.detail.unwrap_or_else(|| "it has ended".to_owned())))
        }
        Err(_) => Err(refused(RefusalCode::Internal, "it has ended")),
    }
}

fn forget_oldest(entries: &mut BTreeMap<AgentId, Entry>) {
    let over: Vec<AgentId> = entries
        .iter()
        .filter(|(_, entry)| entry.shared.live().borrow().is_over())
        .map(|(id, _)| *id)
        .collect();
    for id in over.iter().take(over.len().saturating_sub(MAX_ENDED)) {
        entries.remove(id);
    }
}
