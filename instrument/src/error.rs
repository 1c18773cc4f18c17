//! Why a component is not suspendable.

/// Why a component is not suspendable, in a sentence.
///
/// `module` is the index of a core module among those of the component, the first is 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuspendable {
    /// The bytes do not begin as a component does.
    #[error("not a component: a core module must be made one first, as `wasm-tools component new` does")]
    NotAComponent,
    /// The bytes are no valid component.
    #[error("not a valid component: {message}")]
    Invalid {
        /// What the validator says.
        message: String,
    },
    /// The component is valid, but only by a proposal that brings state of its own: garbage collection, async
    /// functions, streams and futures, threads of components, pages of other sizes.
    #[error("uses a part of WebAssembly whose state cannot be captured: {message}")]
    Proposal {
        /// What the validator says without the proposal.
        message: String,
    },
    /// There is more of something than is taken.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// What is taken.
        limit: usize,
    },
    /// A core module changes a table while it runs; a table's elements are references, which have no bits to keep.
    #[error("core module {module} changes a table while it runs (`{operator}`); tables cannot be captured")]
    TableMutation {
        /// The core module.
        module: usize,
        /// The first such instruction.
        operator: &'static str,
    },
    /// A core module has or imports a mutable global that holds a reference.
    #[error("core module {module} has a mutable global that holds a reference, which cannot be captured")]
    ReferenceGlobal {
        /// The core module.
        module: usize,
    },
    /// A core module has or imports a memory that threads share.
    #[error("core module {module} has a shared memory; build it without threads")]
    SharedMemory {
        /// The core module.
        module: usize,
    },
    /// A core module has or imports a memory of 64-bit addresses.
    #[error("core module {module} has a memory of 64-bit addresses; build it for wasm32")]
    Memory64 {
        /// The core module.
        module: usize,
    },
    /// A component within the component holds a core module, whose instances cannot be reached.
    #[error(
        "a nested component holds a core module; compose components another way, or run them as agents of their own"
    )]
    NestedModule,
    /// The component, or one within it, takes a core module from elsewhere or hands one out.
    #[error("imports, exports or aliases a core module, whose instances cannot be told")]
    ModuleImport,
    /// The component, or one within it, takes a component from an instance, or the component imports one.
    #[error("imports a component, or aliases one of an instance, whose state cannot be reached")]
    ComponentImport,
    /// The component imports an interface that has interfaces, modules or components within.
    #[error("the imported `{interface}` holds more than types and functions")]
    NestedInterface {
        /// The import.
        interface: String,
    },
    /// The component defines a resource type: its handles and what they stand for are in no memory.
    #[error("defines a resource type; only resources of the host can be made again")]
    ExportedResource,
    /// A core module that has state is instantiated more than once.
    #[error("core module {module} has state and is instantiated more than once")]
    MultipleInstantiation {
        /// The core module.
        module: usize,
    },
    /// The component uses a name that the instrumenter adds; it may be instrumented already.
    #[error(
        "uses the reserved name `{name}`; upload the component as it was built, not as it was instrumented"
    )]
    ReservedName {
        /// The name.
        name: String,
    },
    /// The result is not valid: an error of the instrumenter.
    #[error("could not be instrumented, which is an error of ours: {message}")]
    Output {
        /// What the validator says.
        message: String,
    },
}

impl Unsuspendable {
    /// What a validator found.
    pub(crate) fn invalid(error: &wasmparser::BinaryReaderError) -> Self {
        Self::Invalid { message: error.to_string() }
    }
}
