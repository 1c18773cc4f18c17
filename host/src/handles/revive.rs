//! Makes a checkpoint's handles again: first what they stand for, all at once; then the component is handed
//! one after the other through its imports `openclaw-restore-<resource>`.

use bytes::Bytes;
use checkpoint::manifest::{Handle, OpenFile, Slot};
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource as Own},
};
use wasmtime_wasi::p2::bindings::{
    cli::{terminal_input::TerminalInput, terminal_output::TerminalOutput},
    sockets::network::Network,
};
use wasmtime_wasi_io::{
    poll::{DynPollable, subscribe},
    streams::{DynInputStream, DynOutputStream, Error},
};

use super::{
    Kind, LISTED_BYTES, MAX_LISTING_BYTES, Resource,
    plan::{DUMMY, Step, plan},
};
use crate::{
    agent::state::{AgentState, MAX_HANDLES},
    capabilities::wasi::MAX_LINE_BYTES,
    workspace::{
        WorkspaceError,
        wasi::{Descriptor, Entries, Reopened},
    },
};

/// Entries of the table while a restore makes dummies.
const MAX_RESTORE_ENTRIES: usize = 4 * MAX_HANDLES;

/// Why a checkpoint's handles cannot be made again. The instance is of no use after it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrestorable {
    /// The description is none that a host has written.
    #[error("the description of its handles is not valid: {0}")]
    Forged(&'static str),
    /// What was open is not there, or is something else.
    #[error("it had `{path}` open, below its workspace")]
    Gone {
        /// Below `/work`.
        path: String,
        /// Why it does not open.
        #[source]
        source: WorkspaceError,
    },
    /// The workspace refuses what a handle needs.
    #[error("what it had open does not fit into its workspace")]
    Refused(#[source] WorkspaceError),
    /// A piece of a nameless file could not be read.
    #[error("a piece of a file it had open is missing")]
    Missing,
    /// The table of resources refuses.
    #[error("its handles")]
    Table(#[source] wasmtime::Error),
    /// The component did not get the handles it had.
    #[error("its handles are not what they were: {0}")]
    Differs(String),
}

/// What the handles will be, until the component has them.
#[derive(Debug)]
pub(crate) struct Staging {
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    /// The number it must get.
    index: u32,
    rep: u32,
    kind: Kind,
    taken: bool,
}

impl AgentState {
    /// Prepares what the handles `slots` stand for. `read` gives a piece of a file without a name. The
    /// instance must be fresh, and its workspace and clock those of the checkpoint.
    ///
    /// # Errors
    /// When a handle cannot be what it was; policy and bounds are those of a guest's own calls.
    pub(crate) fn stage<C>(
        &mut self,
        files: &[OpenFile<C>],
        slots: &[Slot],
        read: impl FnMut(&C) -> Option<Bytes>,
    ) -> Result<(), Unrestorable> {
        check(slots)?;
        self.table.set_max_capacity(MAX_RESTORE_ENTRIES);
        let workspace = self.workspace.clone();
        let files = workspace.reopen(files, slots.iter().map(|slot| &slot.handle), read)?;
        let mut made = Vec::with_capacity(slots.len());
        for slot in slots {
            made.push(self.prepare(&files, &slot.handle)?);
        }
        let mut staged = Vec::with_capacity(slots.len());
        for (place, slot) in slots.iter().enumerate() {
            let (rep, kind) = match (&made[place], &slot.handle) {
                (Some((rep, kind)), _) => (*rep, kind.clone()),
                (None, Handle::Pollable { of }) => {
                    let stream = slots.binary_search_by_key(of, |slot| slot.index).ok();
                    let stream = stream.and_then(|place| made[place].as_ref());
                    let (of, kind) = stream.ok_or(Unrestorable::Forged("a pollable of no stream"))?;
                    (self.subscribe(*of, kind)?, Kind::Pollable(*of))
                }
                (None, _) => return Err(Unrestorable::Forged("a handle of no kind")),
            };
            staged.push(Staged { index: slot.index, rep, kind, taken: false });
        }
        self.staging = Some(Staging { staged });
        Ok(())
    }

    /// The calls of the access module after which the component has exactly the staged handles.
    pub(crate) fn restore_steps(&self) -> Vec<Step> {
        let Some(staging) = &self.staging else { return Vec::new() };
        let held: Vec<_> = self.shadow.live().map(|(number, _, kind)| (number, kind.resource())).collect();
        let wanted: Vec<_> =
            staging.staged.iter().map(|staged| (staged.index, staged.kind.resource())).collect();
        plan(self.shadow.free().clone(), &held, &wanted)
    }

    /// The steps are done: from now on nothing is staged.
    ///
    /// # Errors
    /// When the component does not hold exactly the staged handles.
    pub(crate) fn finish_restore(&mut self) -> Result<(), Unrestorable> {
        let staging = self.staging.take();
        self.table.set_max_capacity(MAX_HANDLES);
        let staged = staging.map(|staging| staging.staged).unwrap_or_default();
        let here = self.shadow.live().map(|(number, rep, _)| (number, rep));
        let there = staged.iter().map(|staged| (staged.index, staged.rep));
        if !here.eq(there) {
            let text = format!("it holds {} instead of {}", self.shadow.live().len(), staged.len());
            return Err(Unrestorable::Differs(text));
        }
        Ok(())
    }

    fn prepare(&mut self, files: &Reopened, handle: &Handle) -> Result<Option<(u32, Kind)>, Unrestorable> {
        if let Some(made) = self.view().revive(handle).map_err(Unrestorable::Table)? {
            return Ok(Some(made));
        }
        self.workspace.revive(&mut self.table, files, handle)
    }

    fn subscribe(&mut self, of: u32, kind: &Kind) -> Result<u32, Unrestorable> {
        let pollable = match kind.resource() {
            Resource::Input => subscribe(&mut self.table, Own::<DynInputStream>::new_borrow(of)),
            Resource::Output => subscribe(&mut self.table, Own::<DynOutputStream>::new_borrow(of)),
            _ => return Err(Unrestorable::Forged("a pollable of no stream")),
        };
        Ok(pollable.map_err(Unrestorable::Table)?.rep())
    }

    /// The component asks for the staged handle `number`, as one of `resource`: its rep.
    fn take_staged(&mut self, resource: Resource, number: u32) -> wasmtime::Result<u32> {
        let Some(staging) = &mut self.staging else {
            return Err(wasmtime::Error::msg("nothing is being restored"));
        };
        if number == DUMMY {
            let rep = self.view().dummy(resource)?;
            self.shadow.insert(Kind::Dummy(resource), rep);
            return Ok(rep);
        }
        let staged = staging.staged.get_mut(number as usize);
        let staged = staged.filter(|staged| !staged.taken && staged.kind.resource() == resource);
        let staged = staged.ok_or_else(|| wasmtime::Error::msg("no such handle is being restored"))?;
        staged.taken = true;
        let number = self.shadow.insert(staged.kind.clone(), staged.rep);
        if number != staged.index {
            let text = format!("handle {} is restored as {number}", staged.index);
            return Err(wasmtime::Error::msg(text));
        }
        Ok(staged.rep)
    }
}

/// What can be checked without opening anything.
fn check(slots: &[Slot]) -> Result<(), Unrestorable> {
    let mut entries = 0;
    let mut listings = 0;
    let mut before = 0;
    for Slot { index, handle } in slots {
        if *index <= before || *index as usize > MAX_HANDLES {
            return Err(Unrestorable::Forged("numbers that no handles have"));
        }
        before = *index;
        entries += 1;
        match handle {
            // Behind a timer's pollable is its deadline.
            Handle::Timer { .. } => entries += 1,
            Handle::Stderr(line) if line.len() > MAX_LINE_BYTES => {
                return Err(Unrestorable::Forged("a line that is too long"));
            }
            Handle::Entries(left) => {
                listings += left.iter().map(|(_, name)| name.len() + LISTED_BYTES).sum::<usize>();
            }
            _ => {}
        }
    }
    if entries > MAX_HANDLES {
        return Err(Unrestorable::Forged("more handles than a component may hold"));
    }
    if listings > MAX_LISTING_BYTES {
        return Err(Unrestorable::Forged("listings that are too long"));
    }
    Ok(())
}

/// Links `openclaw-restore-<resource>` for every resource, which only a component with an access module
/// imports.
///
/// # Errors
/// When they are linked already.
pub(crate) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    for resource in Resource::ALL {
        match resource {
            Resource::Descriptor => import::<Descriptor>(linker, resource),
            Resource::Entries => import::<Entries>(linker, resource),
            Resource::Input => import::<DynInputStream>(linker, resource),
            Resource::Output => import::<DynOutputStream>(linker, resource),
            Resource::Pollable => import::<DynPollable>(linker, resource),
            Resource::Error => import::<Error>(linker, resource),
            Resource::TerminalInput => import::<TerminalInput>(linker, resource),
            Resource::TerminalOutput => import::<TerminalOutput>(linker, resource),
            Resource::Network => import::<Network>(linker, resource),
        }?;
    }
    Ok(())
}

fn import<T: 'static>(linker: &mut Linker<AgentState>, resource: Resource) -> wasmtime::Result<()> {
    let name = format!("openclaw-restore-{}", resource.name());
    linker.root().func_wrap(&name, move |mut store: StoreContextMut<'_, AgentState>, (number,): (u32,)| {
        let rep = store.data_mut().take_staged(resource, number)?;
        Ok((Own::<T>::new_own(rep),))
    })
}
