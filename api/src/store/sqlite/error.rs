//! SQLite's errors in the store's words.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a store's file cannot be used. Each says what a person can do about it; the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A later version of claw wrote it.
    #[error("{} was written by a newer claw (its schema is {found}, this one knows up to {supported}); upgrade claw", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest this build reads.
        supported: i64,
    },
    /// Another process is using it.
    #[error("{} is in use by another process; stop that one", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("{} cannot be written; make it and its directory belong to the user that runs claw, on a writable file system", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// No space is left.
    #[error("no space is left for {}; free some", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// It is not a store's file, or a damaged one.
    #[error("{} is not a store of claw, or is damaged; restore it from a backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The system refused for another reason.
    #[error("cannot open {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it was.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::ReadOnly { path }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { path, source },
            _ => Self::Io { path, source: Box::new(source) },
        }
    }

    /// The exit code a process should end with, after sysexits.h: 65 data, 74 input or output, 75 try
    /// again later, 77 permission.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Newer { .. } | Self::Corrupt { .. } => 65,
            Self::Full { .. } | Self::Io { .. } => 74,
            Self::Locked { .. } => 75,
            Self::ReadOnly { .. } => 77,
        }
    }
}

impl From<io::Error> for OpenError {
    /// A thread could not be started.
    fn from(source: io::Error) -> Self {
        Self::Io { path: PathBuf::from("the store's threads"), source: Box::new(source) }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(source.into()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { what: "database", source: source.into() }
            }
            _ => match source {
                FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => {
                    Self::Corrupt { what: "row", source: source.into() }
                }
                other => Self::Unavailable(other.into()),
            },
        }
    }
}

/// The store was closed before the step was taken.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// The step ended with a panic, which the log has, or its thread did.
pub(super) fn abandoned() -> StoreError {
    StoreError::Unavailable("the step was abandoned".into())
}
