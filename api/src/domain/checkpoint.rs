//! A checkpoint's row.

use jiff::Timestamp;
use wire::{
    AgentId, CheckpointId, Digest,
    checkpoint::{CheckpointKind, CheckpointRef},
};

/// One row per durable checkpoint. There as long as one of these holds: an agent that is not final has it
/// as its last or the one before (forks count); or it was asked for and its agent is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where it is.
    pub at: CheckpointRef,
    /// Whose.
    pub agent: AgentId,
    /// The one it replaced.
    pub parent: Option<CheckpointId>,
    /// Why it was taken.
    pub kind: CheckpointKind,
    /// Said when it was asked for.
    pub note: Option<String>,
    /// The component it continues.
    pub image: Digest,
    /// Of the placement that took it.
    pub epoch: u64,
    /// Of the life it was taken in.
    pub timeline: u64,
    /// Everything it refers to, as stored, bytes.
    pub size_bytes: u64,
    /// What was stored for it alone, bytes.
    pub unique_bytes: u64,
    /// Entries of its agent's inbox up to this one are in it.
    pub inbox: u64,
    /// When it was committed.
    pub created_at: Timestamp,
}
