//! What a store holds: the host's side of one agent's imports.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{Shared, limiter::Limiter, operations::Operations};
use crate::workspace::WorkspaceView;

/// Handles a guest may hold: streams, descriptors, pollables.
pub(crate) const MAX_HANDLES: usize = 512;

/// See the module.
pub(crate) struct AgentState {
    pub(crate) shared: Arc<Shared>,
    pub(crate) limiter: Limiter,
    pub(crate) operations: Operations,
    /// Fuel that host calls cost since it was last settled.
    pub(crate) debt: u64,
    /// The part of it that ended slices already.
    pub(crate) paid: u64,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl AgentState {
    pub(crate) fn new(shared: Arc<Shared>, limiter: Limiter, wasi: WasiCtx) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self { shared, limiter, operations: Operations::default(), debt: 0, paid: 0, wasi, table }
    }

    /// The view the filesystem imports work on.
    pub(crate) fn workspace(&mut self) -> WorkspaceView<'_> {
        WorkspaceView { table: &mut self.table, workspace: &self.shared.workspace }
    }
}

impl wasmtime_wasi_io::IoView for AgentState {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiView for AgentState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        terminal::log::{Size, TerminalLog},
        workspace::{Quota, Workspace},
    };

    /// What an agent's parts share, over a workspace that is removed when the process ends.
    pub(crate) fn shared() -> Arc<Shared> {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(dir.path(), Quota { bytes: 1 << 20, files: 100 }).unwrap();
        Shared::new(wire::AgentId::new(), 1, TerminalLog::new(Size::DEFAULT), workspace)
    }
}
