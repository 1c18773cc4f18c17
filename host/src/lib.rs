//! The data plane: runs agents as WebAssembly components, each in its own store with its own
//! grants, and gives them terminals, logs, operations and a workspace. It knows no database and no
//! tenancy policy: it obeys the grants that come with a start.
//!
//! A start goes `server` → `agents` → `agent::driver` (on a guest thread) → the component. A key
//! press goes `terminal::session` → `agent::mailbox` → the component → `terminal::log` → every
//! session. What happened to an agent goes back to the API through `link`.

mod agent;
mod agents;
mod bindings;
mod capabilities;
mod checkpoints;
mod config;
mod engine;
mod executor;
mod handles;
mod images;
mod journal;
mod link;
mod outbox;
mod persist;
mod server;
mod terminal;
pub mod workspace;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;
use wire::Incarnation;

use crate::{
    agents::Agents,
    checkpoints::committer,
    link::{Identity, Link},
    server::Door,
};
pub use crate::{
    config::{Config, OpenError, host_id},
    images::{ImageError, ImageSource},
    link::ApiLink,
};

/// How long agents may take to come to rest when their host stops; then they go on from their last checkpoint.
const DRAIN_GRACE: Duration = Duration::from_secs(5);
/// How long the answers may take that agents which are gone already wait for; then nobody knows them.
const LANDING_GRACE: Duration = Duration::from_secs(10);
/// How long the API may take to hear of it.
const REPORT_GRACE: Duration = Duration::from_secs(3);

/// Why a host stopped serving other than as asked.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener broke.
    #[error("the host's listener failed")]
    Listener(#[source] std::io::Error),
    /// No HTTP client could be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A host with its engine and images ready; it serves when it is given a listener.
#[derive(Debug)]
pub struct Host {
    config: Config,
    agents: Arc<Agents>,
    /// Stores and records checkpoints, once there is an API.
    worker: committer::Worker,
    means: config::Ways,
    reports: mpsc::UnboundedReceiver<wire::host::Report>,
    id: wire::HostId,
    registered: watch::Sender<bool>,
}

impl Host {
    /// Prepares everything that can fail: directories, engine, images. Images that are not in the
    /// cache are compiled, which takes a second or more for each.
    ///
    /// # Errors
    /// [`OpenError`] says what a person can do about it.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        let (send, reports) = mpsc::unbounded_channel();
        let id = host_id(&config.data)?;
        let runtime = tokio::runtime::Handle::current();
        let opened = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            config::open(&config, send).map(|opened| (opened, config))
        });
        let (opened, config) = opened.await.map_err(|error| OpenError::Panicked(error.to_string()))??;
        let config::Opened { agents, worker, means } = opened;
        Ok(Self { config, agents, worker, means, reports, id, registered: watch::Sender::new(false) })
    }

    /// This host's id, kept in its data directory.
    #[must_use]
    pub fn id(&self) -> wire::HostId {
        self.id
    }

    /// Most agents it takes.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.agents.capacity()
    }

    /// Resolves when the API has registered it; a host without an API never is.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut registered = self.registered.subscribe();
        async move {
            // A host that is dropped before is never ready.
            if registered.wait_for(|done| *done).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Serves until `stop`; then takes no more agents, commits the present ones as they are between two events, so
    /// that they go on elsewhere, and returns.
    ///
    /// # Errors
    /// [`ServeError`] when the listener breaks.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), ServeError> {
        let local = listener.local_addr().map_err(ServeError::Listener)?;
        let link = self.link(local)?;
        let reachable = self.config.public_url.is_some();
        let credential = self.config.api.as_ref().map(|api| api.credential.as_str().into());
        let door = Door { agents: self.agents.clone(), credential, link: link.clone().filter(|_| reachable) };
        let closed = CancellationToken::new();
        let serving = tokio::spawn(serve_http(listener, door, closed.clone()));
        let (leaving, abandon) = (CancellationToken::new(), CancellationToken::new());
        let mut helpers = Vec::new();
        if let Some(limit) = self.config.memory_limit {
            tokio::spawn(self.agents.clone().relieve(limit, leaving.clone()));
        }
        if let Some(link) = link {
            let config::Ways { depot, index, link: way } = self.means;
            // The first to know it, so that nothing is committed or sent before.
            let _ = way.set(link.clone());
            let means = committer::Means { depot, link: link.clone(), index, abandon: abandon.clone() };
            helpers.push(tokio::spawn(self.worker.run(means)));
            link.join(&self.agents, &stop).await;
            self.registered.send_replace(true);
            let (agents, reports) = (self.agents.clone(), self.reports);
            let (lease, token) = (link.clone(), leaving.clone());
            helpers.push(tokio::spawn(async move { lease.keep_lease(agents, token).await }));
            let token = abandon.clone();
            helpers.push(tokio::spawn(async move { link.send_reports(reports, token).await }));
        }
        stop.cancelled().await;
        tracing::info!(agents = self.agents.count(), "draining");
        self.agents.release_all(DRAIN_GRACE).await;
        self.agents.land_requests(LANDING_GRACE).await;
        leaving.cancel();
        closed.cancel();
        let served = serving.await;
        // The last owner of the reports' sender: their task ends when all are taken.
        drop(self.agents);
        let told = futures_util::future::join_all(helpers);
        if tokio::time::timeout(REPORT_GRACE, told).await.is_err() {
            tracing::warn!("the API did not hear of every agent that was released");
            abandon.cancel();
        }
        served.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(ServeError::Listener)
    }

    fn link(&self, local: SocketAddr) -> Result<Option<Arc<Link>>, ServeError> {
        let Some(api) = self.config.api.clone() else { return Ok(None) };
        let identity = Identity {
            id: self.id,
            incarnation: Incarnation::new(),
            address: self.config.address.clone().unwrap_or_else(|| local.to_string()),
            public_url: self.config.public_url.clone(),
        };
        Link::new(api, identity).map(|link| Some(Arc::new(link))).map_err(ServeError::Client)
    }
}

async fn serve_http(listener: TcpListener, door: Door, closed: CancellationToken) -> std::io::Result<()> {
    use axum::serve::ListenerExt as _;
    // A key press is one small packet: it must not wait for the next.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let served =
        axum::serve(listener, server::routes(door)).with_graceful_shutdown(closed.clone().cancelled_owned());
    tokio::select! {
        served = served.into_future() => served,
        // Sockets were told to come back; what is still open then is not waited for.
        () = async { closed.cancelled().await; tokio::time::sleep(REPORT_GRACE).await } => Ok(()),
    }
}
