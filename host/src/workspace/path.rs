//! What may be a path at all. Where a path leads is cap-std's concern.

use std::path::Path;

use super::{MAX_NAME_BYTES, MAX_PATH_BYTES, WorkspaceError};

/// A path as a guest gives it, relative to one of its directories.
pub(super) fn of_guest(path: &str) -> Result<&Path, WorkspaceError> {
    if path.is_empty() {
        return Err(WorkspaceError::NotFound);
    }
    bounded(path)?;
    if path.starts_with('/') {
        return Err(WorkspaceError::Outside);
    }
    Ok(Path::new(path))
}

/// A path as a REST caller gives it: plain names, relative to the root, `/` between them.
pub(super) fn of_caller(path: &str) -> Result<&Path, WorkspaceError> {
    bounded(path)?;
    let plain = |name: &str| !matches!(name, "" | "." | "..");
    if !path.split('/').all(plain) {
        return Err(WorkspaceError::InvalidPath);
    }
    Ok(Path::new(path))
}

/// What a symbolic link says. It may point anywhere inside, by a relative path.
pub(super) fn of_link(target: &str) -> Result<&Path, WorkspaceError> {
    of_guest(target)
}

fn bounded(path: &str) -> Result<(), WorkspaceError> {
    if path.len() > MAX_PATH_BYTES || path.split('/').any(|name| name.len() > MAX_NAME_BYTES) {
        return Err(WorkspaceError::NameTooLong);
    }
    if path.contains('\0') {
        return Err(WorkspaceError::InvalidPath);
    }
    Ok(())
}
