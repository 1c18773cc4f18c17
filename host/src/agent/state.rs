//! What a store holds: the host's side of one agent's imports.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    Shared,
    limiter::Limiter,
    operations::{Grants, Operations},
};
use crate::{
    capabilities::wasi::View,
    handles::{Shadow, Staging},
    outbox::Outbox,
    workspace::{Workspace, WorkspaceView},
};

/// Handles a guest may hold: streams, descriptors, pollables.
pub(crate) const MAX_HANDLES: usize = 512;

/// See the module.
pub(crate) struct AgentState {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workspace: Workspace,
    pub(crate) limiter: Limiter,
    pub(crate) operations: Operations,
    /// Fuel that host calls cost since it was last settled.
    pub(crate) debt: u64,
    /// The part of it that ended slices already.
    pub(crate) paid: u64,
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    /// The component's handles, by their numbers.
    pub(crate) shadow: Shadow,
    /// Standard error is shown on the terminal too, as a command's is.
    pub(crate) shows_stderr: bool,
    /// While handles are being restored: what they will be.
    pub(crate) staging: Option<Staging>,
}

impl AgentState {
    pub(crate) fn new(
        shared: Arc<Shared>,
        workspace: Workspace,
        limiter: Limiter,
        wasi: WasiCtx,
        grants: Grants,
        outbox: Outbox,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            shared,
            workspace,
            limiter,
            operations: Operations::new(grants, outbox),
            debt: 0,
            paid: 0,
            wasi,
            table,
            shadow: Shadow::default(),
            shows_stderr: false,
            staging: None,
        }
    }

    /// The view the filesystem imports work on.
    pub(crate) fn files(&mut self) -> WorkspaceView<'_> {
        let Self { table, shadow, workspace, .. } = self;
        WorkspaceView { table, shadow, workspace }
    }

    /// The view that stdio, streams and timers work on.
    pub(crate) fn view(&mut self) -> View<'_> {
        let Self { wasi, table, shadow, shared, shows_stderr, .. } = self;
        View { ctx: wasi, table, shadow, shared, shows_stderr: *shows_stderr }
    }

    /// What the component's monotonic clock shows, nanoseconds.
    pub(crate) fn monotonic_now(&mut self) -> u64 {
        self.view().now()
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
        Shared::new(wire::AgentId::new(), 1, TerminalLog::new(Size::DEFAULT), Some(workspace))
    }
}
