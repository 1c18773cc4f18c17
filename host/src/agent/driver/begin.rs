//! Making a component: a fresh one that gets its `start` event, or one that goes on from a checkpoint.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use checkpoint::{Checkpoint, manifest};
use tokio::time::Instant;
use wasmtime::{Store, component::Instance};
use wasmtime_wasi::WasiCtx;
use wire::{
    agent::StatusReason,
    host::{Refusal, RefusalCode, ResumeCause, Start},
};

use super::{Cast, Running, SLICE_FUEL, STORE_FUEL, deliver, deliver::Delivered, refusal, rollback::Ran};
use crate::{
    agent::{
        Shared,
        limiter::Limiter,
        mailbox::{Captured, Item},
        operations::Grants,
        pace::{Ahead, Bucket, Paced},
        state::AgentState,
    },
    bindings::agent::{Agent, AgentIndices, openclaw::agent::types as wit},
    capabilities::wasi,
    checkpoints::{
        Services,
        restore::{self, RestoreError, Restored},
        seen::Seen,
    },
    handles::Clock,
    images::Image,
    workspace::Workspace,
};

/// Bytes a guest may hand to the host in one call (strings and lists together).
const HOSTCALL_BYTES: usize = 8 << 20;
/// Handles of one component, borrows in flight counted.
const MAX_COMPONENT_HANDLES: usize = 1024;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// A fresh component and the store it lives in.
pub(super) struct Fresh {
    pub(super) store: Store<AgentState>,
    pub(super) instance: Instance,
    pub(super) component: Agent,
}

/// Makes a component that has not run yet. Its monotonic clock shows `clock_ns` now.
pub(super) async fn fresh(
    shared: &Arc<Shared>,
    workspace: Workspace,
    image: &Image,
    start: &Start,
    services: &Services,
    bucket: &mut Bucket,
    clock_ns: u64,
) -> Result<Fresh, Refusal> {
    let context = wasi::context(shared, &start.env, Clock::resumed(clock_ns, Duration::ZERO));
    let mut store = store(shared, workspace, image, start, services, context)?;
    let meter = Ahead { fuel: &shared.meters.fuel, settled: shared.meters.fuel.load(Ordering::Relaxed) };
    let pre = image.instance_pre();
    let made = async {
        let instance = pre.instantiate_async(&mut store).await?;
        let component = AgentIndices::new(pre)?.load(&mut store, &instance)?;
        Ok::<_, wasmtime::Error>((instance, component))
    };
    match Paced::new(bucket, meter, made).await {
        Ok((instance, component)) => Ok(Fresh { store, instance, component }),
        Err(error) => Err(start_refusal(&store, &error, start.limits.memory_mib)),
    }
}

