//! The WASI handles that a component holds, so that they survive its suspension.
//!
//! A component knows its handles by numbers that wasmtime gives out. The host sees every handle begin
//! (a function of its own answers one) and end (the component drops it), so it can follow which numbers
//! are taken: the [`shadow`]. From it a suspended component's handles are [described](describe), and
//! [revived](revive) under the same numbers by the [`plan`]'s steps:
//!
//! 1. [`AgentState::describe_handles`]: what goes into a checkpoint
//! 2. [`AgentState::stage`]: opens it all again, as a guest's own calls would
//! 3. [`AgentState::restore_steps`]: which handles to make and to drop, in which order
//! 4. [`AgentState::finish_restore`]: whether each has its number again
//!
//! [`AgentState::describe_handles`]: crate::agent::state::AgentState::describe_handles
//! [`AgentState::stage`]: crate::agent::state::AgentState::stage
//! [`AgentState::restore_steps`]: crate::agent::state::AgentState::restore_steps
//! [`AgentState::finish_restore`]: crate::agent::state::AgentState::finish_restore

mod clock;
mod describe;
mod kind;
mod plan;
mod revive;
pub(crate) mod shadow;
#[cfg(test)]
mod tests;

pub(crate) use clock::Clock;
pub(crate) use describe::Uncapturable;
pub(crate) use kind::{Kind, Line, Resource};
pub(crate) use plan::Step;
pub(crate) use revive::{Staging, Unrestorable, link};

/// Longest text of an error that is kept, bytes.
pub(crate) const MAX_ERROR_BYTES: usize = 4096;
/// What is left of all directory listings together, bytes.
pub(crate) const MAX_LISTING_BYTES: usize = 1 << 20;
/// What an entry of one costs besides its name, bytes.
pub(crate) const LISTED_BYTES: usize = 16;

/// What an agent's component holds.
pub(crate) type Shadow = shadow::Shadow<Kind>;
