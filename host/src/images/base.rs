//! What a fresh instance of an image holds: a checkpoint names only what differs.

use std::{collections::BTreeMap, path::Path};

use wasmtime::Store;
use wire::AgentId;

use crate::{
    agent::{Shared, limiter::Limiter, state::AgentState},
    bindings::agent::AgentPre,
    capabilities::wasi,
    checkpoints::{
        access::Access,
        capture::{self, Base},
    },
    engine::MAX_MEMORY_BYTES,
    handles::Clock,
    outbox::Outbox,
    terminal::log::{Size, TerminalLog},
    workspace::{Quota, Workspace},
};

/// Fuel for making one instance: a second's worth.
const FUEL: u64 = 1_000_000_000;

/// Makes an instance of nobody's and reads it; why that cannot be done.
pub(super) async fn take(
    component: &AgentPre<AgentState>,
    access: &Access,
    scratch: &Path,
) -> Result<Base, String> {
    let failed = |error: &dyn std::error::Error| format!("a fresh instance cannot be read: {error}");
    let id = AgentId::new();
    let dir = scratch.join(id.to_string());
    let workspace = Workspace::open(&dir, Quota { bytes: 0, files: 0 }).map_err(|e| failed(&e))?;
    let shared = Shared::new(id, 0, TerminalLog::new(Size::DEFAULT), Some(workspace.clone()));
    let context = wasi::context(&shared, &BTreeMap::new(), Clock::new());
    let outbox = Outbox::default();
    let state = AgentState::new(
        shared,
        workspace,
        Limiter::new(MAX_MEMORY_BYTES),
        context,
        Default::default(),
        outbox,
    );
    let mut store = Store::new(component.engine(), state);
    store.limiter(|state| &mut state.limiter);
    let read = async {
        store.set_fuel(FUEL)?;
        let instance = component.instance_pre().instantiate_async(&mut store).await?;
        Ok::<_, wasmtime::Error>(capture::base(&mut store, &instance, access).await)
    };
    let read = read.await;
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
    read.map_err(|error| format!("a fresh instance cannot be made: {}", error.root_cause()))?
        .map_err(|e| failed(&e))
}
