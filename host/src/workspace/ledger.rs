//! The accounts of one workspace: what its tree holds, and what it may hold.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::WorkspaceError;

/// What a workspace may hold. Bytes are logical file sizes, holes included; directories and links
/// count as entries only, so the disk behind it needs at most `bytes` + 4 KiB * `files`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Sum of the file sizes.
    pub bytes: u64,
    /// Files, directories and symbolic links.
    pub files: u64,
}

/// What a workspace holds, in the units of [`Quota`]. A deleted file counts until it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Sum of the file sizes.
    pub bytes: u64,
    /// Files, directories and symbolic links.
    pub files: u64,
}

/// Device and number: what tells one file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
}

/// A file that is open somewhere.
#[derive(Debug, Default)]
struct Open {
    handles: u64,
    /// It has no name any more; its bytes are released with its last handle.
    unlinked: bool,
}

#[derive(Debug)]
pub(super) struct Ledger {
    quota: Quota,
    // Written only under `open`; read by anybody.
    bytes: AtomicU64,
    files: AtomicU64,
    /// Changes of the tree so far.
    changes: AtomicU64,
    /// Whoever holds it is the only one to change the tree, for as long as copying it takes.
    tree: Mutex<()>,
    /// Held for a few system calls at most: closing a file must not wait for a copy.
    open: Mutex<HashMap<Inode, Open>>,
}

impl Ledger {
    pub(super) fn new(quota: Quota, usage: Usage) -> Self {
        Self {
            quota,
            bytes: AtomicU64::new(usage.bytes),
            files: AtomicU64::new(usage.files),
            changes: AtomicU64::new(0),
            tree: Mutex::default(),
            open: Mutex::default(),
        }
    }

    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { bytes: self.bytes.load(Relaxed), files: self.files.load(Relaxed) }
    }

    /// Grows with every change of the tree.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// Nobody else changes the tree until the result is dropped.
    pub(super) fn hold(&self) -> Held<'_> {
        // A panic inside leaves numbers that are consistent on their own.
        Held(self.tree.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every change of the tree happens inside this: looking at what is there, booking and
    /// changing it is one step. Held for a few system calls at most.
    pub(super) fn change(&self) -> Change<'_> {
        let held = self.hold();
        self.changes.fetch_add(1, Relaxed);
        Change { held: Some(held), ..self.book() }
    }

    /// Booking alone, for who does not change the tree, or [holds](Ledger::hold) it already.
    pub(super) fn book(&self) -> Change<'_> {
        Change { ledger: self, open: self.open.lock().unwrap_or_else(PoisonError::into_inner), held: None }
    }

    /// As [`Ledger::change`], for who holds the tree.
    pub(super) fn change_held(&self, _: &Held<'_>) -> Change<'_> {
        self.changes.fetch_add(1, Relaxed);
        self.book()
    }
}

/// The tree, kept from changing.
#[derive(Debug)]
pub(super) struct Held<'a>(#[expect(dead_code, reason = "held, not used")] MutexGuard<'a, ()>);

/// The right to change the tree, held by one thread at a time.
#[derive(Debug)]
pub(super) struct Change<'a> {
    ledger: &'a Ledger,
    // Before the tree, in the order of taking them backwards.
    open: MutexGuard<'a, HashMap<Inode, Open>>,
    #[expect(dead_code, reason = "held, not used")]
    held: Option<Held<'a>>,
}

impl Change<'_> {
    /// Bytes that may be added.
    pub(super) fn free_bytes(&self) -> u64 {
        self.ledger.quota.bytes.saturating_sub(self.ledger.usage().bytes)
    }

    pub(super) fn charge_bytes(&mut self, bytes: u64) -> Result<(), WorkspaceError> {
        if bytes > self.free_bytes() {
            return Err(WorkspaceError::NoSpace { quota: self.ledger.quota.bytes });
        }
        self.ledger.bytes.store(self.ledger.usage().bytes + bytes, Relaxed);
        Ok(())
    }

    pub(super) fn refund_bytes(&mut self, bytes: u64) {
        self.ledger.bytes.store(self.ledger.usage().bytes.saturating_sub(bytes), Relaxed);
    }

    pub(super) fn charge_entry(&mut self) -> Result<(), WorkspaceError> {
        let files = self.ledger.usage().files;
        if files >= self.ledger.quota.files {
            return Err(WorkspaceError::NoFiles { quota: self.ledger.quota.files });
        }
        self.ledger.files.store(files + 1, Relaxed);
        Ok(())
    }

    pub(super) fn refund_entry(&mut self) {
        self.ledger.files.store(self.ledger.usage().files.saturating_sub(1), Relaxed);
    }

    /// Books what was here before, more than the quota or not: it can shrink, not grow.
    pub(super) fn add(&mut self, bytes: u64, files: u64) {
        let usage = self.ledger.usage();
        self.ledger.bytes.store(usage.bytes.saturating_add(bytes), Relaxed);
        self.ledger.files.store(usage.files.saturating_add(files), Relaxed);
    }

    /// A handle on a file begins.
    pub(super) fn opened(&mut self, inode: Inode) {
        self.open.entry(inode).or_default().handles += 1;
    }

    /// A name was removed, and with it `bytes` unless somebody still reads or writes them.
    pub(super) fn unlinked(&mut self, inode: Inode, bytes: u64) {
        if let Some(open) = self.open.get_mut(&inode) {
            open.unlinked = true;
            return;
        }
        self.refund_bytes(bytes);
        self.refund_entry();
    }

    /// A handle ends. True when it was the last one of a file without a name.
    pub(super) fn closed(&mut self, inode: Inode) -> bool {
        let Some(open) = self.open.get_mut(&inode) else { return false };
        open.handles = open.handles.saturating_sub(1);
        if open.handles > 0 {
            return false;
        }
        self.open.remove(&inode).is_some_and(|open| open.unlinked)
    }
}
