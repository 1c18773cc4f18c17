//! What is known of an entry without opening it.

use cap_std::fs::{FileType, FileTypeExt, Metadata, MetadataExt};

use super::ledger::Inode;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Dir,
    Link,
    /// Placed by somebody on the host: listed and removable, never opened.
    Special(Special),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    Pipe,
    Socket,
    BlockDevice,
    CharDevice,
    Unknown,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Dir
        } else if kind.is_symlink() {
            Self::Link
        } else if kind.is_fifo() {
            Self::Special(Special::Pipe)
        } else if kind.is_socket() {
            Self::Special(Special::Socket)
        } else if kind.is_block_device() {
            Self::Special(Special::BlockDevice)
        } else if kind.is_char_device() {
            Self::Special(Special::CharDevice)
        } else {
            Self::Special(Special::Unknown)
        }
    }
}

/// Seconds and nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

impl Time {
    fn new(seconds: i64, nanoseconds: i64) -> Self {
        Self { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) kind: Kind,
    /// Logical bytes: of files their length, of links that of their target, of directories 0.
    pub(super) size: u64,
    pub(super) links: u64,
    pub(super) accessed: Time,
    pub(super) modified: Time,
    pub(super) changed: Time,
    pub(super) inode: Inode,
}

impl Stat {
    /// Bytes that its owner is charged.
    pub(super) fn charged(&self) -> u64 {
        if self.kind == Kind::File { self.size } else { 0 }
    }
}

impl From<&Metadata> for Stat {
    fn from(meta: &Metadata) -> Self {
        let kind = Kind::from(meta.file_type());
        Self {
            kind,
            // A directory's length says how its disk stores it, which differs between hosts.
            size: if kind == Kind::Dir { 0 } else { meta.len() },
            links: meta.nlink(),
            accessed: Time::new(meta.atime(), meta.atime_nsec()),
            modified: Time::new(meta.mtime(), meta.mtime_nsec()),
            changed: Time::new(meta.ctime(), meta.ctime_nsec()),
            inode: Inode { device: meta.dev(), number: meta.ino() },
        }
    }
}
