//! Refusals as the guest sees them.

use wasmtime::component::ResourceTableError;

use crate::bindings::filesystem::wasi::filesystem::types::ErrorCode;
use crate::workspace::WorkspaceError;

/// How a call of the guest did not succeed.
#[derive(Debug)]
pub enum FsError {
    /// The guest gets an `error-code`.
    Refused(WorkspaceError),
    /// The guest is broken and ends.
    Trap(wasmtime::Error),
}

impl From<WorkspaceError> for FsError {
    fn from(error: WorkspaceError) -> Self {
        Self::Refused(error)
    }
}

impl From<std::io::Error> for FsError {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ResourceTableError> for FsError {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Refused(WorkspaceError::TooManyOpen),
            error => Self::Trap(error.into()),
        }
    }
}

/// The closest code of the interface.
pub(in crate::workspace) fn code(error: &WorkspaceError) -> ErrorCode {
    match error {
        WorkspaceError::NotFound => ErrorCode::NoEntry,
        WorkspaceError::Exists => ErrorCode::Exist,
        WorkspaceError::NotDirectory => ErrorCode::NotDirectory,
        WorkspaceError::IsDirectory => ErrorCode::IsDirectory,
        WorkspaceError::NotEmpty => ErrorCode::NotEmpty,
        WorkspaceError::InvalidPath | WorkspaceError::Invalid | WorkspaceError::Range { .. } => {
            ErrorCode::Invalid
        }
        WorkspaceError::NameTooLong | WorkspaceError::TooDeep => ErrorCode::NameTooLong,
        WorkspaceError::NotUnicode => ErrorCode::IllegalByteSequence,
        WorkspaceError::Outside | WorkspaceError::Special => ErrorCode::NotPermitted,
        WorkspaceError::Loop => ErrorCode::Loop,
        WorkspaceError::NoSpace { .. } | WorkspaceError::NoFiles { .. } => ErrorCode::InsufficientSpace,
        WorkspaceError::TooLarge => ErrorCode::FileTooLarge,
        // The interface has no "too many open files".
        WorkspaceError::TooManyOpen => ErrorCode::InsufficientMemory,
        WorkspaceError::Unsupported => ErrorCode::Unsupported,
        // What makes `mv` copy instead.
        WorkspaceError::MoveTooLarge => ErrorCode::CrossDevice,
        WorkspaceError::NotOpenFor => ErrorCode::BadDescriptor,
        WorkspaceError::ReadOnly => ErrorCode::ReadOnly,
        WorkspaceError::Body(_) => ErrorCode::Io,
        WorkspaceError::Disk(source) => {
            tracing::warn!(error = %source, "workspace: the disk failed");
            match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    ErrorCode::InsufficientSpace
                }
                _ => ErrorCode::Io,
            }
        }
    }
}

/// An error that a guest was holding when it was suspended: all that it can still be asked.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Remembered {
    pub(super) text: String,
    pub(super) code: Option<ErrorCode>,
}

/// What `filesystem-error-code` answers.
pub(super) fn code_of_failure(error: &wasmtime::Error) -> Option<ErrorCode> {
    match error.downcast_ref::<Remembered>() {
        Some(remembered) => remembered.code,
        None => error.downcast_ref::<WorkspaceError>().map(code),
    }
}
