//! A host's row and what the scheduler sees of it.

use jiff::Timestamp;
use wire::{HostId, Incarnation, fleet::HostState, image::Image};

/// One row per host. Liveness is this row's `seq`, never a clock comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its present start.
    pub incarnation: Incarnation,
    /// Whether it takes agents.
    pub state: HostState,
    /// Where the API reaches it, `host:port`.
    pub address: String,
    /// Where clients reach it, where they do.
    pub public_url: Option<String>,
    /// Most agents it takes.
    pub capacity: u32,
    /// Agents on it, as it last said.
    pub agents: u32,
    /// Anonymous resident memory, bytes, as it last said.
    pub memory_bytes: u64,
    /// Its last renewal.
    pub seq: u64,
    /// Its version of `claw`.
    pub version: String,
    /// What it can run.
    pub images: Vec<Image>,
    /// When it registered.
    pub registered_at: Timestamp,
    /// When it last renewed, by the store's clock: shown to people, never decided on.
    pub renewed_at: Timestamp,
}
