//! An agent's directory on this host: its workspace, and the screen a planned stop left.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use crate::terminal::log::{Kept, MAX_SNAPSHOT_BYTES};

const SCREEN: &str = "screen.json";

/// Makes a directory for this user alone; one that is there stays as it is.
pub(crate) fn create(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Writes down a terminal, whole or not at all.
pub(crate) fn keep(dir: &Path, kept: &Kept) -> io::Result<()> {
    let temporary = dir.join("screen.tmp");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let mut writer = io::BufWriter::new(&file);
    serde_json::to_writer(&mut writer, kept)?;
    writer.flush()?;
    file.sync_all()?;
    fs::rename(temporary, dir.join(SCREEN))
}

/// Takes what [`keep`] left: it is good for one restart. A file that cannot be read is as good as none.
pub(crate) fn take(dir: &Path) -> Option<Kept> {
    let path = dir.join(SCREEN);
    let length = fs::metadata(&path).ok()?.len();
    // JSON escapes make it longer, at most six bytes for one.
    let kept = (length <= MAX_SNAPSHOT_BYTES as u64 * 6).then(|| fs::read(&path).ok()).flatten();
    // A crash from here on must not bring back a screen that is older than its offsets.
    let _ = fs::remove_file(&path);
    serde_json::from_slice(&kept?).ok()
}

/// Removes an agent's directory; none there is fine.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_kept_for_one_restart() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept { generation: 1, offset: 9, cols: 80, rows: 24, screen: "\x1b[31mé".to_owned() };
        keep(dir.path(), &kept).unwrap();
        assert_eq!(take(dir.path()), Some(kept));
        assert_eq!(take(dir.path()), None);
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SCREEN), b"{").unwrap();
        assert_eq!(take(dir.path()), None);
        assert!(!dir.path().join(SCREEN).exists());
    }
}
