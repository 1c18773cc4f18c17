//! Makes a component suspendable: adds an instance to its exports through which a host reads and writes every
//! linear memory and mutable global, and makes the handles again that the component held.
//!
//! The component's own bytes stay as they are, but for exports that its core modules gain. What cannot be captured
//! this way is refused with its reason, [`Unsuspendable`].
//!
//! # The access instance
//!
//! [`ACCESS`] exports, for memory `k`, all offsets and lengths in bytes:
//! - `size{k}: func() -> u32`: its size in pages of 64 KiB
//! - `grow{k}: func(n: u32) -> s32`: grows it by `n` pages; the old size, or -1
//! - `read{k}: func(off: u32, len: u32) -> list<u8>`: a view of it. Nothing is copied: eight bytes of the memory carry
//!   the result and are put back by the function's post-return, so the view is valid, and whole, once that has run
//!   and until the component is entered again. The memory must have at least one page
//! - `write{k}: func(data: list<u8>)`: writes where the `seek` right before it said; nothing else is touched
//!
//! and once each:
//! - `seek: func(off: u32)`
//! - `gget: func(i: u32) -> u64` and `gset: func(i: u32, v: u64)`: the bits of part `i` of the globals
//!
//! and for resource `N` of [`Layout::resources`], when it is restorable:
//! - `make{N}: func(rep: u32) -> u32`: calls the import `openclaw-restore-{name}: func(rep: u32) -> own<R>` and
//!   answers the index of the handle it got, which stays the component's
//! - `drop{N}: func(handle: u32)`: drops a handle
//!
//! A call that traps (an offset out of bounds, a part that does not exist, a handle that is none) leaves the instance
//! unusable, as any trap does. Nothing of it allocates in the component, and nothing of it runs the component's code.

mod access;
mod error;
mod exports;
mod fuzz;
mod module;
mod resource;
mod scan;
mod wire;

pub use error::Unsuspendable;
pub use exports::exports;
#[doc(hidden)]
pub use fuzz::fuzz;

/// Version of the instrumenter. A checkpoint is bound to it: the order of memories, globals and resources may
/// change with it.
pub const VERSION: u32 = 1;

/// Name of the instance that an instrumented component exports.
pub const ACCESS: &str = "openclaw:checkpoint/access";

/// What the names of the imports begin with that make handles again.
pub const RESTORE: &str = "openclaw-restore-";

/// Names of the resources whose handles can be made again.
pub const RESTORABLE: [&str; 9] = [
    "descriptor",
    "directory-entry-stream",
    "input-stream",
    "output-stream",
    "pollable",
    "error",
    "terminal-input",
    "terminal-output",
    "network",
];

/// Bytes of a component, at most.
pub const MAX_COMPONENT_BYTES: usize = 64 << 20;
/// Core modules of a component, at most.
pub const MAX_MODULES: usize = 256;
/// Instances of core modules in a component, at most.
pub const MAX_INSTANCES: usize = 512;
/// Linear memories of a component, at most.
pub const MAX_MEMORIES: usize = 32;
/// Mutable globals of a component in parts of 64 bits, at most.
pub const MAX_GLOBALS: usize = 8192;
/// Resource types a component imports, at most.
pub const MAX_RESOURCES: usize = 1024;

/// A component that can be suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrumented {
    /// Its bytes.
    pub component: Vec<u8>,
    /// How to use what was added.
    pub layout: Layout,
}

/// What the access instance of a component gives access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Number of linear memories, of every core instance.
    pub memories: u32,
    /// Number of 64-bit parts of the mutable globals of every core instance: a `v128` has two, any other one.
    pub globals: u32,
    /// Every resource type that the component imports, each once.
    pub resources: Vec<Resource>,
}

impl Layout {
    /// Index of the restorable resource of this name: the `N` of its `make{N}` and `drop{N}`.
    #[must_use]
    pub fn resource_index(&self, name: &str) -> Option<usize> {
        self.resources.iter().position(|resource| resource.restorable && resource.name == name)
    }
}

/// A resource type that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The import it is of, such as `wasi:io/streams@0.2.9`; empty when it is an import by itself.
    pub interface: String,
    /// Its name, such as `output-stream`.
    pub name: String,
    /// Whether it has `make{N}` and `drop{N}`: its name is one of [`RESTORABLE`], and no resource before it has the
    /// same.
    pub restorable: bool,
}

/// Adds the access instance to a component.
///
/// # Errors
/// When the bytes are no valid component, or its state could not be captured whole.
pub fn instrument(component: &[u8]) -> Result<Instrumented, Unsuspendable> {
    let scan = scan::scan(component)?;
    let plan = access::Plan::of(&scan)?;
    let instrumented =
        Instrumented { component: wire::assemble(component, &scan, &plan), layout: plan.layout() };
    scan::validate(&instrumented.component)
        .map_err(|error| Unsuspendable::Output { message: error.to_string() })?;
    Ok(instrumented)
}
