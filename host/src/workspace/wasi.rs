//! The guest's side: `wasi:filesystem` as the component sees it.
//!
//! A bad handle is a broken guest and traps; everything else is an `error-code`.

mod capture;
mod descriptor;
mod error;
mod host;
mod reopen;
mod revive;
mod stream;

use wasmtime::component::{HasData, Linker, ResourceTable};

use crate::bindings::filesystem::wasi::filesystem::{preopens, types};
use crate::handles::Shadow;
use crate::workspace::Workspace;

pub(crate) use capture::OpenFiles;
pub use descriptor::{Descriptor, Entries};
pub use error::FsError;
pub(crate) use revive::{Reopened, dummy_descriptor, dummy_entries};
pub(crate) use stream::{ReadCursor, WriteCursor};

#[cfg(test)]
pub(super) use error::code as code_of;

/// What the guest's calls work on, borrowed from the store for one call.
#[derive(Debug)]
pub struct WorkspaceView<'a> {
    /// The store's resources; its capacity bounds them.
    pub table: &'a mut ResourceTable,
    /// The numbers the component knows them by.
    pub(crate) shadow: &'a mut Shadow,
    /// The agent's files.
    pub workspace: &'a Workspace,
}

struct HasWorkspace;

impl HasData for HasWorkspace {
    type Data<'a> = WorkspaceView<'a>;
}

/// Links `wasi:filesystem/types` and `preopens`. The streams they hand out are wasmtime-wasi's
/// types, so its `wasi:io` has to be linked too, and its own filesystem must not.
///
/// # Errors
///
/// When the linker has these interfaces already.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> WorkspaceView<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<T, HasWorkspace>(linker, view)?;
    preopens::add_to_linker::<T, HasWorkspace>(linker, view)
}
