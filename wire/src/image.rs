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
    /// Whether its agents can be checkpointed.
    pub suspendable: bool,
    /// Time to compile it ahead of time, milliseconds; absent when the artefact came from the cache.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub compile_ms: Option<u64>,
}
