//! What the WASI imports work on, and the one way by which their handles begin.

use std::sync::Arc;

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, cli::WasiCliCtxView, clocks::WasiClocksCtxView, p2::bindings::clocks::monotonic_clock,
};

use crate::{
    agent::Shared,
    handles::{Kind, Shadow},
};

/// Borrowed from the store for one call.
pub(crate) struct View<'a> {
    pub(crate) ctx: &'a mut WasiCtx,
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) shadow: &'a mut Shadow,
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) shows_stderr: bool,
}

/// See [`View`].
pub(in crate::capabilities) struct HasView;

impl HasData for HasView {
    type Data<'a> = View<'a>;
}

impl View<'_> {
    pub(super) fn cli(&mut self) -> WasiCliCtxView<'_> {
        WasiCliCtxView { ctx: self.ctx.cli(), table: self.table }
    }

    pub(super) fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        WasiClocksCtxView { ctx: self.ctx.clocks(), table: self.table }
    }

    /// What the monotonic clock shows, nanoseconds.
    pub(crate) fn now(&mut self) -> u64 {
        // It never fails; zero is a time at which nothing is due.
        monotonic_clock::Host::now(&mut self.clocks()).unwrap_or_default()
    }

    /// The component is about to get `resource` as a handle.
    pub(in crate::capabilities) fn given<T: 'static>(
        &mut self,
        kind: Kind,
        resource: Resource<T>,
    ) -> Resource<T> {
        self.shadow.insert(kind, resource.rep());
        resource
    }
}
