//! An agent's log: numbered entries, the oldest dropped first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How much an entry matters; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Finest.
    Trace,
    /// For its author.
    Debug,
    /// For its user.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// Who wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The agent, by its log import.
    Agent,
    /// The agent's standard error.
    Stderr,
    /// The host, about the agent.
    Host,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogEntry {
    /// Grows by one for each entry of an agent; a hole means entries were dropped.
    pub seq: u64,
    /// When it was written.
    pub time: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// Who wrote it.
    pub source: Source,
    /// The text.
    pub message: String,
    /// More, for machines.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub fields: BTreeMap<String, String>,
}
