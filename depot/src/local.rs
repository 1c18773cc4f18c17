//! A directory of this machine as a store.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    time::Duration,
};

use object_store::local::LocalFileSystem;

use crate::{OpenError, names};

/// A file that was begun this long ago and has no name yet never gets one.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// Creates the directory if there is none, for nobody else to read.
pub(crate) fn open(dir: &Path) -> Result<LocalFileSystem, OpenError> {
    let failed = |source| OpenError::Directory { dir: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    if let Some(parent) = dir.parent() {
        sync(parent).map_err(failed)?;
    }
    let packs = dir.join(names::PACKS);
    if let Err(error) = spread(&packs) {
        tracing::warn!(%error, "no room for the depot's directories: writes create theirs");
    }
    sweep(&packs).map_err(failed)?;
    let store =
        LocalFileSystem::new_with_prefix(dir).map_err(|error| OpenError::Settings(Box::new(error)))?;
    // Both the bytes and the name are on the disk before a write counts.
    Ok(store.with_fsync(true))
}

/// Creates the directories that packs are in. One that a write has to create has to reach the disk before it, and so has
/// its parent: such a write waits for four syncs instead of two.
fn spread(packs: &Path) -> io::Result<()> {
    let mut dirs = DirBuilder::new();
    dirs.recursive(true).mode(0o700);
    for name in names::shares() {
        dirs.create(packs.join(name))?;
    }
    sync(packs)?;
    packs.parent().map_or(Ok(()), sync)
}

/// A file that was found to be there: its name may not have reached the disk when whoever wrote it was killed.
pub(crate) fn settle(root: &Path, name: &object_store::path::Path) -> io::Result<()> {
    let mut path = root.join(name.as_ref());
    File::open(&path)?.sync_all()?;
    while path.pop() && path.starts_with(root) {
        sync(&path)?;
    }
    Ok(())
}

fn sync(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

/// Removes what a killed process was writing: object_store writes to the object's name, `#` and a number, and
/// links that under the name when it is complete.
fn sweep(packs: &Path) -> io::Result<()> {
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let dirs = match fs::read_dir(packs) {
        Err(error) if absent(&error) => return Ok(()),
        dirs => dirs?,
    };
    for dir in dirs {
        let files = match fs::read_dir(dir?.path()) {
            Err(error) if absent(&error) => continue,
            files => files?,
        };
        for file in files {
            let file = file?;
            let staged = file.file_name().to_str().is_some_and(|name| name.contains('#'));
            let old = || {
                let age = file.metadata().and_then(|meta| meta.modified()).ok()?.elapsed().ok()?;
                Some(age > LEFT_BEHIND)
            };
            if staged && old() == Some(true) {
                match fs::remove_file(file.path()) {
                    Err(error) if !absent(&error) => return Err(error),
                    _ => tracing::info!(file = %file.path().display(), "removed what was never finished"),
                }
            }
        }
    }
    Ok(())
}
