//! The task of one agent: makes or restores its component and delivers events, one at a time, until it ends.
//!
//! Runs on the guest threads. Nothing here knows a socket: it reads the mailbox, writes terminal, journal and meters,
//! keeps checkpoints ([`keep`]), goes back to the last one when an event breaks the component ([`rollback`]), and returns
//! how the agent ended.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use wasmtime::{Store, component::Instance};
use wire::{
    agent::{Status, StatusReason},
    checkpoint::CheckpointRef,
    host::{Refusal, RefusalCode, Start, Then},
    log::{Level, Source},
};

use super::{
    Live, Shared,
    ask::{Ask, What},
    mailbox::Item,
    pace::Bucket,
    state::AgentState,
};
use crate::{
    bindings::agent::{Agent, openclaw::agent::types as wit},
    checkpoints::{Services, capture::FilesAt, restore::Restored, seen::Seen},
    images::{Image, Program},
};

mod begin;
pub(crate) use begin::now_ms;
pub(super) use begin::{start_refusal, store};
mod deliver;
pub(super) use deliver::broken;
mod keep;
mod rollback;
mod upgrade;

use deliver::Delivered;
use keep::InFlight;
use rollback::Past;

/// Fuel of one slice: about 0.1 to 0.2 ms of guest code, then others go first.
pub(crate) const SLICE_FUEL: u64 = 200_000;
/// What a store starts with; its use is read from what is left. It is never used up.
pub(super) const STORE_FUEL: u64 = u64::MAX / 2;

/// How an agent's task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, or by a fault.
    Over {
        /// `terminated` or `failed`.
        status: Status,
        reason: StatusReason,
        detail: String,
    },
    /// With a checkpoint that says so.
    Suspended(StatusReason),
    /// With a checkpoint that gives it to another host.
    Released,
    /// It cannot go on here; its last checkpoint counts.
    GivenUp(String),
}

impl Ending {
    pub(super) fn failed(reason: StatusReason, detail: impl Into<String>) -> Self {
        Self::Over { status: Status::Failed, reason, detail: detail.into() }
    }

    fn displaced() -> Self {
        Self::GivenUp("another placement of the agent counts".to_owned())
    }
}

/// What a task is made from.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) shared: Arc<Shared>,
    pub(crate) image: Arc<Image>,
    pub(crate) start: Start,
    pub(crate) services: Services,
    /// What it goes on from.
    pub(crate) restored: Option<Restored>,
    pub(crate) asks: mpsc::Receiver<Ask>,
}

struct Running {
    shared: Arc<Shared>,
    image: Arc<Image>,
    start: Start,
    services: Services,
    store: Store<AgentState>,
    instance: Instance,
    component: Agent,
    bucket: Bucket,
    /// Fuel left in the store when it was last read.
    fuel_left: u64,
    /// Fuel used by events that are over.
    used: u64,
    wall: Option<Duration>,
    /// The last checkpoint that counts.
    last: Option<CheckpointRef>,
    /// Where its files are, and the workspace's count of changes then.
    files: (FilesAt, Option<u64>),
    in_flight: Option<InFlight>,
    /// Events since the last capture.
    past: Past,
    /// Events to run again, before what waits in the mailbox.
    again: std::collections::VecDeque<rollback::Ran>,
    /// When the first event since the last capture ended.
    dirty: Option<Instant>,
    /// What the last checkpoint cost.
    cost: Duration,
    /// No automatic checkpoint is tried before.
    not_before: Instant,
    idle_since: Instant,
    stopping: bool,
    /// Rollbacks since the last checkpoint.
    rollbacks: u32,
    /// What its memory was when it was last captured.
    seen: Seen,
}

/// Runs an agent to its end. `started` is answered when its `start` event returned, or did not.
pub(crate) async fn drive(mut cast: Cast, started: oneshot::Sender<Result<(), Refusal>>) -> Option<Ending> {
    if matches!(cast.image.program(), Program::Command(_)) {
        return super::command::drive(cast, started).await;
    }
    let shared = cast.shared.clone();
    let within = Duration::from_millis(cast.start.timeout_ms);
    let late = "its start event did not return";
    let mut running = begin_within(&shared, within, late, Running::begin(&mut cast), started).await?;
    let kill = shared.kill.clone();
    tokio::select! {
        biased;
        () = kill.cancelled() => None,
        ending = running.run(&mut cast.asks) => ending,
    }
}

/// Has an agent begin, and tells `started` how that went: what runs now, or nothing when it was refused, killed or
/// `late`.
pub(super) async fn begin_within<T>(
    shared: &Shared,
    within: Duration,
    late: &str,
    begin: impl Future<Output = Result<T, Refusal>>,
    started: oneshot::Sender<Result<(), Refusal>>,
) -> Option<T> {
    let begun = tokio::select! {
        biased;
        () = shared.kill.cancelled() => Err(refusal(RefusalCode::Timeout, "it was stopped while it started")),
        begun = tokio::time::timeout(within, begin) => begun.unwrap_or_else(|_| {
            Err(refusal(RefusalCode::Timeout, format!("{late} within {} s", within.as_secs_f32())))
        }),
    };
    // The receiver is gone only when the host is going down.
    match begun {
        Ok(running) => {
            shared.set_live(Live { status: Status::Running, reason: None, detail: None, moved: false });
            let _ = started.send(Ok(()));
            Some(running)
        }
        Err(refused) => {
            let _ = started.send(Err(refused));
            None
        }
    }
}

