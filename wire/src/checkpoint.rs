//! Checkpoints: where one lies, and how its owner sees it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AgentId, CheckpointId, Digest, PackId};

/// Most forks of one request.
pub const MAX_FORKS: u32 = 100;
/// Longest `note` of a checkpoint, bytes.
pub const MAX_NOTE_BYTES: usize = 256;

/// Where a checkpoint's manifest lies, and what it must hash to. Whoever holds one can read the checkpoint, and
/// nothing else can pass for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// Its id.
    pub id: CheckpointId,
    /// The object its manifest is in.
    pub pack: PackId,
    /// First byte of the manifest in it.
    pub offset: u64,
    /// Bytes of the manifest as stored.
    pub length: u32,
    /// SHA-256 of those bytes.
    pub sha256: Digest,
}

/// Why a checkpoint was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// By the host, because the agent changed; replaced by later ones.
    Automatic,
    /// Somebody asked; kept until it is deleted.
    Requested,
}

impl CheckpointKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Requested => "requested",
        }
    }

    /// From the name on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Automatic, Self::Requested].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A checkpoint as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checkpoint {
    /// Its id.
    pub id: CheckpointId,
    /// Whose.
    pub agent: AgentId,
    /// The one before it, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<CheckpointId>,
    /// Why it was taken.
    pub kind: CheckpointKind,
    /// SHA-256 of its manifest, which holds the hashes of everything in it.
    pub sha256: Digest,
    /// The component it continues.
    pub image_digest: Digest,
    /// Of the placement that took it.
    pub epoch: u64,
    /// Everything it refers to, as stored, bytes.
    pub size_bytes: u64,
    /// What was stored for it alone, bytes.
    pub unique_bytes: u64,
    /// Said when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// When it was committed.
    pub created_at: Timestamp,
}

/// The body of `POST /v1/agents/{id}/checkpoints`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointRequest {
    /// For people, at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The body of `POST /v1/agents/{id}/restore`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// One of the agent's own.
    pub checkpoint: CheckpointId,
}

/// What forks start from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ForkFrom {
    /// The agent as it is now: a checkpoint is taken first, the agent goes on.
    #[default]
    Now,
    /// Its last durable checkpoint.
    Latest,
    /// This one of its checkpoints.
    #[serde(untagged)]
    Checkpoint(CheckpointId),
}

/// The body of `POST /v1/agents/{id}/forks`. What is given can only narrow what the agent may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ForkRequest {
    /// How many. 1..=100.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100))]
    pub count: u32,
    /// From where.
    pub from: ForkFrom,
    /// A name for all of them; numbered ones are made up when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most the agent's own, each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<crate::agent::Limits>,
    /// In place of the agent's own pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<std::collections::BTreeMap<String, String>>,
    /// Who they may send messages to; must be a part of what the agent may. Absent: the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_to: Option<Vec<crate::message::Recipient>>,
    /// Where they may send requests to; must be a part of where the agent may. Absent: the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<crate::egress::Rule>>,
    /// At most the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u32>,
    /// At most what is left of the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u32>,
}

impl Default for ForkRequest {
    fn default() -> Self {
        Self {
            count: 1,
            from: ForkFrom::Now,
            name: None,
            limits: None,
            metadata: None,
            send_to: None,
            egress: None,
            idle_timeout_seconds: None,
            max_lifetime_seconds: None,
        }
    }
}

/// What became of one fork.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ForkResult {
    /// It was made.
    Agent {
        /// As it is now.
        agent: Box<crate::agent::Agent>,
    },
    /// It was not.
    Problem {
        /// Why.
        problem: crate::problem::Problem,
    },
}

/// The answer to a fork request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Forks {
    /// The checkpoint they started from.
    pub checkpoint: CheckpointId,
    /// One for each that was asked for.
    pub results: Vec<ForkResult>,
}

/// Where an agent came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lineage {
    /// The agent it was forked from.
    pub agent: AgentId,
    /// The checkpoint it started from.
    pub checkpoint: CheckpointId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_from_is_a_word_or_an_id() {
        let id = CheckpointId::new();
        let of = |text: &str| serde_json::from_str::<ForkFrom>(text);
        assert_eq!(of("\"now\"").unwrap(), ForkFrom::Now);
        assert_eq!(of("\"latest\"").unwrap(), ForkFrom::Latest);
        assert_eq!(of(&format!("\"{id}\"")).unwrap(), ForkFrom::Checkpoint(id));
        assert!(of("\"yesterday\"").is_err());
    }
}
