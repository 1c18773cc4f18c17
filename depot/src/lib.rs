//! Checkpoints in an object store: packs in, chunks and manifests out.
//!
//! A [`Depot`] is a directory of this machine, or a bucket that speaks S3 (feature `aws`; see [`Depot::open`]).
//! What it says to be stored is durable, and what it reads is verified by hash before anyone sees it. Requests
//! that fail are tried again for a while ([`Patience`]).

mod cache;
mod error;
mod local;
mod names;
mod open;
mod patience;
mod read;
mod write;

#[cfg(feature = "aws")]
mod s3;

pub mod faulty;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use object_store::ObjectStore;
use open::Address;

pub use cache::CACHE_BYTES;
pub use error::{DepotError, OpenError};
pub use patience::Patience;
pub use write::Listed;

/// An object store. Clones are the same one.
#[derive(Clone)]
pub struct Depot(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    /// Where it is, when it is a directory.
    root: Option<PathBuf>,
    /// It lists in the order of the names.
    ordered: bool,
    patience: Patience,
    cache: cache::Cache,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    puts: AtomicU64,
    gets: AtomicU64,
    deletes: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    failures: AtomicU64,
}

/// What was done since the depot was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects written.
    pub puts: u64,
    /// Requests that read from one object.
    pub gets: u64,
    /// Deletions; a store may not tell whether there was something.
    pub deletes: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Bytes read, as stored.
    pub bytes_in: u64,
    /// Requests that failed or read what was damaged, each try for itself.
    pub failures: u64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot").field("store", &self.0.store.to_string()).finish_non_exhaustive()
    }
}

impl Depot {
    /// Opens `file:///absolute/directory`, which is created for its owner alone, or
    /// `s3://bucket/prefix?region=…&endpoint=…`. An endpoint may be `http://…`, for a store on the same machine.
    /// S3 takes credentials, and what the address does not say, from the environment as its other clients do
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, web
    /// identity, the machine's role). Blocks for as long as it takes to look at a directory.
    ///
    /// # Errors
    /// When the address is none, or the directory cannot be used.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        match open::parse(url)? {
            Address::Local(dir) => Self::local(&dir),
            #[cfg(feature = "aws")]
            Address::S3(address) => Ok(Self::new(s3::open(&address)?, None, true, Patience::default())),
            #[cfg(not(feature = "aws"))]
            Address::S3(_) => Err(OpenError::NotBuilt { url: url.to_owned() }),
        }
    }

    /// Opens a directory, which is created for its owner alone.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn local(dir: &Path) -> Result<Self, OpenError> {
        let store = local::open(dir)?;
        Ok(Self::new(Arc::new(store), Some(dir.to_owned()), false, Patience::default()))
    }

    /// Over a store of one's own, as tests and drills do with a [`faulty::Faulty`] one.
    #[must_use]
    pub fn with_store(store: Arc<dyn ObjectStore>, patience: Patience) -> Self {
        Self::new(store, None, false, patience)
    }

    fn new(store: Arc<dyn ObjectStore>, root: Option<PathBuf>, ordered: bool, patience: Patience) -> Self {
        let (cache, counters) = Default::default();
        Self(Arc::new(Inner { store, root, ordered, patience, cache, counters }))
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { puts, gets, deletes, bytes_out, bytes_in, failures } = &self.0.counters;
        Counts {
            puts: read(puts),
            gets: read(gets),
            deletes: read(deletes),
            bytes_out: read(bytes_out),
            bytes_in: read(bytes_in),
            failures: read(failures),
        }
    }
}
