//! Counting a tree that was there before: the accounts begin with what is on the disk.

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use super::ledger::Usage;
use super::stat::Stat;
use super::{MAX_COUNTED, MAX_DEPTH, WorkspaceError};

/// What is below `dir`.
pub(super) fn count(dir: &Dir) -> Result<Usage, WorkspaceError> {
    let mut usage = Usage::default();
    add(dir, MAX_DEPTH, &mut usage)?;
    Ok(usage)
}

fn add(dir: &Dir, room: usize, usage: &mut Usage) -> Result<(), WorkspaceError> {
    for entry in dir.entries()? {
        let entry = entry?;
        let meta = entry.metadata()?;
        usage.bytes = usage.bytes.saturating_add(Stat::from(&meta).charged());
        usage.files += 1;
        if usage.files > MAX_COUNTED {
            return Err(WorkspaceError::NoFiles { quota: MAX_COUNTED });
        }
        if meta.is_dir() {
            let room = room.checked_sub(1).ok_or(WorkspaceError::TooDeep)?;
            add(&dir.open_dir_nofollow(entry.file_name())?, room, usage)?;
        }
    }
    Ok(())
}
