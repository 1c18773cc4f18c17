//! Every type that crosses a process boundary: client ↔ API, API ↔ host, host ↔ browser.
//!
//! Anything with `Serialize` is a promise to somebody, so it lives here and nowhere else; the
//! crates that decide things have domain types of their own and convert at their edge. Changes
//! are additive: a field may be added with a default, none is renamed or removed within a version.
//!
//! - [`ids`]: prefixed ULIDs and image digests
//! - [`agent`], [`image`], [`file`](mod@file), [`log`], [`fleet`], [`access`]: the REST bodies
//! - [`checkpoint`], [`message`]: suspended agents, forks, and what reaches an agent from outside
//! - [`problem`]: RFC 9457 errors
//! - [`terminal`]: the WebSocket protocol `openclaw.terminal.v1`
//! - [`host`]: what the API tells a host, and what a host reports

pub mod access;
pub mod agent;
mod base64_bytes;
pub mod checkpoint;
pub mod egress;
pub mod file;
pub mod fleet;
pub mod host;
pub mod ids;
pub mod image;
pub mod log;
pub mod message;
pub mod problem;
pub mod terminal;

pub use ids::{
    AgentId, CheckpointId, Digest, HostId, Incarnation, MessageId, PackId, RequestId, TenantId, TokenId,
};
