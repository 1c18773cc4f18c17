//! What a host is made from, and why it could not be.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use depot::Depot;
use tokio::sync::mpsc;
use wire::{HostId, host::Report};

use crate::{
    agents::{self, Agents},
    checkpoints::{Services, committer::Worker, index::Index},
    engine::{EngineError, engine},
    executor::Executor,
    images::{ImageError, ImageSource, Images, Places},
    link::{ApiLink, Link},
    persist,
};

/// What a host is made from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps its id, compiled images and workspaces; its own.
    pub data: PathBuf,
    /// Where compiled images are kept instead, to share them between hosts of one user.
    pub cache: Option<PathBuf>,
    /// What it offers.
    pub images: Vec<ImageSource>,
    /// The API it belongs to.
    pub api: Option<ApiLink>,
    /// Where the API reaches it, `host:port`; its listener's address when absent.
    pub address: Option<String>,
    /// Where clients reach it, such as `wss://h7.example.net`, where hosts are reachable.
    pub public_url: Option<String>,
    /// Most agents it takes; fewer when the machine cannot map them.
    pub max_agents: u32,
    /// Threads that run guests.
    pub guest_threads: usize,
    /// Where checkpoints are kept; the same for all hosts of a cloud and its API. A directory below `data` when absent.
    pub depot: Option<Depot>,
    /// Anonymous memory beyond which idle agents are suspended, bytes.
    pub memory_limit: Option<u64>,
    /// How requests of agents leave it.
    pub egress: egress::Settings,
}

impl Config {
    /// Defaults over a data directory: no API, no images, as many guest threads as cores.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            cache: None,
            images: Vec::new(),
            api: None,
            address: None,
            public_url: None,
            max_agents: 10_000,
            guest_threads: std::thread::available_parallelism().map_or(2, usize::from),
            depot: None,
            memory_limit: None,
            egress: egress::Settings::default(),
        }
    }
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be used.
    #[error("cannot use {}", path.display())]
    Data {
        /// Which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Requests cannot be made.
    #[error("agents' requests cannot leave this host")]
    Egress(#[source] egress::SetupError),
    /// `host.id` is not an id.
    #[error("{} does not hold a host id; remove it to get a new one", path.display())]
    Id {
        /// Which file.
        path: PathBuf,
    },
    /// No object store.
    #[error("cannot use the object store")]
    Depot(#[from] depot::OpenError),
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A component that was to be offered is none.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A bug.
    #[error("opening the host panicked: {0}")]
    Panicked(String),
}

impl OpenError {
    /// The exit code of a process that ends because of this, after sysexits(3).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let io_code = |source: &io::Error| match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => 77,
            _ => 74,
        };
        match self {
            Self::Data { source, .. } | Self::Image(ImageError::Cache { source, .. }) => io_code(source),
            Self::Id { .. } | Self::Image(_) => 65,
            Self::Depot(_) => 74,
            Self::Engine(_) | Self::Egress(_) => 71,
            Self::Panicked(_) => 70,
        }
    }
}

/// The id of the host whose data directory this is, made on first use.
///
/// # Errors
/// When the directory cannot be written, or holds something else under that name.
pub fn host_id(data: &Path) -> Result<HostId, OpenError> {
    let path = data.join("host.id");
    let failed = |source| OpenError::Data { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| OpenError::Id { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = HostId::new();
            persist::create(data).map_err(failed)?;
            fs::write(&path, format!("{id}\n")).map_err(failed)?;
            Ok(id)
        }
        Err(error) => Err(failed(error)),
    }
}

/// File descriptors an idle agent holds: its workspace, and one for a socket on it.
const FILES_PER_AGENT: u64 = 2;
/// File descriptors the process needs for everything else.
const FILES_RESERVED: u64 = 1_000;

/// How many agents the process has file descriptors for.
fn describable_agents(limit: u64) -> u32 {
    u32::try_from(limit.saturating_sub(FILES_RESERVED) / FILES_PER_AGENT).unwrap_or(u32::MAX)
}

/// The most file descriptors this process may have, after it asked for all it can get.
fn file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit on open files stays as it is");
            current.unwrap_or(u64::MAX)
        }
    }
}

/// What is known of the ways out of a host before it serves.
#[derive(Debug)]
pub(crate) struct Ways {
    pub(crate) depot: Depot,
    pub(crate) index: Arc<Index>,
    /// Set when the API is known.
    pub(crate) link: Arc<OnceLock<Arc<Link>>>,
}

/// A host, ready.
pub(crate) struct Opened {
    pub(crate) agents: Arc<Agents>,
    pub(crate) worker: Worker,
    pub(crate) means: Ways,
}

/// Everything that can fail, before anything is served. Blocks, inside a tokio runtime.
pub(crate) fn open(config: &Config, reports: mpsc::UnboundedSender<Report>) -> Result<Opened, OpenError> {
    let dir = config.data.join("agents");
    let scratch = config.data.join("scratch");
    for dir in [&dir, &scratch] {
        persist::create(dir).map_err(|source| OpenError::Data { path: dir.clone(), source })?;
    }
    let depot = match &config.depot {
        Some(depot) => depot.clone(),
        None => Depot::local(&config.data.join("depot"))?,
    };
    let (engine, capacity) = engine(config.max_agents.min(describable_agents(file_limit())))?;
    let cache = config.cache.clone().unwrap_or_else(|| config.data.join("cache"));
    let places = Places { cache: &cache, scratch, depot: depot.clone() };
    let images = Arc::new(Images::open(&engine, places, &config.images)?);
    let executor = Executor::start(config.guest_threads)
        .map_err(|source| OpenError::Data { path: config.data.clone(), source })?;
    tracing::info!(capacity, images = config.images.len(), "host ready");
    let link = Arc::new(OnceLock::new());
    let egress = match egress::Egress::new(config.egress.clone()) {
        Ok(egress) => Some(egress),
        // A machine without a network can have a host all the same.
        Err(error @ egress::SetupError::Nameservers(_)) => {
            tracing::warn!(error = crate::link::chain(&error), "agents' requests cannot leave this host");
            None
        }
        Err(error) => return Err(OpenError::Egress(error)),
    };
    let (services, worker) = Services::new(depot.clone(), link.clone(), egress);
    let index = services.index.clone();
    let means = agents::Means { images, executor, services, link: link.clone(), capacity, dir, reports };
    Ok(Opened { agents: Agents::new(means), worker, means: Ways { depot, index, link } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_fits_the_open_files() {
        assert_eq!(describable_agents(20_000), 9_500);
        assert_eq!(describable_agents(0), 0);
        assert!(file_limit() > 0);
    }
}
