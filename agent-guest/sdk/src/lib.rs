//! Write agents for OpenClaw Cloud in ordinary async Rust.
//!
//! An agent is a WebAssembly component that handles one event at a time. Between events it has no
//! stack, so the host can suspend it, move it and bring it back as the bytes of its memory. This crate makes
//! that look like a program: an `async fn` that starts, awaits, and goes on where it was.
//!
//! ```
//! use std::time::Duration;
//!
//! agent::main!(greeter);
//!
//! async fn greeter(start: agent::Start) -> Result<(), agent::Error> {
//!     agent::println!("Hello from {}.", start.name);
//!     loop {
//!         let typed = agent::next_input().await;
//!         agent::sleep(Duration::from_secs(1)).await?;
//!         agent::println!("A second ago: {}", String::from_utf8_lossy(&typed));
//!     }
//! }
//!
//! // Outside the cloud the same function runs on a fake host, for its tests:
//! let mut host = agent::testing::FakeHost::new();
//! host.start(greeter);
//! host.input("hi");
//! host.settle();
//! assert_eq!(host.text(), "Hello from test.\r\nA second ago: hi\r\n");
//! ```
//!
//! # Waiting
//! Whatever is slow is an [`Operation`]: [`sleep`], [`fetch`], [`chat`], [`tool`], [`send`]. The host
//! does it and the agent costs nothing meanwhile. Awaiting one gives its result or an [`Error`], whose cases ask for
//! different answers; dropping one cancels it; [`Operation::submit`] sends it before the first await.
//! `std::thread::sleep` works, but blocks the agent inside its event: use [`sleep`].
//! `std::io::stdin` gives nothing.
//!
//! # Side by side
//! [`spawn`] runs a future as a [`Task`] of its own; [`join`] and [`select`] run two within one. All of an agent
//! runs on one thread, so `Rc` and `RefCell` do, and nothing runs between two awaits.
//!
//! A long computation gives way with [`yield_now`]: other tasks go on, and every [`SLICE`]
//! the host delivers what was typed meanwhile. Code that cannot await asks [`interrupted`] about Ctrl-C.
//!
//! # The terminal
//! Every agent has one, and whoever opens the agent sees it. [`print!`] and [`println!`] write;
//! [`next_input`] gives typed bytes as they come, Ctrl-C included; [`editor`] makes lines of
//! them, with history and completion. [`next_event`] gives everything: input, sizes,
//! messages, and the news of a suspend or a stop.
//!
//! # Everything else
//! [`log`] writes entries with fields to the agent's log; a panic's message goes there too, before the trap.
//! Files under `/work` are `std::fs`, and belong to the agent. Clocks and random numbers are `std`'s.
//!
//! # Tests
//! [`testing`] runs agents natively, on virtual time, with plain `cargo test`. It is there on
//! every target but WebAssembly.

// The macros name `agent::`, and here that is this crate.
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
