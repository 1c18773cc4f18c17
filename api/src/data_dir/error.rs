//! Why a data directory cannot be used.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// Why a data directory cannot be used. Each says what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "{} is in use by another claw{}; stop that one or choose another directory with --data",
        path.display(),
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who, as far as it can be told.
        process: Option<u32>,
    },
    /// This user may not.
    #[error(
        "no permission for {}; make it and all in it belong to the user that runs claw, or choose another directory with --data",
        path.display()
    )]
    Permission {
        /// The entry.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its file system is mounted read-only.
    #[error(
        "{} is on a read-only file system; remount it writable or choose another directory with --data",
        path.display()
    )]
    ReadOnly {
        /// The entry.
        path: PathBuf,
    },
    /// Its file system or the user's share of it is full, or nearly.
    #[error(
        "not enough space for {}{}; at least 16 MiB must be free",
        path.display(),
        free_bytes.map(|bytes| format!(": {bytes} bytes are free")).unwrap_or_default()
    )]
    NoSpace {
        /// The entry.
        path: PathBuf,
        /// How much is free, where that was the question.
        free_bytes: Option<u64>,
    },
    /// Something else has its name.
    #[error("{} is in the way: a directory is needed there; move it or choose another with --data", path.display())]
    NotADirectory {
        /// The entry.
        path: PathBuf,
    },
    /// A later version of claw wrote it.
    #[error(
        "{} was written by a newer claw (its format is {found}, this one knows up to {supported}); upgrade claw",
        path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest this build reads.
        supported: u32,
    },
    /// A file of it is not what it must be.
    #[error("{} is damaged: {what}; restore it from a backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// In which way.
        what: &'static str,
    },
    /// The system refused for another reason.
    #[error("cannot use {}", path.display())]
    Io {
        /// The entry.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl DataDirError {
    /// Sorts an error of the system by what a person would do about it.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::PermissionDenied => Self::Permission { path, source },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { path, free_bytes: None },
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => Self::NotADirectory { path },
            _ => Self::Io { path, source },
        }
    }

    /// The exit code a process should end with, after sysexits.h: 65 data, 74 input or output, 75 try
    /// again later, 77 permission.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Newer { .. } | Self::Corrupt { .. } => 65,
            Self::NoSpace { .. } | Self::NotADirectory { .. } | Self::Io { .. } => 74,
            Self::Locked { .. } => 75,
            Self::Permission { .. } | Self::ReadOnly { .. } => 77,
        }
    }
}
