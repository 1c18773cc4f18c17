//! One event: delivered, paced, metered.

use std::sync::atomic::Ordering;

use wasmtime::Store;
use wire::agent::{Status, StatusReason};

use super::{Ending, Running};
use crate::{
    agent::{
        pace::{Ahead, Paced, fuel_of},
        state::AgentState,
    },
    bindings::agent::{exports::openclaw::agent::handler as guest, openclaw::agent::types as wit},
};

/// Longest reason of a fault that is shown.
const MAX_REASON_BYTES: usize = 1024;

/// How one event went.
pub(super) enum Delivered {
    /// Handled; whether the agent has more work.
    Handled { again: bool },
    /// Could not be handled; the agent goes on.
    Fault(String),
    /// The component is broken: it goes back to its last checkpoint.
    Trap(Trap),
    /// The agent ended itself.
    Exit(Ending),
}

/// How an event broke its component.
pub(in crate::agent) struct Trap {
    pub(in crate::agent) reason: StatusReason,
    pub(in crate::agent) detail: String,
}

impl Running {
    pub(super) async fn deliver(&mut self, event: wit::Event) -> Delivered {
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
            Some(Err(error)) => broken(&self.store, &error).map_or_else(Delivered::Trap, Delivered::Exit),
            None => Delivered::Trap(Trap {
                reason: StatusReason::PolicyDenied,
                detail: format!(
                    "an event ran for longer than wall_seconds ({} s)",
                    self.wall.map_or(0, |w| w.as_secs())
                ),
            }),
        }
    }

    /// Brings meters and bucket up to date with what the event used.
    pub(super) fn settle(&mut self) {
        let left = self.store.get_fuel().unwrap_or(self.fuel_left);
        let state = self.store.data_mut();
        state.paid = 0;
        let debt = std::mem::take(&mut state.debt);
        let waited = fuel_of(state.workspace.take_time());
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

/// What an error that ended a call stands for.
///
/// # Errors
/// The trap, unless it exited by itself.
pub(in crate::agent) fn broken(store: &Store<AgentState>, error: &wasmtime::Error) -> Result<Ending, Trap> {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        let detail = format!("it exited with status {}", exit.0);
        let (status, reason) = match exit.0 {
            0 => (Status::Terminated, StatusReason::UserRequest),
            _ => (Status::Failed, StatusReason::GuestTrap),
        };
        return Ok(Ending::Over { status, reason, detail });
    }
    let out_of_memory = store.data().limiter.refused()
        && matches!(
            error.downcast_ref(),
            Some(wasmtime::Trap::UnreachableCodeReached | wasmtime::Trap::MemoryOutOfBounds)
        );
    let reason = if out_of_memory { StatusReason::OutOfMemory } else { StatusReason::GuestTrap };
    Err(Trap { reason, detail: describe(error) })
}

/// What a person can act on: the innermost cause, without the host's own frames.
pub(super) fn describe(error: &wasmtime::Error) -> String {
    let mut text = error.root_cause().to_string();
    text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
    text
}

/// What an ending says.
pub(super) fn detail_of(ending: &Ending) -> String {
    match ending {
        Ending::Over { detail, .. } | Ending::GivenUp(detail) => detail.clone(),
        Ending::Suspended(_) => "it is suspended".to_owned(),
        Ending::Released => "it goes on elsewhere".to_owned(),
    }
}
