//! What is known of files that are stored: as long as a file looks as it did, it is not read again.
//!
//! A file is known by its inode, length, and times of modification and change, as in git's index. The
//! time of change is the kernel's own; but its clock is coarse, so a file that changed just before it was
//! looked at may change again and look the same. Such a file is not believed: see [`MARGIN_NS`].

mod index;

use std::time::SystemTime;

use checkpoint::manifest::{Content, Entry, Node, Tree};
use checkpoint::{ChunkRef, Hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ledger::Inode;
use super::stat::{Stat, Time};

pub(super) use index::{Kept, forget, keep, recall};

/// How much older than the look at it a file's last change must be, nanoseconds. The kernel stamps changes
/// with a clock that moves once per tick, at most 10 ms; this is ample.
const MARGIN_NS: i64 = 50_000_000;

/// How a file looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    device: u64,
    number: u64,
    size: u64,
    modified_ns: i64,
    changed_ns: i64,
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        let Inode { device, number } = stat.inode;
        let (modified_ns, changed_ns) = (nanoseconds(stat.modified), nanoseconds(stat.changed));
        Self { device, number, size: stat.size, modified_ns, changed_ns }
    }
}

/// How the files of a tree looked when it was captured.
#[derive(Debug, Clone)]
pub(crate) struct Stamps {
    /// Of the tree that was captured.
    pub(super) changes: u64,
    /// When it was looked at, nanoseconds since 1970. Later when nothing has changed until then.
    pub(super) looked_ns: i64,
    /// For each entry of the tree; of files only.
    pub(super) files: Vec<Option<Stamp>>,
}

impl Stamps {
    /// Whether a file that looks like `stamp` at two times cannot have changed between them.
    fn settled(&self, stamp: &Stamp) -> bool {
        stamp.changed_ns.saturating_add(MARGIN_NS) < self.looked_ns
    }
}

/// A tree that is stored.
#[derive(Debug)]
pub(super) struct Remembered {
    /// In the order of the paths.
    pub(super) tree: Tree<ChunkRef>,
    pub(super) stamps: Stamps,
}

impl Remembered {
    /// What the file `path` holds, if it looks as it did.
    pub(super) fn content(&self, path: &str, stat: &Stat) -> Option<&Content<ChunkRef>> {
        let at = self.tree.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        let stamp = self.stamps.files.get(at)?.as_ref()?;
        let same = *stamp == Stamp::from(stat) && self.stamps.settled(stamp);
        match &self.tree.entries[at].node {
            Node::File(content) if same => Some(content),
            _ => None,
        }
    }

    /// The files that can be believed, each with its path.
    fn settled(&self) -> impl Iterator<Item = (&Entry<ChunkRef>, &Content<ChunkRef>, &Stamp)> {
        self.tree.entries.iter().zip(&self.stamps.files).filter_map(|(entry, stamp)| {
            match (&entry.node, stamp) {
                (Node::File(content), Some(stamp)) if self.stamps.settled(stamp) => {
                    Some((entry, content, stamp))
                }
                _ => None,
            }
        })
    }
}

/// Says what a file holds by what its pieces hold.
pub(super) fn digest(content: &Content<ChunkRef>) -> Hash {
    let mut digest = Sha256::new();
    digest.update(content.size.to_le_bytes());
    for piece in &content.pieces {
        match piece {
            None => digest.update([0]),
            Some(chunk) => {
                digest.update([1]);
                digest.update(chunk.hash);
            }
        }
    }
    digest.finalize().into()
}

/// Since 1970. Times beyond what fits, the years 1677 to 2262, are cut to that.
pub(super) fn nanoseconds(time: Time) -> i64 {
    time.seconds.saturating_mul(1_000_000_000).saturating_add(time.nanoseconds.into())
}

/// Now, since 1970.
pub(super) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_just_changed_is_not_believed() {
        let changed_ns = 1_000_000_000;
        let stamp = Stamp { device: 1, number: 2, size: 3, modified_ns: 0, changed_ns };
        let looked = |looked_ns| Stamps { changes: 0, looked_ns, files: Vec::new() }.settled(&stamp);
        assert!(looked(changed_ns + MARGIN_NS + 1));
        for young in [changed_ns + MARGIN_NS, changed_ns, changed_ns - 1] {
            assert!(!looked(young));
        }
    }

    #[test]
    fn times_out_of_range_are_cut() {
        let of = |seconds| nanoseconds(Time { seconds, nanoseconds: 999_999_999 });
        assert_eq!((of(i64::MAX), of(i64::MIN), of(1)), (i64::MAX, i64::MIN + 999_999_999, 1_999_999_999));
    }
}
