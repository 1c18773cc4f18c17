//! The data plane: runs agents as WebAssembly components, each in its own store with its own
//! grants, and gives them terminals, logs, operations and a workspace. It knows no database and no
//! tenancy policy: it obeys the grants that come with a start.

mod agent;
mod agents;
mod bindings;
mod capabilities;
mod engine;
mod executor;
mod images;
mod journal;
mod persist;
mod terminal;
pub mod workspace;
