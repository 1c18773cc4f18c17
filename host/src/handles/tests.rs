//! Against wasmtime itself: a component that makes and drops handles, is described, and made again.

use std::collections::BTreeMap;

use checkpoint::{
    Piece,
    manifest::{Content, Handle, OpenFile, Slot},
};
use tempfile::TempDir;
use wasmtime::{
    Engine, Store,
    component::{Component, InstancePre},
};

use super::{Clock, Kind, Resource, Step, Unrestorable};
use crate::{
    agent::{Shared, limiter::Limiter, state::AgentState},
    capabilities::{self, wasi},
    terminal::log::{Size, TerminalLog},
    workspace::{MAX_DESCRIPTORS, Quota, Workspace},
};

mod forged;
mod random;
mod revived;

/// The functions of `guest.wat` that its main module has.
const CALLS: [&str; 30] = [
    "stdin",
    "stdout",
    "stderr",
    "terminal",
    "network",
    "after",
    "at",
    "dirs",
    "second-dir",
    "name",
    "open",
    "open-read",
    "unlink",
    "list",
    "reader",
    "writer",
    "far-writer",
    "append",
    "put",
    "get",
    "next",
    "drop-descriptor",
    "drop-directory-entry-stream",
    "drop-input-stream",
    "drop-output-stream",
    "drop-pollable",
    "drop-error",
    "drop-terminal-input",
    "drop-terminal-output",
    "drop-network",
];
/// Those that are imports as they are.
const LOWERED: [(&str, &str); 11] = [
    ("poll-in", "$l-poll-in"),
    ("poll-out", "$l-poll-out"),
    ("make-descriptor", "$make-descriptor"),
    ("make-directory-entry-stream", "$make-entries"),
    ("make-input-stream", "$make-in"),
    ("make-output-stream", "$make-out"),
    ("make-pollable", "$make-pollable"),
    ("make-error", "$make-error"),
    ("make-terminal-input", "$make-terminal-input"),
    ("make-terminal-output", "$make-terminal-output"),
    ("make-network", "$make-network"),
];

/// The component, ready to be instantiated again and again, over one workspace.
struct World {
    engine: Engine,
    component: InstancePre<AgentState>,
    workspace: Workspace,
    runtime: tokio::runtime::Runtime,
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let mut text = include_str!("tests/guest.wat").trim_end().strip_suffix(')').unwrap().to_owned();
        let calls = CALLS.iter().map(|name| (*name, format!("$main \"{name}\"")));
        for (name, from) in calls.chain(LOWERED.iter().map(|(name, from)| (*name, (*from).to_owned()))) {
            let lift = format!("(canon lift (core func {from}))");
            text.push_str(&format!("(func (export \"{name}\") (param \"n\" u32) (result u32) {lift})\n"));
        }
        text.push(')');
        let (engine, _) = crate::engine::engine(16).unwrap();
        let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let component = capabilities::linker(&engine).unwrap().instantiate_pre(&component).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(dir.path(), Quota { bytes: 1 << 20, files: 100 }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { engine, component, workspace, runtime, dir }
    }

    fn guest(&self, clock: Clock) -> Guest<'_> {
        let terminal = TerminalLog::new(Size::DEFAULT);
        let shared = Shared::new(wire::AgentId::new(), 1, terminal, Some(self.workspace.clone()));
        let context = wasi::context(&shared, &BTreeMap::new(), clock);
        let outbox = crate::outbox::Outbox::default();
        let limiter = Limiter::new(64 << 20);
        let workspace = self.workspace.clone();
        let state = AgentState::new(shared, workspace, limiter, context, Default::default(), outbox);
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_max_component_handles(1024);
        store.set_fuel(u64::MAX / 2).unwrap();
        let instance = self.runtime.block_on(self.component.instantiate_async(&mut store)).unwrap();
        Guest { world: self, store, instance }
    }
}

struct Guest<'w> {
    world: &'w World,
    store: Store<AgentState>,
    instance: wasmtime::component::Instance,
}

type Described = (Vec<OpenFile<Piece>>, Vec<Slot>);

impl<'w> Guest<'w> {
    fn try_call(&mut self, name: &str, n: u32) -> wasmtime::Result<u32> {
        let call = self.instance.get_typed_func::<(u32,), (u32,)>(&mut self.store, name)?;
        self.world.runtime.block_on(call.call_async(&mut self.store, (n,))).map(|(handle,)| handle)
    }

    fn call(&mut self, name: &str, n: u32) -> u32 {
        self.try_call(name, n).unwrap_or_else(|error| panic!("{name}({n}): {error:?}"))
    }

    /// A call that makes a handle: the shadow knew its number before and has it after.
    fn make(&mut self, name: &str, n: u32) -> u32 {
        let expected = self.state().shadow.free().clone().take();
        let handle = self.call(name, n);
        assert_eq!(handle, expected, "{name}({n})");
        assert!(self.state().shadow.live().any(|(number, _, _)| number == handle), "{name}({n})");
        handle
    }

    fn drop_handle(&mut self, resource: Resource, handle: u32) {
        self.call(&format!("drop-{}", resource.name()), handle);
        assert!(self.state().shadow.live().all(|(number, _, _)| number != handle));
    }

    fn state(&mut self) -> &mut AgentState {
        self.store.data_mut()
    }

    fn live(&mut self) -> Vec<(u32, u32, Kind)> {
        self.state().shadow.live().map(|(number, rep, kind)| (number, rep, kind.clone())).collect()
    }

    fn describe(&mut self) -> Described {
        self.state().describe_handles().unwrap()
    }

    fn stage(&mut self, (files, slots): &Described) -> Result<(), Unrestorable> {
        self.state().stage(files, slots, |piece| match piece {
            Piece::New(_, bytes) => Some(bytes.clone()),
            Piece::Stored(_) => None,
        })
    }

    /// What the host's restore does.
    fn restore(&mut self, described: &Described) -> Result<(), Unrestorable> {
        self.stage(described)?;
        for step in self.state().restore_steps() {
            match step {
                Step::Make { resource, staged, expect } => {
                    let handle = self.call(&format!("make-{}", resource.name()), staged);
                    assert_eq!(handle, expect, "{step:?}");
                }
                Step::Drop { resource, handle } => self.drop_handle(resource, handle),
            }
        }
        self.state().finish_restore()
    }

    /// The same guest in another instance; `before` may make handles of its own first.
    fn moved(mut self, before: impl FnOnce(&mut Guest<'w>)) -> Guest<'w> {
        let described = self.describe();
        let shown = self.state().monotonic_now();
        let world = self.world;
        drop(self);
        let mut again = world.guest(Clock::resumed(shown, std::time::Duration::ZERO));
        before(&mut again);
        again.restore(&described).unwrap();
        assert!(again.state().monotonic_now() >= shown);
        assert_eq!(again.describe(), described);
        again
    }
}

fn slot(index: u32, handle: Handle) -> Slot {
    Slot { index, handle }
}
