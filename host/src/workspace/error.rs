//! Why a change or a look at a workspace was refused.

use std::error::Error;
use std::io;

use rustix::io::Errno;

use super::{MAX_DEPTH, MAX_DESCRIPTORS, MAX_NAME_BYTES, MAX_PATH_BYTES};

/// A refusal. The guest sees it as an `error-code`, a REST caller as a problem.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// Nothing has this name.
    #[error("no such file or directory")]
    NotFound,
    /// Something has this name already.
    #[error("the name is taken")]
    Exists,
    /// A part of the path is not a directory.
    #[error("not a directory")]
    NotDirectory,
    /// The path names a directory.
    #[error("is a directory")]
    IsDirectory,
    /// The directory has entries.
    #[error("directory not empty")]
    NotEmpty,
    /// The path is no name of anything: empty parts, NUL, or `..` from a REST caller.
    #[error("not a valid path")]
    InvalidPath,
    /// The path, or one of its names, is over its bound.
    #[error("path over {MAX_PATH_BYTES} bytes, or a name in it over {MAX_NAME_BYTES}")]
    NameTooLong,
    /// Directories are nested at most so deep.
    #[error("directories nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// A name on the disk is not UTF-8.
    #[error("a name that is not UTF-8")]
    NotUnicode,
    /// A path or a link leads out of the workspace.
    #[error("the path leads out of the workspace")]
    Outside,
    /// Too many links in a path, or a link where none may be followed.
    #[error("too many symbolic links, or one where none is followed")]
    Loop,
    /// The bytes of the workspace are used up.
    #[error("no space left in the workspace: {quota} bytes")]
    NoSpace {
        /// Bytes the workspace may hold.
        quota: u64,
    },
    /// The entries of the workspace are used up.
    #[error("no files left in the workspace: {quota} files and directories")]
    NoFiles {
        /// Entries the workspace may hold.
        quota: u64,
    },
    /// Larger than any file may be.
    #[error("file too large")]
    TooLarge,
    /// The guest holds as many descriptors as it may.
    #[error("more than {MAX_DESCRIPTORS} open files and directories")]
    TooManyOpen,
    /// Neither a file nor a directory nor a link: such are never opened.
    #[error("not a regular file or directory")]
    Special,
    /// Hard links: a file has one name, so that its bytes are counted once.
    #[error("not supported in a workspace")]
    Unsupported,
    /// A tree too large to move to another depth in one step: copy it.
    #[error("too large to move at once")]
    MoveTooLarge,
    /// Flags that exclude each other, or a time that is none.
    #[error("invalid argument")]
    Invalid,
    /// Reading a descriptor that is open for writing only, or the other way round.
    #[error("the descriptor is not open for that")]
    NotOpenFor,
    /// The directory a path starts from cannot be changed.
    #[error("read-only")]
    ReadOnly,
    /// The range begins after the last byte.
    #[error("no such range in {size} bytes")]
    Range {
        /// Bytes of the file.
        size: u64,
    },
    /// The source of an upload failed; nothing was changed.
    #[error("reading the body of an upload")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// The disk under the workspace failed.
    #[error("disk")]
    Disk(#[source] io::Error),
}

impl From<io::Error> for WorkspaceError {
    fn from(error: io::Error) -> Self {
        let Some(errno) = Errno::from_io_error(&error) else {
            return match error.kind() {
                // What cap-std answers when a path would leave its directory.
                io::ErrorKind::PermissionDenied => Self::Outside,
                io::ErrorKind::InvalidInput => Self::InvalidPath,
                _ => Self::Disk(error),
            };
        };
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::EXIST => Self::Exists,
            Errno::NOTDIR => Self::NotDirectory,
            Errno::ISDIR => Self::IsDirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::NAMETOOLONG => Self::NameTooLong,
            Errno::LOOP => Self::Loop,
            Errno::FBIG => Self::TooLarge,
            Errno::INVAL | Errno::BUSY => Self::Invalid,
            // Opening a named pipe for writing, or a socket.
            Errno::NXIO | Errno::NODEV => Self::Special,
            _ => Self::Disk(error),
        }
    }
}

impl From<Errno> for WorkspaceError {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}
