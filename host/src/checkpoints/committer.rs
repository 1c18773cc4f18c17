//! From captured agents to durable checkpoints: stores what is new in one pack for all that wait, then has the API
//! record the checkpoints together with what becomes of their agents. Nothing counts before that.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use checkpoint::{ChunkRef, manifest};
use depot::Depot;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use points::{Point, reach};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    AgentId, CheckpointId, PackId,
    checkpoint::{CheckpointKind, CheckpointRef},
    host::{Commit, CommitRefusal, Committed, MAX_COMMITS, Then},
};

use super::{
    capture::{FilesAt, Snapshot},
    encode,
    index::Index,
};
use crate::link::{Link, LinkError};

/// How long a checkpoint that nobody waits for may wait for others to share its pack.
const LINGER: Duration = Duration::from_secs(2);
/// Packs that are written at the same time.
const IN_FLIGHT: usize = 3;
/// Packs of one of them that are.
const PUTS: usize = 2;
/// Captured bytes that may wait or be written, in units of [`UNIT`].
const BUDGET: u32 = 64 * 1024;
/// 4 KiB: with [`BUDGET`] 256 MiB.
const UNIT: usize = 4096;
/// How long a recording is tried when its agents go on meanwhile.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries.
const RETRY: Duration = Duration::from_millis(250);

/// What is to be committed for one agent.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) agent: AgentId,
    pub(crate) epoch: u64,
    /// `None`: the last checkpoint counts.
    pub(crate) snapshot: Option<Box<Snapshot>>,
    pub(crate) parent: Option<CheckpointId>,
    pub(crate) kind: CheckpointKind,
    pub(crate) note: Option<String>,
    pub(crate) then: Then,
    pub(crate) wake_at: Option<Timestamp>,
    /// What the agent did since its last checkpoint is undone.
    pub(crate) undone: bool,
    /// Somebody waits: it is written at once, and takes along what lingers.
    pub(crate) urgent: bool,
    /// Somebody asked for it, and may begin an agent from it in a moment.
    pub(crate) asked: bool,
}

/// What counts now.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Time on a core that storing it took.
    pub(crate) cost: Duration,
    /// A checkpoint; `None` when the last one counts.
    pub(crate) kept: Option<Kept>,
}

/// A checkpoint that counts.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Where it is.
    pub(crate) at: CheckpointRef,
    /// Where its files are.
    pub(crate) files: FilesAt,
    /// Its files, where they were captured anew.
    pub(crate) tree: Option<manifest::Tree<ChunkRef>>,
    /// Its terminal.
    pub(crate) terminal: manifest::Terminal<ChunkRef>,
    /// Its log.
    pub(crate) journal: manifest::Journal<ChunkRef>,
    /// Its input sessions.
    pub(crate) inputs: manifest::Inputs,
}

/// Why a checkpoint does not count.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CommitError {
    /// The object store or the API did not take it.
    #[error("{0}")]
    Unavailable(String),
    /// The agent is somebody else's now.
    #[error("another placement of the agent counts")]
    Stale,
    /// The agent's record does not allow it now.
    #[error("the agent's record changed meanwhile")]
    Conflict,
    /// What it refers to is gone: it has to be captured again.
    #[error("chunks it shares are gone")]
    Again,
}

type Answer = oneshot::Sender<Result<Stored, CommitError>>;

pub(super) struct Queued {
    pub(super) job: Job,
    _budget: Option<OwnedSemaphorePermit>,
    answer: Answer,
}

/// What shares a pack.
type Batch = BTreeMap<AgentId, Queued>;

/// Takes jobs.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    jobs: mpsc::Sender<Queued>,
    budget: Arc<Semaphore>,
}

/// The other end of a [`Committer`]; [`Worker::run`] does the work.
pub(crate) struct Worker {
    jobs: mpsc::Receiver<Queued>,
    /// A second job of an agent in the last batch. A batch has one of each agent, so that answers are told apart.
    held: Option<Queued>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Committer {
    pub(crate) fn new() -> (Self, Worker) {
        let (send, jobs) = mpsc::channel(MAX_COMMITS);
        (Self { jobs: send, budget: Arc::new(Semaphore::new(BUDGET as usize)) }, Worker { jobs, held: None })
    }

    /// Waits until the job is queued, and answers where its result will be.
    pub(crate) async fn submit(&self, job: Job) -> oneshot::Receiver<Result<Stored, CommitError>> {
        let (answer, answered) = oneshot::channel();
        let bytes = job.snapshot.as_ref().map_or(0, |snapshot| snapshot.new_bytes());
        // One that is larger than everything goes alone.
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(BUDGET);
        let budget = match units {
            0 => None,
            units => self.budget.clone().acquire_many_owned(units).await.ok(),
        };
        // Without a worker the answer is dropped, which its receiver takes for a refusal.
        let _ = self.jobs.send(Queued { job, _budget: budget, answer }).await;
        answered
    }
}

/// What the work needs.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    pub(crate) depot: Depot,
    pub(crate) link: Arc<Link>,
    pub(crate) index: Arc<Index>,
    /// Nobody waits any more.
    pub(crate) abandon: CancellationToken,
}

impl Worker {
    /// Works until every [`Committer`] is gone and everything is written.
    pub(crate) async fn run(mut self, means: Means) {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
        let flushes = TaskTracker::new();
        while let Some(batch) = self.batch().await {
            let Ok(slot) = in_flight.clone().acquire_owned().await else { break };
            let means = means.clone();
            flushes.spawn(async move {
                flush(batch, &means).await;
                drop(slot);
            });
        }
        flushes.close();
        flushes.wait().await;
    }

