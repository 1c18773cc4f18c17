//! Going through a tree by plain names: no link is followed, and a path may be longer than the kernel takes at
//! once.

use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use super::{MAX_DEPTH, MAX_NAME_BYTES, WorkspaceError};

/// Bytes of a path from the root: every directory of a guest's may be at its longest.
pub(super) const MAX_WALK_BYTES: usize = (MAX_DEPTH + 1) * (MAX_NAME_BYTES + 1);

/// The way to a directory, so that its neighbours are near.
#[derive(Debug)]
pub(super) struct Walk {
    root: Arc<Dir>,
    below: Vec<(String, Dir)>,
}

impl Walk {
    pub(super) fn new(root: &Arc<Dir>) -> Self {
        Self { root: Arc::clone(root), below: Vec::new() }
    }

    /// The directory `path`; the root when it is empty.
    pub(super) fn dir(&mut self, path: &str) -> Result<&Dir, WorkspaceError> {
        check(path)?;
        let names = || path.split('/').filter(|name| !name.is_empty());
        let known = self.below.iter().zip(names()).take_while(|((below, _), name)| below == name).count();
        self.below.truncate(known);
        for name in names().skip(known) {
            let dir = self.here().open_dir_nofollow(name)?;
            self.below.push((name.to_owned(), dir));
        }
        Ok(self.here())
    }

    /// The directory that holds the last name of `path`, and that name.
    pub(super) fn parent<'p>(&mut self, path: &'p str) -> Result<(&Dir, &'p str), WorkspaceError> {
        let (parent, name) = split(path);
        if name.is_empty() {
            return Err(WorkspaceError::InvalidPath);
        }
        check(path)?;
        Ok((self.dir(parent)?, name))
    }

    fn here(&self) -> &Dir {
        self.below.last().map_or(&self.root, |(_, dir)| dir)
    }
}

/// A path's parent, empty for the root, and its last name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Plain names with `/` between them, or nothing.
pub(super) fn check(path: &str) -> Result<(), WorkspaceError> {
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if path.len() > MAX_WALK_BYTES || path.split('/').any(|name| name.len() > MAX_NAME_BYTES) {
        return Err(WorkspaceError::NameTooLong);
    }
    if !path.is_empty() && !path.split('/').all(plain) {
        return Err(WorkspaceError::InvalidPath);
    }
    Ok(())
}
