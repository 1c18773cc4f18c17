//! What can go wrong, by what to do about it.

use std::{error::Error as StdError, io};

use checkpoint::DecodeError;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepotError {
    /// It does not answer, or not in time. Later it may.
    #[error("the object store is not available: {0}")]
    Unavailable(String),
    /// It has no room. Once it has, it works again.
    #[error("the object store is full: {0}")]
    Full(String),
    /// There is no such object.
    #[error("{what} is not in the object store")]
    Missing {
        /// Which.
        what: String,
    },
    /// What is there is not what was stored.
    #[error("{what} in the object store is damaged: {why}")]
    Corrupt {
        /// Which.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is as it was stored, and still not to be used.
    #[error("{what} cannot be used: {why}")]
    Refused {
        /// Which.
        what: String,
        /// Why.
        #[source]
        why: DecodeError,
    },
    /// It is more than is stored or read at once.
    #[error("{what} has {bytes} bytes, at most {max} are taken")]
    TooLarge {
        /// What.
        what: String,
        /// Its size, bytes.
        bytes: u64,
        /// The bound.
        max: u64,
    },
}

impl DepotError {
    /// Whether trying again later is of use.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its address is not one.
    #[error("{url:?} is no object store: {why}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// This build has no S3.
    #[error("{url:?}: this build cannot use S3; build claw with `--features s3`")]
    NotBuilt {
        /// The address.
        url: String,
    },
    /// The directory cannot be made or used.
    #[error("the directory {} cannot be used", dir.display())]
    Directory {
        /// Which.
        dir: std::path::PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store's own settings are wrong.
    #[error("the object store's settings are wrong")]
    Settings(#[source] Box<dyn StdError + Send + Sync>),
}

/// What an error of the store means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may work the next time.
    Again(String),
    /// It will not, for a while.
    Unavailable(String),
    Full(String),
    Missing,
    Exists,
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;
        match &error {
            Error::NotFound { .. } => Self::Missing,
            Error::AlreadyExists { .. } => Self::Exists,
            Error::Generic { .. } | Error::JoinError { .. } if is_full(&error) => Self::Full(chain(&error)),
            Error::Generic { .. } | Error::JoinError { .. } => Self::Again(chain(&error)),
            // Wrong credentials, no permission, no such operation: nothing that a second try changes.
            _ => Self::Unavailable(chain(&error)),
        }
    }
}

fn is_full(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            use io::ErrorKind::{QuotaExceeded, StorageFull};
            if matches!(error.kind(), StorageFull | QuotaExceeded) {
                return true;
            }
        }
        next = error.source();
    }
    false
}

/// An error and its causes in one line, without saying anything twice.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
