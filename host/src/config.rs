//! What a host is made from, and why it could not be.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::mpsc;
use wire::{HostId, host::Report};

use crate::{
    agents::Agents,
    engine::{EngineError, engine},
    executor::Executor,
    images::{ImageError, ImageSource, Images},
    link::ApiLink,
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
    /// `host.id` is not an id.
    #[error("{} does not hold a host id; remove it to get a new one", path.display())]
    Id {
        /// Which file.
        path: PathBuf,
    },
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
            Self::Engine(_) => 71,
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

/// Everything that can fail, before anything is served.
pub(crate) fn open(
    config: &Config,
    reports: mpsc::UnboundedSender<Report>,
) -> Result<Arc<Agents>, OpenError> {
    let dir = config.data.join("agents");
    persist::create(&dir).map_err(|source| OpenError::Data { path: dir.clone(), source })?;
    let (engine, capacity) = engine(config.max_agents.min(describable_agents(file_limit())))?;
    let cache = config.cache.clone().unwrap_or_else(|| config.data.join("cache"));
    let images = Images::open(&engine, &cache, &config.images)?;
    let executor = Executor::start(config.guest_threads)
        .map_err(|source| OpenError::Data { path: config.data.clone(), source })?;
    tracing::info!(capacity, images = config.images.len(), "host ready");
    Ok(Agents::new(images, executor, capacity, dir, reports))
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
