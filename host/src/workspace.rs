//! The workspace of an agent: a directory of the host that the guest sees as `/work`.
//!
//! This is the host's own `wasi:filesystem` because every change has to pass through one place:
//! bytes and entries are accounted and refused before they reach the disk. The guest's calls
//! ([`wasi`]) and the host's own ([`Workspace::read`] and its neighbours) share the accounts.
//!
//! - Operations run on the calling thread, in pieces of at most [`MAX_PIECE_BYTES`]: guests have
//!   threads of their own, and the page cache answers in microseconds. When the disk does not, the
//!   guest's turn ends ([`Workspace::take_time`] is what its calls cost).
//! - `sync` and `sync-data` succeed at once: durability is what checkpoints give, not the disk of a
//!   host that may be gone in a minute.
//! - There are no hard links (a file's bytes are counted once) and no absolute link targets.
//! - A stream's write is whole or refused, so it can be repeated; `descriptor.write` may be short.

mod capture;
mod count;
mod error;
mod file;
mod files;
mod ledger;
mod pace;
mod path;
mod restore;
mod stamps;
mod stat;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
pub mod wasi;

use std::hash::RandomState;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};

pub(crate) use capture::Captured;
pub use error::WorkspaceError;
pub use files::{Listing, Reading, Upload};
pub use ledger::{Quota, Usage};
pub(crate) use restore::RestoreError;
pub(crate) use stamps::Stamps;
pub use wasi::{WorkspaceView, add_to_linker};

use ledger::Ledger;
use pace::Pace;
use stamps::Remembered;
use tree::Tree;

/// Bytes of one path, as the kernel's own bound.
pub const MAX_PATH_BYTES: usize = 4096;
/// Bytes of one name in a path, as the kernel's own bound.
pub const MAX_NAME_BYTES: usize = 255;
/// Levels of directories below `/work`: enough for any build tree, and little enough that a walk
/// may hold one descriptor per level.
pub const MAX_DEPTH: usize = 64;
/// Files, directories and listings that a guest holds open at once.
pub const MAX_DESCRIPTORS: usize = 256;
/// Bytes of one read or write.
pub const MAX_PIECE_BYTES: usize = 64 * 1024;
/// Entries looked at when a directory moves to a deeper place; with more it must be copied.
const MAX_MOVE_ENTRIES: usize = 4096;
/// Entries counted when a workspace is opened; no quota is higher.
const MAX_COUNTED: u64 = 1_000_000;

/// Where the guest finds its workspace.
pub const GUEST_PATH: &str = "/work";

/// One agent's files. Clones share everything.
#[derive(Debug, Clone)]
pub struct Workspace {
    tree: Arc<Tree>,
    /// What the guest holds open, of [`MAX_DESCRIPTORS`].
    descriptors: Arc<AtomicUsize>,
    pace: Arc<Pace>,
    /// What of the tree is stored, and how to know it again. Locked after the tree.
    remembered: Arc<Mutex<Option<Remembered>>>,
    /// Key of the identities that guests see instead of inode numbers.
    identity: RandomState,
}

impl Workspace {
    /// Opens, and creates where missing, the workspace kept in `dir`: its tree is `dir/work`, and
    /// `dir/incoming` holds uploads until they are complete. Counts what is there.
    ///
    /// At most one may be open for a directory at a time; nobody else may change it meanwhile.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or the tree is deeper or larger than any workspace may be. More than
    /// `quota` is no error: it can shrink, not grow.
    pub fn open(dir: &Path, quota: Quota) -> Result<Self, WorkspaceError> {
        // The only ambient authority: everything below goes through these two handles.
        Dir::create_ambient_dir_all(dir, ambient_authority())?;
        let home = Dir::open_ambient_dir(dir, ambient_authority())?;
        let root = subdirectory(&home, "work")?;
        let incoming = subdirectory(&home, "incoming")?;
        for entry in incoming.entries()? {
            // Uploads that a crash cut off.
            incoming.remove_file(entry?.file_name())?;
        }
        // From here on it may change.
        stamps::forget(dir)?;
        let usage = count::count(&root)?;
        let quota = Quota { files: quota.files.min(MAX_COUNTED), ..quota };
        let tree = Tree::new(root, dir.to_owned(), Ledger::new(quota, usage))?;
        Ok(Self {
            tree: Arc::new(tree),
            descriptors: Arc::default(),
            pace: Arc::default(),
            remembered: Arc::default(),
            identity: RandomState::new(),
        })
    }

    /// What it may hold.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.tree.ledger.quota()
    }

    /// What it holds now; cheap.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.tree.ledger.usage()
    }

    /// How long the guest's calls took since this was last asked: its owner meters that like fuel.
    /// Calls that take long let other agents go first by themselves.
    #[must_use]
    pub fn take_time(&self) -> Duration {
        self.pace.take()
    }

    /// A place among the guest's descriptors, given back when dropped.
    fn slot(&self) -> Result<Slot, WorkspaceError> {
        let taken = self
            .descriptors
            .fetch_update(Relaxed, Relaxed, |open| (open < MAX_DESCRIPTORS).then_some(open + 1));
        taken.map_err(|_| WorkspaceError::TooManyOpen)?;
        Ok(Slot(Arc::clone(&self.descriptors)))
    }
}

#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn subdirectory(home: &Dir, name: &str) -> Result<Dir, WorkspaceError> {
    let mut private = DirBuilder::new();
    private.mode(0o700);
    match home.create_dir_with(name, &private) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(home.open_dir(name)?),
    }
}
