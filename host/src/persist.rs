//! An agent's directory on this host.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path};

/// Makes a directory for this user alone; one that is there stays as it is.
pub(crate) fn create(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Removes an agent's directory; none there is fine.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
