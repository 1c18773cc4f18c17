//! Files of an agent's workspace.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Largest file body of one request, bytes.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Most entries in one listing; the rest follows by `cursor`.
pub const MAX_LISTING: usize = 1000;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; it never leads out of the workspace.
    Symlink,
}

/// One entry below `/work`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileEntry {
    /// Relative to `/work`, with `/` between names.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes; 0 for directories.
    pub size_bytes: u64,
    /// When its content last changed.
    pub modified_at: Timestamp,
}
