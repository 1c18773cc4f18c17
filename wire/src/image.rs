//! Images: components an agent can be spawned from.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// An image as its users see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Image {
    /// The component's SHA-256.
    pub digest: Digest,
    /// The name it can be spawned by.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Size of the component, bytes.
    pub size_bytes: u64,
    /// Interfaces it imports, such as `wasi:filesystem/types@0.2.6`.
    pub imports: Vec<String>,
    /// What drives it: the agent's contract, or `wasi:cli/run`.
    #[serde(default)]
    pub kind: ImageKind,
    /// Whether its agents can be checkpointed.
    pub suspendable: bool,
    /// Why they cannot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_suspendable: Option<String>,
    /// Whether it can take over the state of another version, and give up its own.
    #[serde(default)]
    pub upgradable: bool,
    /// Time to compile it ahead of time, milliseconds; absent when the artefact came from the cache.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub compile_ms: Option<u64>,
}

/// What drives an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// Events, by `openclaw:agent/handler`.
    #[default]
    Agent,
    /// Itself, by `wasi:cli/run`: its standard input and output are the terminal.
    Command,
}
