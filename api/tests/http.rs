//! The API as its clients and hosts see it: over HTTP, with a scripted host in place of a real one.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside a test function, where clippy allows it"
)]

#[path = "http/agents.rs"]
mod agents;
#[path = "http/checkpoints.rs"]
mod checkpoints;
#[path = "http/contract.rs"]
mod contract;
#[path = "http/files.rs"]
mod files;
#[path = "http/fleet.rs"]
mod fleet;
#[path = "http/harness.rs"]
mod harness;
#[path = "http/homes.rs"]
mod homes;
#[path = "http/host.rs"]
mod host;
#[path = "http/kept.rs"]
mod kept;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/lost.rs"]
mod lost;
#[path = "http/messages.rs"]
mod messages;
#[path = "http/sessions.rs"]
mod sessions;
#[path = "http/sockets.rs"]
mod sockets;
#[path = "http/suspending.rs"]
mod suspending;
#[path = "http/tokens.rs"]
mod tokens;
