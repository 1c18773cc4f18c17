//! The tree on the host's disk, and every operation that changes it.
//!
//! cap-std resolves paths beneath the directory they start from, so no path, link or rename leads
//! out. Each operation looks, books and changes under one lock, so that the accounts are exact.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags};

use super::file::OpenFile;
use super::ledger::{Change, Inode, Ledger};
use super::stat::{Kind, Stat};
use super::{MAX_DEPTH, MAX_MOVE_ENTRIES, WorkspaceError};

/// Shared by the guest's descriptors and the host's own file calls.
#[derive(Debug)]
pub(super) struct Tree {
    /// What the guest sees as `/work`.
    pub(super) root: Arc<Dir>,
    /// The directory that holds the root and, out of the guest's sight, what belongs to it.
    pub(super) home: PathBuf,
    /// Names for uploads.
    pub(super) uploads: AtomicU64,
    pub(super) root_inode: Inode,
    pub(super) ledger: Ledger,
}

/// How to open. The default reads an existing file or directory and follows no link.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one flag of POSIX open")]
pub(super) struct How {
    pub(super) write: bool,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    pub(super) directory: bool,
    pub(super) follow: bool,
}

#[derive(Debug)]
pub(super) enum Opened {
    File(OpenFile),
    Dir(Dir),
}

impl Tree {
    pub(super) fn new(root: Dir, home: PathBuf, ledger: Ledger) -> Result<Self, WorkspaceError> {
        let root_inode = Stat::from(&root.dir_metadata()?).inode;
        Ok(Self { root: Arc::new(root), home, uploads: AtomicU64::new(0), root_inode, ledger })
    }

    /// Where uploads wait until they are complete. Opened for each: a handle kept for every agent would be one of the process's few.
    pub(super) fn incoming(&self) -> Result<Dir, WorkspaceError> {
        Ok(Dir::open_ambient_dir(self.home.join("incoming"), ambient_authority())?)
    }

    pub(super) fn open(self: &Arc<Self>, at: &Dir, path: &Path, how: How) -> Result<Opened, WorkspaceError> {
        if how.directory && (how.create || how.exclusive || how.truncate) {
            return Err(WorkspaceError::Invalid);
        }
        // Reading waits for nobody who copies the tree.
        let changes = how.create || how.truncate;
        let mut change = if changes { self.ledger.change() } else { self.ledger.book() };
        let file = open_raw(&mut change, at, path, how)?;
        let stat = Stat::from(&file.metadata()?);
        match stat.kind {
            Kind::Dir if how.write || how.truncate => Err(WorkspaceError::IsDirectory),
            Kind::Dir => Ok(Opened::Dir(Dir::from_std_file(file.into_std()))),
            Kind::File if how.directory => Err(WorkspaceError::NotDirectory),
            Kind::File => {
                let file = OpenFile::new(self, &mut change, file, &stat);
                let cut = if how.truncate { file.resize(&mut change, 0) } else { Ok(()) };
                // Before `file`, whose drop takes the same lock.
                drop(change);
                cut.map(|()| Opened::File(file))
            }
            Kind::Link => Err(WorkspaceError::Loop),
            Kind::Special(_) => Err(WorkspaceError::Special),
        }
    }

    pub(super) fn stat(at: &Dir, path: &Path, follow: bool) -> Result<Stat, WorkspaceError> {
        let meta = if follow { at.metadata(path) } else { at.symlink_metadata(path) };
        Ok(Stat::from(&meta?))
    }

    pub(super) fn create_dir(&self, at: &Dir, path: &Path) -> Result<(), WorkspaceError> {
        let (parent, name) = parent_of(at, path)?;
        let mut change = self.ledger.change();
        if parent.symlink_metadata(name).is_ok() {
            return Err(WorkspaceError::Exists);
        }
        if self.depth(&parent)? >= MAX_DEPTH {
            return Err(WorkspaceError::TooDeep);
        }
        change.charge_entry()?;
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        parent.create_dir_with(name, &builder).inspect_err(|_| change.refund_entry())?;
        Ok(())
    }

    pub(super) fn symlink(&self, at: &Dir, target: &Path, path: &Path) -> Result<(), WorkspaceError> {
        let mut change = self.ledger.change();
        if at.symlink_metadata(path).is_ok() {
            return Err(WorkspaceError::Exists);
        }
        change.charge_entry()?;
        // Refuses absolute targets; where relative ones lead is checked when they are followed.
        Dir::symlink(at, target, path).inspect_err(|_| change.refund_entry())?;
        Ok(())
    }

    pub(super) fn remove_file(&self, at: &Dir, path: &Path) -> Result<(), WorkspaceError> {
        let mut change = self.ledger.change();
        let stat = Self::stat(at, path, false)?;
        if stat.kind == Kind::Dir {
            return Err(WorkspaceError::IsDirectory);
        }
        at.remove_file(path)?;
        change.unlinked(stat.inode, stat.charged());
        Ok(())
    }

