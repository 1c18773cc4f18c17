//! What the control plane knows, as it decides on it. Not `Serialize`: the way out is `wire`.

pub mod agent;
pub mod checkpoint;
pub mod commit;
pub mod hook;
pub mod host;
pub mod state;
pub mod tenant;
