//! The task of one command: runs a component's `wasi:cli/run` from its beginning to its end, its standard streams on
//! the terminal.
//!
//! It blocks inside `run`, so it is never between two events: it is not captured, only stopped and started anew.
//! `wall_seconds` bounds one event and does not apply to a run. Messages stay in its inbox, and there is nothing by
//! which it could be told of a new size. Asked to stop, it finds the end of its input and has its grace to return.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::Command;
use wire::{
    agent::{Status, StatusReason},
    host::{Refusal, RefusalCode},
};

use self::keyboard::{Keyboard, Typed};
use super::{
    Shared,
    driver::{Cast, Ending, STORE_FUEL, begin_within, broken, refusal, start_refusal, store},
    mailbox::Item,
    pace::{Ahead, Bucket, Paced},
    state::AgentState,
};
use crate::{capabilities::wasi, images::Program};

mod keyboard;

/// A command that is ready to run.
struct Ready {
    store: Store<AgentState>,
    command: Command,
    bucket: Bucket,
    keyboard: Keyboard,
}

/// Runs a command to its end. `started` is answered before its first instruction of `run`.
pub(super) async fn drive(cast: Cast, started: oneshot::Sender<Result<(), Refusal>>) -> Option<Ending> {
    let shared = cast.shared.clone();
    let within = Duration::from_millis(cast.start.timeout_ms);
    let mut ready = begin_within(&shared, within, "it was not made", make(&cast), started).await?;
    let keyboard = ready.keyboard.clone();
    tokio::select! {
        biased;
        () = shared.kill.cancelled() => None,
        ending = listen(&shared, &keyboard) => ending,
        ending = ready.run(&shared) => Some(ending),
    }
}

async fn make(cast: &Cast) -> Result<Ready, Refusal> {
    let (shared, start) = (&cast.shared, &cast.start);
    let Program::Command(pre) = cast.image.program() else {
        return Err(refusal(RefusalCode::Internal, "the image is no command"));
    };
    let begun = *shared.meters.begun.get_or_init(std::time::Instant::now);
    if let Some(restored) = &cast.restored {
        // Goes on counting where it was.
        let meters = &restored.checkpoint.meters;
        shared.meters.fuel.store(meters.fuel, Ordering::Relaxed);
        shared.meters.output_bytes.store(meters.output_bytes, Ordering::Relaxed);
    }
    let workspace = shared.workspace().ok_or_else(|| refusal(RefusalCode::Internal, "no workspace"))?;
    let keyboard = Keyboard::default();
    let context = wasi::command_context(shared, &start.env, &start.name, keyboard.clone());
    let mut store = store(shared, workspace, &cast.image, start, &cast.services, context)?;
    store.data_mut().shows_stderr = true;
    let mut bucket = Bucket::new(start.limits.fuel_per_second, begun);
    let meter = Ahead { fuel: &shared.meters.fuel, settled: shared.meters.fuel.load(Ordering::Relaxed) };
    match Paced::new(&mut bucket, meter, pre.instantiate_async(&mut store)).await {
        Ok(command) => Ok(Ready { store, command, bucket, keyboard }),
        Err(error) => Err(start_refusal(&store, &error, start.limits.memory_mib)),
    }
}

impl Ready {
    async fn run(&mut self, shared: &Arc<Shared>) -> Ending {
        let settled = shared.meters.fuel.load(Ordering::Relaxed);
        let meter = Ahead { fuel: &shared.meters.fuel, settled };
        let call = self.command.wasi_cli_run().call_run(&mut self.store);
        let returned = Paced::new(&mut self.bucket, meter, call).await;
        let used = STORE_FUEL.saturating_sub(self.store.get_fuel().unwrap_or(STORE_FUEL));
        shared.meters.fuel.fetch_max(settled.saturating_add(used), Ordering::Relaxed);
        match returned {
            Ok(Ok(())) => ended("it exited with status 0"),
            Ok(Err(())) => Ending::failed(StatusReason::GuestTrap, "it exited with status 1"),
            Err(error) => {
                broken(&self.store, &error).unwrap_or_else(|trap| Ending::failed(trap.reason, trap.detail))
            }
        }
    }
}

fn ended(detail: &str) -> Ending {
    Ending::Over { status: Status::Terminated, reason: StatusReason::UserRequest, detail: detail.to_owned() }
}

/// Hands what is typed to the keyboard and shows it; returns when the run is interrupted or the mailbox is closed.
async fn listen(shared: &Shared, keyboard: &Keyboard) -> Option<Ending> {
    loop {
        keyboard.has_room().await;
        match shared.mailbox.next().await? {
            Item::Input { bytes, origin } => {
                let Typed { echo, interrupt } = keyboard.typed(&bytes);
                shared.output(&echo);
                shared.inputs().applied(&origin.session, origin.upto);
                shared.changed();
                if interrupt {
                    return Some(ended("it was interrupted at its terminal (status 130)"));
                }
            }
            Item::Stop(_) => keyboard.end(),
            // Nothing by which a command could be told.
            Item::Resume(_) | Item::Resize(_) | Item::Message { .. } | Item::Completed(_) | Item::Turn => {}
        }
    }
}
