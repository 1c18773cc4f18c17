//! Every agent of this host, and the one door to them: [`Agents::command`].

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use wire::{
    AgentId, CheckpointId,
    agent::StatusReason,
    host::{Command, Refusal, RefusalCode, Reply, Report, ReportEvent},
};

use crate::{
    agent::{Live, Shared, ask::Ask},
    checkpoints::Services,
    executor::Executor,
    images::Images,
    link::Link,
};

mod end;
mod inbox;
mod park;
mod pressure;
mod remains;
mod start;
mod stop;
mod suspend;

/// Agents that ended but whose screen and log can still be read; the oldest are forgotten first.
const MAX_ENDED: usize = 256;
/// Longest grace of a stop or a suspend.
const MAX_GRACE: Duration = Duration::from_secs(60);

/// How a stop was asked for.
#[derive(Debug, Clone, Copy)]
enum Stopping {
    /// It ends.
    End(StatusReason),
    /// It did not come to rest in time: suspended at its last checkpoint.
    Suspend(StatusReason),
    /// It goes on elsewhere: its sockets are told to come back.
    Release,
}

/// An agent that is here.
#[derive(Debug, Clone)]
struct Entry {
    shared: Arc<Shared>,
    stopping: Arc<Mutex<Option<Stopping>>>,
    asks: mpsc::Sender<Ask>,
    /// It is suspended, its sockets are served from this checkpoint on.
    parked: Option<CheckpointId>,
}

/// What is made once for all agents.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) images: Arc<Images>,
    pub(crate) executor: Executor,
    pub(crate) services: Services,
    /// The API, once it is known.
    pub(crate) link: Arc<std::sync::OnceLock<Arc<Link>>>,
    /// Most agents.
    pub(crate) capacity: u32,
    /// Where their directories are.
    pub(crate) dir: PathBuf,
    /// What happened to them.
    pub(crate) reports: mpsc::UnboundedSender<Report>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Agents {
    means: Means,
    /// One permit for each slot of the engine's pool.
    slots: Arc<Semaphore>,
    cordoned: AtomicBool,
    /// Memory is short: no more agents for now.
    short: AtomicBool,
    entries: Mutex<BTreeMap<AgentId, Entry>>,
    tasks: TaskTracker,
}

fn refused(code: RefusalCode, detail: impl Into<String>) -> Refusal {
    Refusal { code, detail: detail.into() }
}

fn refusal(code: RefusalCode, detail: impl Into<String>) -> Reply {
    Reply::Refused { refusal: refused(code, detail) }
}

impl Agents {
    pub(crate) fn new(means: Means) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(means.capacity as usize)),
            means,
            cordoned: AtomicBool::new(false),
            short: AtomicBool::new(false),
            entries: Mutex::default(),
            tasks: TaskTracker::new(),
        })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<AgentId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn images(&self) -> &Images {
        &self.means.images
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.means.capacity
    }

    /// Agents that hold a slot.
    pub(crate) fn count(&self) -> u32 {
        self.means.capacity.saturating_sub(u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX))
    }

    /// Agents that run or are starting, with their epochs.
    pub(crate) fn live(&self) -> Vec<(AgentId, u64)> {
        let live = |entry: &Entry| entry.parked.is_none() && !entry.shared.live().borrow().is_over();
        self.entries().iter().filter(|(_, e)| live(e)).map(|(id, e)| (*id, e.shared.epoch())).collect()
    }

    /// Suspended agents whose sockets are served here, with their epochs.
    pub(crate) fn parked(&self) -> Vec<(AgentId, u64)> {
        let parked = |(id, entry): (&AgentId, &Entry)| entry.parked.map(|_| (*id, entry.shared.epoch()));
        self.entries().iter().filter_map(parked).collect()
    }

    /// An agent that is here: live, parked, or ended a while ago.
    pub(crate) fn get(&self, id: AgentId) -> Option<Arc<Shared>> {
        self.entries().get(&id).map(|entry| entry.shared.clone())
    }

    /// The agent of a placement, or why there is none.
    fn placed(&self, id: AgentId, epoch: u64) -> Result<Entry, Reply> {
        let entries = self.entries();
        let entry = entries.get(&id).ok_or(Reply::Gone {})?;
        if entry.shared.epoch() != epoch {
            return Err(refusal(RefusalCode::StaleEpoch, format!("epoch {} is here", entry.shared.epoch())));
        }
        Ok(entry.clone())
    }

    /// Does what it is told, or says why not.
    pub(crate) async fn command(self: &Arc<Self>, command: Command) -> Reply {
        match command {
            Command::Start(start) => match self.start(*start).await {
                Ok(started) => started,
                Err(refusal) => Reply::Refused { refusal },
            },
            Command::Stop { agent, epoch, reason, grace_ms, purge } => {
                self.stop(agent, epoch, reason, Duration::from_millis(grace_ms), purge).await
            }
            Command::Inspect { agent } => match self.get(agent) {
                Some(shared) => Reply::Inspected { usage: shared.usage() },
                None => Reply::Gone {},
            },
            Command::Suspend { agent, epoch, reason, grace_ms } => {
                self.suspend(agent, epoch, reason, Duration::from_millis(grace_ms)).await
            }
            Command::Checkpoint { agent, epoch, kind, note, grace_ms } => {
                self.checkpoint(agent, epoch, kind, note, Duration::from_millis(grace_ms)).await
            }
            Command::Upgrade { agent, epoch, image, grace_ms } => {
                self.upgrade(agent, epoch, &image, Duration::from_millis(grace_ms)).await
            }
            Command::Park(park) => self.park(*park).await,
            Command::Unpark { agent, epoch } => self.unpark(agent, epoch),
            Command::Nudge { agent, epoch } => self.nudge(agent, epoch),
            Command::Cordon {} => {
                self.cordon();
                Reply::Done {}
            }
        }
    }

    pub(crate) fn cordon(&self) {
        self.cordoned.store(true, Ordering::SeqCst);
    }

    /// Removes an agent's entry, unless a newer one has taken its place.
    fn forget(&self, shared: &Shared) {
        let mut entries = self.entries();
        if entries.get(&shared.id).is_some_and(|entry| std::ptr::eq(&*entry.shared, shared)) {
            entries.remove(&shared.id);
        }
    }

    fn report(&self, shared: &Shared, event: ReportEvent) {
        // The receiver lives as long as the host serves.
        let _ = self.means.reports.send(Report { agent: shared.id, epoch: shared.epoch(), event });
    }

    fn dir_of(&self, id: AgentId) -> PathBuf {
        self.means.dir.join(id.to_string())
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

/// What is in the place of an agent that goes on elsewhere or later.
fn moved(reason: StatusReason) -> Live {
    Live { status: wire::agent::Status::Pending, reason: Some(reason), detail: None, moved: true }
}