    /// What is to share a pack; `None` when nothing will come any more.
    async fn batch(&mut self) -> Option<Batch> {
        let first = match self.held.take() {
            Some(held) => held,
            None => self.jobs.recv().await?,
        };
        let mut batch = BTreeMap::from([(first.job.agent, first)]);
        let until = Instant::now() + LINGER;
        loop {
            while batch.len() < MAX_COMMITS
                && self.held.is_none()
                && let Ok(next) = self.jobs.try_recv()
            {
                self.take(&mut batch, next);
            }
            let full = batch.len() >= MAX_COMMITS || self.held.is_some();
            if full || batch.values().any(|queued| queued.job.urgent) {
                return Some(batch);
            }
            match tokio::time::timeout_at(until, self.jobs.recv()).await {
                Ok(Some(next)) => self.take(&mut batch, next),
                Ok(None) | Err(_) => return Some(batch),
            }
        }
    }

    fn take(&mut self, batch: &mut Batch, next: Queued) {
        match batch.entry(next.job.agent) {
            Entry::Vacant(free) => {
                free.insert(next);
            }
            Entry::Occupied(_) => self.held = Some(next),
        }
    }
}

async fn flush(batch: Batch, means: &Means) {
    let index = means.index.clone();
    let (mut answers, jobs): (BTreeMap<_, _>, Vec<_>) = batch
        .into_iter()
        .map(|(agent, queued)| ((agent, (queued.answer, queued._budget)), queued.job))
        .unzip();
    let encoded = tokio::task::spawn_blocking(move || encode::encode(jobs, index)).await;
    let mut tell = |agent: AgentId, result| {
        if let Some((answer, _)) = answers.remove(&agent) {
            // Its agent is gone: nobody needs to know.
            let _ = answer.send(result);
        }
    };
    let Ok(encoded) = encoded else {
        tracing::error!("encoding checkpoints panicked");
        return;
    };
    for (agent, why) in encoded.failed {
        tell(agent, Err(CommitError::Unavailable(why)));
    }
    let all: Vec<_> = encoded.done.iter().map(|done| done.commit.agent).collect();
    let mut written = encoded.spilled;
    reach(Point::BeforePacks, all.iter().copied()).await;
    written.extend(encoded.packs.iter().map(|pack| (pack.id, pack.bytes.len() as u64)));
    let mut puts = stream::iter(encoded.packs).map(|pack| means.depot.put(pack)).buffer_unordered(PUTS);
    while let Some(put) = puts.next().await {
        if let Err(error) = put {
            let why = format!("the object store did not take the checkpoint: {}", crate::link::chain(&error));
            tracing::warn!(agents = all.len(), %why, "checkpoints are not stored");
            all.iter().for_each(|agent| tell(*agent, Err(CommitError::Unavailable(why.clone()))));
            return;
        }
    }
    means.depot.keep(&encoded.kept);
    let lasts = encoded.done.iter().filter(|done| done.commit.then != Then::Run {});
    reach(Point::AfterLastPacks, lasts.map(|done| done.commit.agent)).await;
    reach(Point::AfterPacks, all.iter().copied()).await;
    let commits = encoded.done.iter().map(|done| done.commit.clone()).collect();
    let committed = match record(means, written, commits).await {
        Ok(committed) => committed,
        Err(error) => {
            let why = format!("the API did not record the checkpoint: {}", crate::link::chain(&error));
            tracing::warn!(agents = all.len(), %why, "checkpoints are not recorded");
            all.iter().for_each(|agent| tell(*agent, Err(CommitError::Unavailable(why.clone()))));
            return;
        }
    };
    reach(Point::Answered, all.iter().copied()).await;
    means.index.remember(encoded.chunks);
    let mut refused: BTreeMap<_, _> = committed.refused.into_iter().map(|r| (r.agent, r.why)).collect();
    for done in encoded.done {
        let agent = done.commit.agent;
        let result = match refused.remove(&agent) {
            None => Ok(done.stored),
            Some(CommitRefusal::Stale {}) => Err(CommitError::Stale),
            Some(CommitRefusal::Conflict {}) => Err(CommitError::Conflict),
            Some(CommitRefusal::PacksGone { packs }) => {
                means.index.forget(&packs);
                Err(CommitError::Again)
            }
        };
        tell(agent, result);
    }
}

/// Has commits recorded. An unknown outcome may not stay one where an agent is given up by it: then it is tried until
/// the API answers.
async fn record(
    means: &Means,
    packs: Vec<(PackId, u64)>,
    commits: Vec<Commit>,
) -> Result<Committed, LinkError> {
    let given_up = commits.iter().any(|commit| commit.then != Then::Run {});
    let until = Instant::now() + PATIENCE;
    loop {
        let error = match means.link.commit(packs.clone(), commits.clone()).await {
            Ok(committed) => return Ok(committed),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => error,
        };
        if !given_up && Instant::now() >= until {
            return Err(error);
        }
        tokio::select! {
            () = means.abandon.cancelled() => return Err(error),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// A commit that is ready to be recorded.
pub(super) struct Done {
    pub(super) commit: Commit,
    pub(super) stored: Stored,
}

/// What [`encode::encode`] made of jobs.
#[derive(Default)]
pub(super) struct Encoded {
    pub(super) packs: Vec<checkpoint::pack::Pack>,
    /// Packs that are written already.
    pub(super) spilled: Vec<(PackId, u64)>,
    pub(super) done: Vec<Done>,
    pub(super) failed: Vec<(AgentId, String)>,
    /// New chunks, to be remembered once they are stored.
    pub(super) chunks: Vec<ChunkRef>,
    /// Those of them that are read again soon, with their bytes.
    pub(super) kept: Vec<(ChunkRef, Bytes)>,
}
