//! Write agents for OpenClaw Cloud in ordinary async Rust.
extern crate self as agent;

pub mod bindings;
mod combine;
pub mod editor;
#[doc(hidden)]
pub mod entry;
mod error;
mod events;
mod executor;
mod host;
pub mod log;
mod operation;
mod ops;
mod task;
pub mod terminal;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod types;

pub use combine::{Either, join, select};
pub use error::Error;
pub use events::{
    Event, MAX_QUEUED_INPUT, MAX_QUEUED_MESSAGES, next_event, next_input, next_message, unread,
};
pub use executor::{SLICE, yield_now};
pub use operation::{MAX_QUEUED_PARTS, Operation, operation};
pub use ops::{Request, Sleep, chat, fetch, send, sleep, tool};
pub use task::{Aborted, Task, spawn};
pub use terminal::interrupted;
pub use types::{Message, Response, Resume, Size, Start, Stop};
