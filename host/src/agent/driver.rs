//! The task of one agent: starts its component and delivers events, one at a time, until it ends.
//!
//! Runs on the guest threads. Nothing here knows the API or a socket: it reads the mailbox, writes
//! terminal, journal and meters, and returns how the agent ended.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use wasmtime::Store;
use wire::{
    agent::{Status, StatusReason},
    host::{Refusal, RefusalCode, Start},
    log::{Level, Source},
};

use super::{
    Shared,
    limiter::Limiter,
    mailbox::Item,
    pace::{Ahead, Bucket, Paced, fuel_of},
    state::AgentState,
};
use crate::{
    bindings::agent::{Agent, exports::openclaw::agent::handler as guest, openclaw::agent::types as wit},
    capabilities::wasi,
    images::Image,
};

/// Fuel of one slice: about 0.1 to 0.2 ms of guest code, then others go first.
pub(crate) const SLICE_FUEL: u64 = 200_000;
/// What a store starts with; its use is read from what is left. It is never used up.
const STORE_FUEL: u64 = u64::MAX / 2;
/// Bytes a guest may hand to the host in one call (strings and lists together).
const HOSTCALL_BYTES: usize = 8 << 20;
/// Handles of one component, borrows in flight counted.
const MAX_COMPONENT_HANDLES: usize = 1024;
/// Longest reason of a fault that is shown.
const MAX_REASON_BYTES: usize = 1024;

/// How an agent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: Status,
    pub(crate) reason: StatusReason,
    pub(crate) detail: String,
}

/// How one event went.
enum Delivered {
    /// Handled; whether the agent has more work.
    Handled { again: bool },
    /// Could not be handled; the agent goes on.
    Fault(String),
    /// The component is broken.
    Trap(Ending),
}

struct Running {
    shared: Arc<Shared>,
    store: Store<AgentState>,
    component: Agent,
    bucket: Bucket,
    /// Fuel left in the store when it was last read.
    fuel_left: u64,
    /// Fuel used by events that are over.
    used: u64,
    wall: Option<Duration>,
}

/// Runs an agent to its end. `started` is answered when its `start` event returned, or did not.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    image: Arc<Image>,
    start: Start,
    started: oneshot::Sender<Result<(), Refusal>>,
) -> Option<Ending> {
    let timeout = Duration::from_millis(start.timeout_ms);
    let begun = tokio::select! {
        biased;
        () = shared.kill.cancelled() => Err(refusal(RefusalCode::Timeout, "it was stopped while it started")),
        begun = tokio::time::timeout(timeout, Running::begin(shared.clone(), &image, start)) => begun.unwrap_or_else(|_| {
            let detail = format!("its start event did not return within {} s", timeout.as_secs_f32());
            Err(refusal(RefusalCode::Timeout, detail))
        }),
    };
    let mut running = match begun {
        Ok(running) => running,
        Err(refused) => {
            // The receiver is gone only when the host is going down.
            let _ = started.send(Err(refused));
            return None;
        }
    };
    shared.set_live(super::Live { status: Status::Running, reason: None, detail: None, moved: false });
    let _ = started.send(Ok(()));
    let kill = shared.kill.clone();
    tokio::select! {
        biased;
        () = kill.cancelled() => None,
        ending = running.run() => ending,
    }
}

fn refusal(code: RefusalCode, detail: impl Into<String>) -> Refusal {
    Refusal { code, detail: detail.into() }
}

