//! Hosts as operators see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HostId, Incarnation};

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its present start.
    pub incarnation: Incarnation,
    /// Whether it takes agents.
    pub state: HostState,
    /// Where the API reaches it, `host:port`.
    pub address: String,
    /// Most agents it takes.
    pub capacity_agents: u32,
    /// Agents on it, as it last said.
    pub agents: u32,
    /// Anonymous resident memory of its process, MiB, as it last said.
    pub memory_mib: u64,
    /// Seconds since its lease was last renewed.
    pub lease_age_seconds: f64,
    /// When it registered.
    pub registered_at: Timestamp,
    /// Its version of `claw`.
    pub version: String,
}

/// Whether a host takes agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Takes agents.
    Active,
    /// Takes no more and gives up what it has.
    Draining,
    /// Its lease ran out or it said goodbye.
    Dead,
}