    /// Removes an upload. It is no part of the tree, so this waits for nobody who copies that.
    pub(super) fn discard(&self, name: &Path) -> Result<(), WorkspaceError> {
        let incoming = self.incoming()?;
        let mut change = self.ledger.book();
        let stat = Self::stat(&incoming, name, false)?;
        incoming.remove_file(name)?;
        change.unlinked(stat.inode, stat.charged());
        Ok(())
    }

    pub(super) fn remove_dir(&self, at: &Dir, path: &Path) -> Result<(), WorkspaceError> {
        let mut change = self.ledger.change();
        at.remove_dir(path)?;
        change.refund_entry();
        Ok(())
    }

    /// As POSIX: what `to` named before is gone in the same step.
    pub(super) fn rename(
        &self,
        from_dir: &Dir,
        from: &Path,
        to_dir: &Dir,
        to: &Path,
    ) -> Result<(), WorkspaceError> {
        let mut change = self.ledger.change();
        let source = Self::stat(from_dir, from, false)?;
        let target = match Self::stat(to_dir, to, false) {
            Ok(stat) => Some(stat),
            Err(WorkspaceError::NotFound) => None,
            Err(error) => return Err(error),
        };
        if source.kind == Kind::Dir {
            self.check_move(from_dir, from, to_dir, to)?;
        }
        from_dir.rename(from, to_dir, to)?;
        if let Some(target) = target.filter(|target| target.inode != source.inode) {
            change.unlinked(target.inode, target.charged());
        }
        Ok(())
    }

    /// A directory that moves down takes its subdirectories with it, which must fit under the
    /// bound; looking at them all is bounded too.
    fn check_move(&self, from_dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> Result<(), WorkspaceError> {
        let (from_parent, name) = parent_of(from_dir, from)?;
        let (to_parent, _) = parent_of(to_dir, to)?;
        let depth = self.depth(&to_parent)?;
        if depth <= self.depth(&from_parent)? {
            return Ok(());
        }
        let mut left = MAX_MOVE_ENTRIES;
        let room = MAX_DEPTH.checked_sub(depth + 1).ok_or(WorkspaceError::TooDeep)?;
        fits(&from_parent.open_dir_nofollow(name)?, room, &mut left)
    }

    /// Directories between `dir` and the root, by climbing: a directory may have been moved since
    /// its handle was opened.
    fn depth(&self, dir: &Dir) -> Result<usize, WorkspaceError> {
        if Stat::from(&dir.dir_metadata()?).inode == self.root_inode {
            return Ok(0);
        }
        let up = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = rustix::fs::openat(dir, "..", up, Mode::empty())?;
        for depth in 1..=MAX_DEPTH {
            let stat = rustix::fs::fstat(&at)?;
            if (Inode { device: stat.st_dev, number: stat.st_ino }) == self.root_inode {
                return Ok(depth);
            }
            at = rustix::fs::openat(&at, "..", up, Mode::empty())?;
        }
        Err(WorkspaceError::TooDeep)
    }
}

/// Opens, or creates and books, without looking at what it is. Never waits for a pipe's other end.
fn open_raw(change: &mut Change<'_>, at: &Dir, path: &Path, how: How) -> Result<File, WorkspaceError> {
    let waitless = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(how.write || how.truncate)
        .maybe_dir(true)
        .follow(if how.follow && !how.exclusive { FollowSymlinks::Yes } else { FollowSymlinks::No })
        .mode(0o600)
        .custom_flags(i32::try_from(waitless).unwrap_or(0));
    if how.create && how.exclusive {
        if at.symlink_metadata(path).is_ok() {
            return Err(WorkspaceError::Exists);
        }
    } else {
        match at.open_with(path, &options).map_err(WorkspaceError::from) {
            Err(WorkspaceError::NotFound) if how.create => {}
            opened => return opened,
        }
    }
    change.charge_entry()?;
    options.write(true).create(true);
    let created = at.open_with(path, &options).inspect_err(|_| change.refund_entry())?;
    Ok(created)
}

/// The directory that holds the last name of `path`, and that name.
fn parent_of<'p>(at: &Dir, path: &'p Path) -> Result<(Dir, &'p OsStr), WorkspaceError> {
    // `.` and `..` name what is there already.
    let name = path.file_name().ok_or(WorkspaceError::Exists)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((at.open_dir(parent)?, name)),
        _ => Ok((at.try_clone()?, name)),
    }
}

/// Whether `dir` has at most `room` levels of directories below it.
fn fits(dir: &Dir, room: usize, left: &mut usize) -> Result<(), WorkspaceError> {
    for entry in dir.entries()? {
        let entry = entry?;
        *left = left.checked_sub(1).ok_or(WorkspaceError::MoveTooLarge)?;
        if entry.file_type()?.is_dir() {
            let room = room.checked_sub(1).ok_or(WorkspaceError::TooDeep)?;
            fits(&dir.open_dir_nofollow(entry.file_name())?, room, left)?;
        }
    }
    Ok(())
}