impl Running {
    async fn begin(shared: Arc<Shared>, image: &Image, start: Start) -> Result<Self, Refusal> {
        let internal = |error: wasmtime::Error| refusal(RefusalCode::Internal, format!("{error:#}"));
        let now = *shared.meters.begun.get_or_init(Instant::now);
        let limits = start.limits;
        let memory_limit = usize::try_from(u64::from(limits.memory_mib) << 20).unwrap_or(usize::MAX);
        let context = wasi::context(&shared, &start.env, crate::handles::Clock::new());
        let state = AgentState::new(shared.clone(), Limiter::new(memory_limit), context);
        let mut store = Store::new(image.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(MAX_COMPONENT_HANDLES);
        store.set_fuel(STORE_FUEL).map_err(internal)?;
        store.fuel_async_yield_interval(Some(SLICE_FUEL)).map_err(internal)?;
        let mut bucket = Bucket::new(limits.fuel_per_second, now);
        let meter = Ahead { fuel: &shared.meters.fuel, settled: 0 };
        let instantiate = image.component().instantiate_async(&mut store);
        let instantiated = Paced::new(&mut bucket, meter, instantiate).await;
        let component = match instantiated {
            Ok(component) => component,
            Err(error) => return Err(start_refusal(&mut store, &error, limits.memory_mib)),
        };
        let wall = (limits.wall_seconds > 0).then(|| Duration::from_secs(limits.wall_seconds.into()));
        let mut running = Self { shared, store, component, bucket, fuel_left: STORE_FUEL, used: 0, wall };
        let size = running.shared.terminal().size();
        let event = wit::Event::Start(wit::Start {
            agent_id: start.agent.to_string(),
            name: start.name,
            config: start.config,
            size: wit::Size { cols: size.cols, rows: size.rows },
            epoch: start.epoch,
        });
        match running.deliver(event).await {
            Delivered::Handled { again } => {
                if again {
                    running.shared.mailbox.turn();
                }
                Ok(running)
            }
            Delivered::Fault(reason) => Err(refusal(RefusalCode::Fault, reason)),
            Delivered::Trap(ending) => {
                let code = match ending.reason {
                    StatusReason::OutOfMemory => RefusalCode::OutOfMemory,
                    _ => RefusalCode::Trap,
                };
                Err(refusal(code, ending.detail))
            }
        }
    }

    /// Delivers what comes; `None` when the mailbox was closed.
    async fn run(&mut self) -> Option<Ending> {
        let mut stopping = false;
        loop {
            let item = self.shared.mailbox.next().await?;
            let mut origin = None;
            let event = match item {
                Item::Input { bytes, origin: from } => {
                    origin = Some(from);
                    wit::Event::Input(bytes)
                }
                Item::Resume(resume) => wit::Event::Resume(resume),
                Item::Resize(size) => wit::Event::Resize(size),
                Item::Message { message, .. } => wit::Event::Message(message),
                Item::Completed(completion) if !self.store.data_mut().operations.completed(completion.op) => {
                    continue;
                }
                Item::Completed(completion) => wit::Event::Completed(completion),
                Item::Turn => wit::Event::Turn,
                Item::Stop(stop) => {
                    stopping = true;
                    wit::Event::Stop(stop)
                }
            };
            let delivered = self.deliver(event).await;
            if let Some(origin) = origin {
                self.shared.inputs().applied(&origin.session, origin.upto);
                self.shared.changed();
            }
            match delivered {
                Delivered::Handled { again: true } => self.shared.mailbox.turn(),
                Delivered::Handled { again: false } if stopping => {
                    let detail = "it came to rest within its grace".to_owned();
                    return Some(Ending {
                        status: Status::Terminated,
                        reason: StatusReason::UserRequest,
                        detail,
                    });
                }
                Delivered::Handled { again: false } => {}
                Delivered::Fault(reason) => {
                    let message = format!("an event was not handled: {reason}");
                    self.shared.note(Level::Error, Source::Host, message, vec![]);
                }
                Delivered::Trap(ending) => return Some(ending),
            }
        }
    }

    async fn deliver(&mut self, event: wit::Event) -> Delivered {
        self.shared.interrupted.store(false, Ordering::Relaxed);
        let call = Paced::new(
            &mut self.bucket,
            Ahead { fuel: &self.shared.meters.fuel, settled: self.used },
            self.component.openclaw_agent_handler().call_handle(&mut self.store, &event),
        );
        let handled = match self.wall {
            None => Some(call.await),
            Some(wall) => tokio::time::timeout(wall, call).await.ok(),
        };
        self.settle();
        match handled {
            Some(Ok(Ok(next))) => Delivered::Handled { again: matches!(next, guest::Next::Again) },
            Some(Ok(Err(fault))) => {
                let mut reason = fault.reason;
                reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
                Delivered::Fault(reason)
            }
            Some(Err(error)) => Delivered::Trap(trap_ending(&self.store, &error)),
            None => Delivered::Trap(Ending {
                status: Status::Failed,
                reason: StatusReason::PolicyDenied,
                detail: format!(
                    "an event ran for longer than wall_seconds ({} s)",
                    self.wall.map_or(0, |w| w.as_secs())
                ),
            }),
        }
    }

    /// Brings meters and bucket up to date with what the event used.
    fn settle(&mut self) {
        let left = self.store.get_fuel().unwrap_or(self.fuel_left);
        let state = self.store.data_mut();
        state.paid = 0;
        let debt = std::mem::take(&mut state.debt);
        let waited = fuel_of(self.shared.workspace.take_time());
        let waited = waited.saturating_add(self.shared.meters.stdio.swap(0, Ordering::Relaxed));
        let used = self.fuel_left.saturating_sub(left).saturating_add(debt).saturating_add(waited);
        self.fuel_left = left;
        self.bucket.settle(used);
        let meters = &self.shared.meters;
        self.used += used;
        // Slices were counted ahead, in case the event never ends; the count does not go back.
        meters.fuel.fetch_max(self.used, Ordering::Relaxed);
        meters.events.fetch_add(1, Ordering::Relaxed);
        meters.memory_bytes.store(self.store.data().limiter.memory() as u64, Ordering::Relaxed);
    }
}

fn start_refusal(store: &mut Store<AgentState>, error: &wasmtime::Error, memory_mib: u32) -> Refusal {
    if store.data().limiter.refused() {
        let detail = format!("its first memories do not fit into memory_mib ({memory_mib} MiB)");
        return refusal(RefusalCode::OutOfMemory, detail);
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return refusal(RefusalCode::Full, "every slot of the pool is taken");
    }
    refusal(RefusalCode::Trap, describe(error))
}

fn trap_ending(store: &Store<AgentState>, error: &wasmtime::Error) -> Ending {
    let out_of_memory = store.data().limiter.refused()
        && matches!(
            error.downcast_ref(),
            Some(wasmtime::Trap::UnreachableCodeReached | wasmtime::Trap::MemoryOutOfBounds)
        );
    let reason = if out_of_memory { StatusReason::OutOfMemory } else { StatusReason::GuestTrap };
    Ending { status: Status::Failed, reason, detail: describe(error) }
}

/// What a person can act on: the innermost cause, without the host's own frames.
fn describe(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return format!("it exited with status {}", exit.0);
    }
    let mut text = error.root_cause().to_string();
    text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
    text
}
