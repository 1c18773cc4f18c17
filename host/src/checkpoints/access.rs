//! A component's state through the access module that the instrumenter added to it. Only between two events:
//! the component has no frames then.

use instrument::{ACCESS, Layout};
use wasmtime::{
    Store,
    component::{Component, ComponentExportIndex, Instance, WasmList},
};

use crate::agent::state::AgentState;

/// Bytes of a wasm page.
pub(crate) const WASM_PAGE_BYTES: usize = 64 * 1024;

/// Why a component's state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// A call of the access module failed: it is not as the instrumenter made it.
    #[error("the component's access module failed")]
    Call(#[from] wasmtime::Error),
    /// A memory of the checkpoint does not fit what the agent may have.
    #[error("memory {memory} cannot grow to {wasm_pages} pages")]
    Grow {
        /// Which.
        memory: usize,
        /// How many it needed.
        wasm_pages: u32,
    },
    /// A checkpoint of another layout.
    #[error("the checkpoint has {found} {what}, the component {expected}")]
    Shape {
        /// Of what.
        what: &'static str,
        /// In the checkpoint.
        found: usize,
        /// In the component.
        expected: usize,
    },
}

#[derive(Debug, Clone, Copy)]
struct Memory {
    size: ComponentExportIndex,
    grow: ComponentExportIndex,
    read: ComponentExportIndex,
    write: ComponentExportIndex,
}

#[derive(Debug, Clone)]
struct Resource {
    name: String,
    make: ComponentExportIndex,
    drop: ComponentExportIndex,
}

/// The exports of a component's access module, found once.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    memories: Vec<Memory>,
    globals: u32,
    seek: ComponentExportIndex,
    get: ComponentExportIndex,
    set: ComponentExportIndex,
    resources: Vec<Resource>,
}

impl Access {
    /// Finds them; `None` when the component is not as `layout` says.
    pub(crate) fn find(component: &Component, layout: &Layout) -> Option<Self> {
        let access = component.get_export_index(None, ACCESS)?;
        let export = |name: &str| component.get_export_index(Some(&access), name);
        let memories = (0..layout.memories).map(|k| {
            Some(Memory {
                size: export(&format!("size{k}"))?,
                grow: export(&format!("grow{k}"))?,
                read: export(&format!("read{k}"))?,
                write: export(&format!("write{k}"))?,
            })
        });
        let resources = layout.resources.iter().enumerate().filter(|(_, resource)| resource.restorable);
        let resources = resources.map(|(n, resource)| {
            Some(Resource {
                name: resource.name.clone(),
                make: export(&format!("make{n}"))?,
                drop: export(&format!("drop{n}"))?,
            })
        });
        Some(Self {
            memories: memories.collect::<Option<_>>()?,
            globals: layout.globals,
            seek: export("seek")?,
            get: export("gget")?,
            set: export("gset")?,
            resources: resources.collect::<Option<_>>()?,
        })
    }

    /// How many linear memories there are.
    pub(crate) fn memories(&self) -> usize {
        self.memories.len()
    }

    /// The live bytes of a memory, not copied; valid until the component runs again.
    pub(crate) async fn memory(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        memory: usize,
    ) -> Result<Option<WasmList<u8>>, AccessError> {
        let of = self.memories[memory];
        let size = instance.get_typed_func::<(), (u32,)>(&mut *store, of.size)?;
        let (pages,) = size.call_async(&mut *store, ()).await?;
        let bytes = u32::try_from(pages as usize * WASM_PAGE_BYTES).unwrap_or(u32::MAX);
        if bytes == 0 {
            return Ok(None);
        }
        let read = instance.get_typed_func::<(u32, u32), (WasmList<u8>,)>(&mut *store, of.read)?;
        // The list is counted as if it were copied.
        let usual = store.hostcall_fuel();
        store.set_hostcall_fuel(usual.max(bytes as usize + WASM_PAGE_BYTES));
        let list = read.call_async(&mut *store, (0, bytes)).await;
        store.set_hostcall_fuel(usual);
        Ok(Some(list?.0))
    }

    /// Makes a memory at least as large as `wasm_pages`.
    pub(crate) async fn grow(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        memory: usize,
        wasm_pages: u32,
    ) -> Result<(), AccessError> {
        let of = self.memories[memory];
        let size = instance.get_typed_func::<(), (u32,)>(&mut *store, of.size)?;
        let (present,) = size.call_async(&mut *store, ()).await?;
        let Some(more) = wasm_pages.checked_sub(present).filter(|more| *more > 0) else { return Ok(()) };
        let grow = instance.get_typed_func::<(u32,), (i32,)>(&mut *store, of.grow)?;
        let (before,) = grow.call_async(&mut *store, (more,)).await?;
        if before < 0 { Err(AccessError::Grow { memory, wasm_pages }) } else { Ok(()) }
    }

    /// Writes bytes into a memory.
    pub(crate) async fn write(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        memory: usize,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), AccessError> {
        let seek = instance.get_typed_func::<(u32,), ()>(&mut *store, self.seek)?;
        seek.call_async(&mut *store, (offset,)).await?;
        let write = instance.get_typed_func::<(&[u8],), ()>(&mut *store, self.memories[memory].write)?;
        write.call_async(&mut *store, (bytes,)).await?;
        Ok(())
    }

    /// All mutable globals, as bits.
    pub(crate) async fn globals(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
    ) -> Result<Vec<u64>, AccessError> {
        let get = instance.get_typed_func::<(u32,), (u64,)>(&mut *store, self.get)?;
        let mut globals = Vec::with_capacity(self.globals as usize);
        for global in 0..self.globals {
            globals.push(get.call_async(&mut *store, (global,)).await?.0);
        }
        Ok(globals)
    }

    /// Sets all mutable globals.
    pub(crate) async fn set_globals(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        globals: &[u64],
    ) -> Result<(), AccessError> {
        let expected = self.globals as usize;
        if globals.len() != expected {
            return Err(AccessError::Shape { what: "globals", found: globals.len(), expected });
        }
        let set = instance.get_typed_func::<(u32, u64), ()>(&mut *store, self.set)?;
        for (global, value) in (0..).zip(globals) {
            set.call_async(&mut *store, (global, *value)).await?;
        }
        Ok(())
    }

    fn resource(&self, name: &str) -> Result<&Resource, AccessError> {
        let missing = || wasmtime::format_err!("the component has no resource {name}").into();
        self.resources.iter().find(|resource| resource.name == name).ok_or_else(missing)
    }

    /// Makes a handle from what was staged under a number; the index it has.
    pub(crate) async fn make(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        resource: &str,
        staged: u32,
    ) -> Result<u32, AccessError> {
        let make = self.resource(resource)?.make;
        let make = instance.get_typed_func::<(u32,), (u32,)>(&mut *store, make)?;
        Ok(make.call_async(&mut *store, (staged,)).await?.0)
    }

    /// Drops a handle.
    pub(crate) async fn drop_handle(
        &self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        resource: &str,
        index: u32,
    ) -> Result<(), AccessError> {
        let drop = self.resource(resource)?.drop;
        let drop = instance.get_typed_func::<(u32,), ()>(&mut *store, drop)?;
        drop.call_async(&mut *store, (index,)).await?;
        Ok(())
    }
}