/// An empty store with an agent's limits, whose standard streams are those of `context`.
pub(in crate::agent) fn store(
    shared: &Arc<Shared>,
    workspace: Workspace,
    image: &Image,
    start: &Start,
    services: &Services,
    context: WasiCtx,
) -> Result<Store<AgentState>, Refusal> {
    let internal = |error: wasmtime::Error| refusal(RefusalCode::Internal, format!("{error:#}"));
    let memory_limit = usize::try_from(u64::from(start.limits.memory_mib) << 20).unwrap_or(usize::MAX);
    let outbox = services.outbox.of(start.timeline);
    let limiter = Limiter::new(memory_limit);
    let grants = Grants { send_to: start.send_to.clone(), egress: start.egress.clone().into() };
    let state = AgentState::new(shared.clone(), workspace, limiter, context, grants, outbox);
    let mut store = Store::new(image.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_max_component_handles(MAX_COMPONENT_HANDLES);
    store.set_fuel(STORE_FUEL).map_err(internal)?;
    store.fuel_async_yield_interval(Some(SLICE_FUEL)).map_err(internal)?;
    Ok(store)
}

impl Running {
    pub(super) async fn begin(cast: &mut Cast) -> Result<Self, Refusal> {
        let (shared, image) = (cast.shared.clone(), cast.image.clone());
        let begun = *shared.meters.begun.get_or_init(std::time::Instant::now);
        let wall = cast.start.limits.wall_seconds;
        let wall = (wall > 0).then(|| Duration::from_secs(wall.into()));
        let mut bucket = Bucket::new(cast.start.limits.fuel_per_second, begun);
        let restored = cast.restored.take();
        let away =
            restored.as_ref().map_or(0, |restored| now_ms().saturating_sub(restored.checkpoint.taken_at_ms));
        let clock = restored.as_ref().map_or(0, |restored| {
            restored.checkpoint.monotonic_ns.saturating_add(away.saturating_mul(1_000_000))
        });
        if let Some(Restored { checkpoint, .. }) = &restored {
            // Goes on counting where it was.
            shared.meters.fuel.store(checkpoint.meters.fuel, Ordering::Relaxed);
            shared.meters.events.store(checkpoint.meters.events, Ordering::Relaxed);
            shared.meters.output_bytes.store(checkpoint.meters.output_bytes, Ordering::Relaxed);
        }
        let workspace = shared.workspace().ok_or_else(|| refusal(RefusalCode::Internal, "no workspace"))?;
        let fresh =
            fresh(&shared, workspace.clone(), &image, &cast.start, &cast.services, &mut bucket, clock)
                .await?;
        let now = Instant::now();
        let mut running = Self {
            used: shared.meters.fuel.load(Ordering::Relaxed),
            shared,
            image,
            start: cast.start.clone(),
            services: cast.services.clone(),
            store: fresh.store,
            instance: fresh.instance,
            component: fresh.component,
            bucket,
            fuel_left: STORE_FUEL,
            wall,
            last: restored.as_ref().map(|restored| restored.at.clone()),
            files: Default::default(),
            in_flight: None,
            past: Default::default(),
            again: Default::default(),
            dirty: None,
            cost: Duration::ZERO,
            not_before: now,
            idle_since: now,
            stopping: false,
            rollbacks: 0,
            seen: Seen::default(),
        };
        let Some(Restored { mut checkpoint, files, .. }) = restored else {
            running.shared.mailbox.load(Captured::default());
            running.start_event().await?;
            return Ok(running);
        };
        running.files = (files, Some(workspace.changes()));
        let cause = cast.start.resume.as_ref().map_or(ResumeCause::Suspend, |resume| resume.cause);
        if checkpoint.guest.is_none() {
            let (events, inbox) = (std::mem::take(&mut checkpoint.mailbox), checkpoint.inbox);
            running.shared.mailbox.load(Captured { events, inbox });
            running.start_event().await?;
            return Ok(running);
        }
        running.resume(checkpoint, cause, away).await.map_err(|error| error.refusal())?;
        Ok(running)
    }

    /// Delivers `start`.
    pub(super) async fn start_event(&mut self) -> Result<(), Refusal> {
        let size = self.shared.terminal().size();
        let event = wit::Event::Start(wit::Start {
            agent_id: self.start.agent.to_string(),
            name: self.start.name.clone(),
            config: self.start.config.clone(),
            size: wit::Size { cols: size.cols, rows: size.rows },
            epoch: self.start.epoch,
        });
        let delivered = self.deliver(event).await;
        self.idle_since = Instant::now();
        self.dirty = Some(self.idle_since);
        match delivered {
            Delivered::Handled { again } => {
                if again {
                    self.shared.mailbox.turn();
                }
                Ok(())
            }
            Delivered::Fault(reason) => Err(refusal(RefusalCode::Fault, reason)),
            Delivered::Exit(ending) => Err(refusal(RefusalCode::Trap, deliver::detail_of(&ending))),
            Delivered::Trap(trap) => {
                let code = match trap.reason {
                    StatusReason::OutOfMemory => RefusalCode::OutOfMemory,
                    _ => RefusalCode::Trap,
                };
                Err(refusal(code, trap.detail))
            }
        }
    }

    /// Puts a checkpoint's state into the fresh component, and has it told.
    async fn resume(
        &mut self,
        mut kept: Checkpoint<Bytes>,
        cause: ResumeCause,
        away_ms: u64,
    ) -> Result<(), RestoreError> {
        let mut events = std::mem::take(&mut kept.mailbox);
        if cause == ResumeCause::Fork {
            // Its parent's mail and its parent's clients are not its own.
            events.retain(|event| {
                !matches!(event, manifest::Event::Message { .. } | manifest::Event::Input { .. })
            });
            kept.inbox = 0;
        }
        self.put(&kept).await?;
        let over = |op| {
            events.iter().any(|event| matches!(event, manifest::Event::Completed { op: of, .. } if *of == op))
        };
        let operations = std::mem::take(&mut kept.operations);
        if self.store.data_mut().operations.restore(&self.shared, operations, cause, over) {
            self.dirty = Some(Instant::now());
        }
        self.shared.mailbox.load(Captured { events, inbox: kept.inbox });
        self.resumed(cause, away_ms);
        Ok(())
    }

    /// Puts memory, globals and handles into the fresh component.
    pub(super) async fn put(&mut self, kept: &Checkpoint<Bytes>) -> Result<(), RestoreError> {
        let Some(guest) = &kept.guest else { return Ok(()) };
        let image = self.image.clone();
        let suspendable = image.suspendable().ok_or(RestoreError::NotSuspendable)?;
        let pagemap = self.services.pagemap.clone();
        restore::guest(&mut self.store, &self.instance, suspendable, &pagemap, guest).await?;
        // What the host did to get here is not the agent's to pay.
        self.fuel_left = self.store.get_fuel().unwrap_or(self.fuel_left);
        Ok(())
    }

    /// The first thing it hears is that it is back.
    pub(super) fn resumed(&mut self, cause: ResumeCause, away_ms: u64) {
        let size = self.shared.terminal().size();
        let resume = wit::Resume {
            cause: match cause {
                ResumeCause::Suspend => wit::ResumeCause::Suspend,
                ResumeCause::Migrate => wit::ResumeCause::Migrate,
                ResumeCause::Fork => wit::ResumeCause::Fork,
                ResumeCause::Restore => wit::ResumeCause::Restore,
                ResumeCause::Rollback => wit::ResumeCause::Rollback,
            },
            away_ms,
            epoch: self.start.epoch,
            size: wit::Size { cols: size.cols, rows: size.rows },
        };
        self.again.push_front(Ran::first(Item::Resume(resume)));
    }
}

pub(in crate::agent) fn start_refusal(
    store: &Store<AgentState>,
    error: &wasmtime::Error,
    memory_mib: u32,
) -> Refusal {
    if store.data().limiter.refused() {
        let detail = format!("its first memories do not fit into memory_mib ({memory_mib} MiB)");
        return refusal(RefusalCode::OutOfMemory, detail);
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return refusal(RefusalCode::Full, "every slot of the pool is taken");
    }
    refusal(RefusalCode::Trap, deliver::describe(error))
}