pub(super) fn refusal(code: RefusalCode, detail: impl Into<String>) -> Refusal {
    Refusal { code, detail: detail.into() }
}

/// What comes next.
enum Next {
    Ask(Ask),
    Committed,
    Due,
    Idle,
    Event(rollback::Ran),
    Closed,
}

impl Running {
    /// Delivers what comes; `None` when the mailbox was closed.
    async fn run(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Option<Ending> {
        loop {
            let ending = match self.next(asks).await {
                Next::Ask(ask) => self.ask(ask).await,
                Next::Committed => self.settle_commit().await,
                Next::Due => self.checkpoint_now().await,
                Next::Idle => self.suspend_idle().await,
                Next::Event(ran) => self.event(ran).await,
                Next::Closed => return None,
            };
            if let Err(ending) = ending {
                return Some(ending);
            }
        }
    }

    async fn next(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Next {
        let due = self.checkpoint_due();
        let idle = self.idle_at();
        let at = |when: Option<Instant>| async move {
            match when {
                Some(when) => tokio::time::sleep_until(when).await,
                None => std::future::pending().await,
            }
        };
        let again = &mut self.again;
        let mailbox = &self.shared.mailbox;
        let event = async {
            match again.pop_front() {
                Some(ran) => Some(ran),
                None => mailbox.next().await.map(rollback::Ran::first),
            }
        };
        tokio::select! {
            biased;
            Some(ask) = asks.recv() => Next::Ask(ask),
            () = keep::ready(&mut self.in_flight) => Next::Committed,
            () = at(due) => Next::Due,
            event = event => event.map_or(Next::Closed, Next::Event),
            () = at(idle) => Next::Idle,
        }
    }

    /// When it is suspended for being idle.
    fn idle_at(&self) -> Option<Instant> {
        let seconds = self.start.idle_timeout_seconds.filter(|_| self.image.suspendable().is_some())?;
        self.idle_since.checked_add(Duration::from_secs(seconds.into()))
    }

    async fn ask(&mut self, ask: Ask) -> Result<(), Ending> {
        ask.begin();
        match ask.what {
            What::Checkpoint { kind, note, then: Then::Run {} } => {
                self.checkpoint_for(kind, note, ask.answer).await
            }
            What::Checkpoint { kind, note, then } => {
                let ended = self.checkpoint_and(kind, note, then).await;
                let told = match &ended {
                    Ok(_) => Ok(self.last.as_ref().map(|last| last.id)),
                    Err(error) => Err(error.clone()),
                };
                // Whoever asked may have gone: what was done is done.
                let _ = ask.answer.send(told);
                match ended {
                    Ok(ending) => Err(ending),
                    Err(error) => error.ends(),
                }
            }
            What::Upgrade(image) => {
                let done = self.upgrade(image).await;
                let _ = ask.answer.send(done.map(|()| self.last.as_ref().map(|last| last.id)));
                Ok(())
            }
        }
    }

    /// Delivers one event, and sees to what became of it.
    async fn event(&mut self, ran: rollback::Ran) -> Result<(), Ending> {
        let Some(event) = self.event_of(&ran.item) else { return Ok(()) };
        if matches!(ran.item, Item::Stop(_)) {
            self.stopping = true;
        }
        let delivered = self.deliver(event).await;
        self.idle_since = Instant::now();
        self.shared.was_busy();
        if let Delivered::Trap(trap) = delivered {
            return self.roll_back(ran, trap).await;
        }
        if let Item::Input { origin, .. } = &ran.item {
            self.shared.inputs().applied(&origin.session, origin.upto);
            self.shared.changed();
            points::reach(points::Point::Applied, [self.shared.id]).await;
        }
        self.past.push(ran);
        self.dirty.get_or_insert(self.idle_since);
        match delivered {
            Delivered::Handled { again: true } => self.shared.mailbox.turn(),
            Delivered::Handled { again: false } if self.stopping => {
                return Err(Ending::Over {
                    status: Status::Terminated,
                    reason: StatusReason::UserRequest,
                    detail: "it came to rest within its grace".to_owned(),
                });
            }
            Delivered::Exit(ending) => return Err(ending),
            Delivered::Handled { again: false } | Delivered::Trap(_) => {}
            Delivered::Fault(reason) => {
                let message = format!("an event was not handled: {reason}");
                self.shared.note(Level::Error, Source::Host, message, vec![]);
            }
        }
        if self.store.data().operations.holds() || self.past.is_long() {
            self.checkpoint_now().await?;
        }
        Ok(())
    }

    /// The event an item stands for; `None` for a completion that is not the first.
    fn event_of(&mut self, item: &Item) -> Option<wit::Event> {
        Some(match item.clone() {
            Item::Completed(completion) => {
                if !self.store.data_mut().operations.completed(completion.op) {
                    return None;
                }
                wit::Event::Completed(completion)
            }
            Item::Input { bytes, .. } => wit::Event::Input(bytes),
            Item::Resize(size) => wit::Event::Resize(size),
            Item::Message { message, .. } => wit::Event::Message(message),
            Item::Resume(resume) => wit::Event::Resume(resume),
            Item::Turn => wit::Event::Turn,
            Item::Stop(stop) => wit::Event::Stop(stop),
        })
    }
}
