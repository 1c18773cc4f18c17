//! The stamps on the disk, beside the tree: a host that starts an agent again need not write what is there.
//!
//! Nothing is synced to the disk, so after a crash of the machine a file may look as it did and hold something
//! else. Therefore an index is of use in the boot it was written in only.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use checkpoint::Hash;
use serde::{Deserialize, Serialize};

use super::{Remembered, Stamp, Stat, digest};

/// Its name beside the tree.
const NAME: &str = "index";
/// The name it has while it is written.
const UNFINISHED: &str = "index.new";
/// Bytes of an index; a larger one is not written, and its files are compared instead.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Bytes that an entry takes beside its path, at most.
const MAX_ENTRY_BYTES: u64 = 400;
/// Names the boot of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What is written.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    boot: String,
    files: HashMap<String, Known>,
}

/// A file: how it looked, and a digest of what it held.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    digest: Hash,
}

/// What was kept by an earlier life of the workspace.
#[derive(Debug, Default)]
pub(in crate::workspace) struct Kept(HashMap<String, Known>);

impl Kept {
    /// Digest of what the file `path` holds, if it looks as it did.
    pub(in crate::workspace) fn digest(&self, path: &str, stat: &Stat) -> Option<Hash> {
        self.0.get(path).filter(|known| known.stamp == Stamp::from(stat)).map(|known| known.digest)
    }
}

/// Writes what `remembered` knows for certain.
pub(in crate::workspace) fn keep(home: &Path, remembered: &Remembered) -> io::Result<()> {
    let mut size = 0;
    let mut files = HashMap::new();
    for (entry, content, stamp) in remembered.settled() {
        size += entry.path.len() as u64 + MAX_ENTRY_BYTES;
        if size > MAX_INDEX_BYTES {
            return forget(home);
        }
        files.insert(entry.path.clone(), Known { stamp: *stamp, digest: digest(content) });
    }
    if files.is_empty() {
        return forget(home);
    }
    let unfinished = home.join(UNFINISHED);
    let mut file = BufWriter::new(File::create(&unfinished)?);
    serde_json::to_writer(&mut file, &Index { boot: fs::read_to_string(BOOT)?, files })?;
    file.flush()?;
    fs::rename(unfinished, home.join(NAME))
}

/// What was kept in `home`; nothing if that cannot be believed.
pub(in crate::workspace) fn recall(home: &Path) -> Kept {
    let read = || -> io::Result<Index> {
        let file = File::open(home.join(NAME))?.take(MAX_INDEX_BYTES);
        Ok(serde_json::from_reader(BufReader::new(file))?)
    };
    let boot = fs::read_to_string(BOOT).ok();
    match read() {
        Ok(index) if boot.is_some_and(|boot| boot == index.boot) => Kept(index.files),
        _ => Kept::default(),
    }
}

/// Removes what was kept: it says nothing about what is written from now on.
pub(in crate::workspace) fn forget(home: &Path) -> io::Result<()> {
    match fs::remove_file(home.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
