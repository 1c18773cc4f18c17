//! One agent: what its task, its sockets and its API commands share, and the task itself.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use checkpoint::manifest;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::{
    AgentId,
    agent::{Status, StatusReason},
    log::{Level, Source},
};

use crate::{
    journal::Journal,
    terminal::{
        inputs::Inputs,
        log::{PIECE_BYTES, Size, TerminalLog},
    },
    workspace::Workspace,
};

pub(crate) mod ask;
mod capture;
pub(crate) mod command;
pub(crate) mod driver;
pub(crate) mod limiter;
pub(crate) mod mailbox;
pub(crate) mod operations;
pub(crate) mod pace;
pub(crate) mod state;

/// How a live agent is, as its sockets see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) status: Status,
    pub(crate) reason: Option<StatusReason>,
    pub(crate) detail: Option<String>,
    /// It goes on elsewhere or later: sockets are told to come back instead of that it ended.
    pub(crate) moved: bool,
}

impl Live {
    pub(crate) fn is_over(&self) -> bool {
        self.moved || self.status.is_final()
    }

    /// Whether its task has ended: it is over, or suspended and parked.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_over() || self.status == Status::Suspended
    }
}

/// Sockets on an agent, by role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) operators: u32,
    pub(crate) viewers: u32,
}

/// Meters the task writes and everybody reads.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) fuel: AtomicU64,
    pub(crate) memory_bytes: AtomicU64,
    pub(crate) output_bytes: AtomicU64,
    pub(crate) events: AtomicU64,
    /// Fuel of standard output and error since it was last settled.
    pub(crate) stdio: AtomicU64,
    pub(crate) first_output_us: AtomicU64,
    /// When its instantiation began.
    pub(crate) begun: OnceLock<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: AgentId,
    /// Of its placement; a parked agent is placed again in place.
    epoch: AtomicU64,
    pub(crate) mailbox: mailbox::Mailbox,
    /// None while it is parked.
    workspace: Mutex<Option<Workspace>>,
    /// Which of its lives this is.
    timeline: AtomicU64,
    /// Who reads its inbox.
    pub(crate) pulls: Pulls,
    /// Its last checkpoint that counts.
    rests_at: Mutex<Option<wire::CheckpointId>>,
    /// When its last event ended.
    last_event: Mutex<Instant>,
    /// Counts requests that are lost when it is suspended, and have to be made again.
    asks: Arc<()>,
    pub(crate) meters: Meters,
    /// Ctrl-C was typed since the present event began.
    pub(crate) interrupted: AtomicBool,
    /// Ends the task at its next slice.
    pub(crate) kill: CancellationToken,
    /// Whether it is checkpointed: then input is durable when a checkpoint holds it, else when it was handled.
    suspendable: AtomicBool,
    /// Told when something waits for it that a suspended agent is brought back for.
    wanted: Notify,
    terminal: Mutex<TerminalLog>,
    journal: Mutex<Journal>,
    inputs: Mutex<Inputs>,
    /// Counts changes of terminal, journal and applied input: sockets wait for it to differ.
    changes: watch::Sender<u64>,
    live: watch::Sender<Live>,
    presence: watch::Sender<Presence>,
    /// Size as sockets are told.
    size: watch::Sender<Size>,
    /// The socket that typed last and sets the size; 0 while there is none.
    typist: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded sections only move bytes; a panic in one leaves no half-made state worth refusing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(
        id: AgentId,
        epoch: u64,
        terminal: TerminalLog,
        workspace: Option<Workspace>,
    ) -> Arc<Self> {
        let starting = Live { status: Status::Starting, reason: None, detail: None, moved: false };
        let size = terminal.size();
        Arc::new(Self {
            id,
            epoch: AtomicU64::new(epoch),
            mailbox: mailbox::Mailbox::default(),
            workspace: Mutex::new(workspace),
            timeline: AtomicU64::new(0),
            pulls: Pulls::default(),
            rests_at: Mutex::default(),
            last_event: Mutex::new(Instant::now()),
            asks: Arc::new(()),
            meters: Meters::default(),
            interrupted: AtomicBool::new(false),
            kill: CancellationToken::new(),
            suspendable: AtomicBool::new(false),
            wanted: Notify::new(),
            terminal: Mutex::new(terminal),
            journal: Mutex::new(Journal::default()),
            inputs: Mutex::new(Inputs::default()),
            changes: watch::Sender::new(0),
            live: watch::Sender::new(starting),
            presence: watch::Sender::new(Presence::default()),
            size: watch::Sender::new(size),
            typist: AtomicU64::new(0),
        })
    }

    /// Its files; none while it is parked.
    pub(crate) fn workspace(&self) -> Option<Workspace> {
        lock(&self.workspace).clone()
    }

    pub(crate) fn set_workspace(&self, workspace: Option<Workspace>) {
        *lock(&self.workspace) = workspace;
    }

    pub(crate) fn timeline(&self) -> u64 {
        self.timeline.load(Ordering::Relaxed)
    }

    pub(crate) fn set_timeline(&self, timeline: u64) {
        self.timeline.store(timeline, Ordering::Relaxed);
    }

    pub(crate) fn is_suspendable(&self) -> bool {
        self.suspendable.load(Ordering::Relaxed)
    }

    pub(crate) fn set_suspendable(&self, suspendable: bool) {
        self.suspendable.store(suspendable, Ordering::Relaxed);
    }

    /// Its last checkpoint that counts.
    pub(crate) fn rests_at(&self) -> Option<wire::CheckpointId> {
        *lock(&self.rests_at)
    }

    pub(crate) fn set_rests_at(&self, checkpoint: wire::CheckpointId) {
        *lock(&self.rests_at) = Some(checkpoint);
    }

    /// An event ended.
    pub(crate) fn was_busy(&self) {
        *lock(&self.last_event) = Instant::now();
    }

    /// How long ago its last event ended.
    pub(crate) fn idle_for(&self) -> std::time::Duration {
        lock(&self.last_event).elapsed()
    }

    /// A request is on its way until this is dropped.
    pub(crate) fn asking(&self) -> Arc<()> {
        self.asks.clone()
    }

    /// Whether a request is on its way that would be made again after a suspend.
    pub(crate) fn is_asking(&self) -> bool {
        Arc::strong_count(&self.asks) > 1
    }

    /// Whether a socket is on it.
    pub(crate) fn is_watched(&self) -> bool {
        let present = *self.presence.borrow();
        present.operators + present.viewers > 0
    }

    /// Resolves when something waits for it that a suspended agent is brought back for.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// What came after a checkpoint is undone: the terminal shows what it showed then, or nothing.
    pub(crate) fn rewind(&self, kept: Option<&checkpoint::Checkpoint<bytes::Bytes>>, generation: u64) {
        match kept {
            Some(kept) => {
                self.terminal().rewind(&kept.terminal, generation);
                self.inputs().rolled_back(&kept.inputs);
            }
            None => {
                let empty = manifest::Tail { from: 0, segments: Vec::new(), rest: bytes::Bytes::new() };
                let mut terminal = self.terminal();
                let Size { cols, rows } = terminal.size();
                let blank = manifest::Terminal {
                    generation,
                    head: 0,
                    cols,
                    rows,
                    screen: bytes::Bytes::new(),
                    screen_at: 0,
                    tail: empty,
                };
                terminal.rewind(&blank, generation);
                drop(terminal);
                self.inputs().rolled_back(&manifest::Inputs::default());
            }
        }
        self.changed();
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(crate) fn terminal(&self) -> MutexGuard<'_, TerminalLog> {
        lock(&self.terminal)
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    pub(crate) fn inputs(&self) -> MutexGuard<'_, Inputs> {
        lock(&self.inputs)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn live(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
    }

    pub(crate) fn presence(&self) -> watch::Receiver<Presence> {
        self.presence.subscribe()
    }

    pub(crate) fn size(&self) -> watch::Receiver<Size> {
        self.size.subscribe()
    }

    pub(crate) fn set_presence(&self, change: impl FnOnce(&mut Presence)) {
        self.presence.send_modify(change);
    }

    pub(crate) fn set_live(&self, live: Live) {
        self.live.send_replace(live);
        self.want();
    }

    /// Asks for a suspended agent to be brought back when something waits for it. Called after something was queued
    /// and after the status changed, so that neither order misses it.
    pub(crate) fn want(&self) {
        if self.live.borrow().status == Status::Suspended && self.mailbox.wakes() {
            self.wanted.notify_one();
        }
    }

    /// Input sessions and mailbox of one instant: what was received is either handled or waits.
    pub(crate) fn capture_input(&self) -> (manifest::Inputs, mailbox::Captured) {
        // Sessions are held while input is queued, so none of it is on its way between the two.
        let mut inputs = self.inputs();
        (inputs.capture(), self.mailbox.capture())
    }

    /// A checkpoint with these sessions is durable: clients are told.
    pub(crate) fn mark_durable(&self, inputs: &manifest::Inputs) {
        self.inputs().mark_durable(inputs);
        self.changed();
    }

    /// Appends to the terminal's log and wakes its sockets. Takes the terminal for a piece at a time.
    pub(crate) fn output(&self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.terminal().append(piece);
        }
        let before = self.meters.output_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before == 0
            && let Some(begun) = self.meters.begun.get()
        {
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
            self.meters.first_output_us.store(took, Ordering::Relaxed);
        }
        self.changed();
    }

    /// Writes an entry about the agent and wakes its sockets.
    pub(crate) fn note(&self, level: Level, source: Source, message: String, fields: Vec<(String, String)>) {
        self.journal().write(level, source, message, fields);
        self.changed();
    }

    /// Whether a socket sets the size: the one that typed last, or any while there is none.
    pub(crate) fn may_resize(&self, socket: u64) -> bool {
        let typist = self.typist.load(Ordering::Relaxed);
        typist == 0 || typist == socket
    }

    /// A socket typed; whether another one typed before it.
    pub(crate) fn typed(&self, socket: u64) -> bool {
        self.typist.swap(socket, Ordering::Relaxed) != socket
    }

    /// A socket is gone: it no longer sets the size.
    pub(crate) fn left(&self, socket: u64) {
        // Lost races only mean that another socket typed meanwhile, which is what counts.
        let _ = self.typist.compare_exchange(socket, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A client's window has a new size.
    pub(crate) fn resize(&self, size: Size) {
        if self.terminal().resize(size) {
            self.size.send_replace(size);
            self.mailbox.resize(crate::bindings::agent::openclaw::agent::types::Size {
                cols: size.cols,
                rows: size.rows,
            });
        }
    }

    pub(crate) fn usage(&self) -> wire::host::Usage {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let used = self.workspace().map(|workspace| workspace.usage()).unwrap_or_default();
        wire::host::Usage {
            fuel: load(&self.meters.fuel),
            memory_bytes: load(&self.meters.memory_bytes),
            disk_bytes: used.bytes,
            files: used.files,
            output_bytes: load(&self.meters.output_bytes),
            events: load(&self.meters.events),
            first_output_us: load(&self.meters.first_output_us),
        }
    }
}

/// One reader at a time; one that is asked for meanwhile has the present one look again.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Mutex<(bool, bool)>);

impl Pulls {
    /// Whether the caller is the reader now.
    pub(crate) fn begin(&self) -> bool {
        let mut state = lock(&self.0);
        let (reading, again) = &mut *state;
        *again = *reading;
        !std::mem::replace(reading, true)
    }

    /// Nothing is left: whether the reader may go.
    pub(crate) fn end(&self) -> bool {
        let mut state = lock(&self.0);
        let (reading, again) = &mut *state;
        *reading = std::mem::take(again);
        !*reading
    }
}
