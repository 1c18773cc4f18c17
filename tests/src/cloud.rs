//! A whole cloud in this process.

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use wire::{
    agent::Agent,
    host::{Command, Reply, Usage},
};

pub use crate::client::PATIENCE;
use crate::{client::Client, components, process::lonely_address};

/// How a cloud is made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Most agents of its host.
    pub max_agents: u32,
    /// Guests it offers, by name.
    pub images: Vec<&'static str>,
    /// Whether sockets go to the host directly.
    pub direct: bool,
    /// When its API declares a host dead.
    pub lease: Duration,
    /// Where checkpoints are kept; a directory of its own when absent.
    pub depot: Option<depot::Depot>,
    /// Whether each part has a runtime of its own, so that a kill stops all it does where it is. The API then comes
    /// back at its address.
    pub apart: bool,
    /// Anonymous memory above which its hosts suspend idle agents, bytes.
    pub memory_limit: Option<u64>,
    /// Whether its agents can be granted requests to servers on this machine.
    pub reaches_loopback: bool,
    /// Most agents of its tenant.
    pub tenant_agents: u32,
    /// More components it offers.
    pub more_images: Vec<host::ImageSource>,
    /// Threads that run its API and its hosts, where those are to be told from the client's; else they are the
    /// present ones.
    pub runtimes: Option<Runtimes>,
}

/// Where the parts of a cloud run.
#[derive(Debug, Clone)]
pub struct Runtimes {
    /// The API.
    pub api: Handle,
    /// Every host, but for its guest threads.
    pub host: Handle,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            max_agents: 64,
            images: vec!["shell", "hello", "hostile", "machine"],
            direct: false,
            lease: PATIENCE,
            depot: None,
            apart: false,
            memory_limit: None,
            reaches_loopback: false,
            tenant_agents: 10_000,
            more_images: Vec::new(),
            runtimes: None,
        }
    }
}

/// Where a part runs.
#[derive(Debug)]
enum Ground {
    /// Threads that somebody else keeps.
    Lent(Handle),
    /// Its own, which must not outlive it; none once they are given up.
    Own(Option<Runtime>),
}

impl Ground {
    fn new(apart: bool, lent: Option<Handle>) -> Self {
        if apart {
            return Self::Own(Some(
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
            ));
        }
        Self::Lent(lent.unwrap_or_else(Handle::current))
    }

    /// Does something there: what it makes belongs to the part.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.handle().spawn(work).await.unwrap()
    }

    fn handle(&self) -> Handle {
        match self {
            Self::Lent(handle) => handle.clone(),
            Self::Own(runtime) => runtime.as_ref().unwrap().handle().clone(),
        }
    }

    /// Its own threads, if it has some.
    fn give_up(&mut self) -> Option<Runtime> {
        match self {
            Self::Lent(_) => None,
            Self::Own(runtime) => runtime.take(),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(runtime) = self.give_up() {
            runtime.shutdown_background();
        }
    }
}

/// A running part and the way to end it.
#[derive(Debug)]
struct Part {
    stop: CancellationToken,
    task: JoinHandle<()>,
    ground: Ground,
}

impl Part {
    fn start<F: Future<Output = ()> + Send + 'static>(
        ground: Ground,
        serve: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = ground.handle().spawn(serve(stop.clone()));
        Self { stop, task, ground }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    async fn kill(mut self) {
        self.task.abort();
        if let Some(runtime) = self.ground.give_up() {
            // Tasks are dropped where they wait; threads end what they are doing, as a write that was begun would.
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        }
        // What it held is gone when this returns.
        let _ = self.task.await;
    }
}

/// See the module. It is its own client, as its first tenant. Dropped, it ends as `kill -9` would: nothing is
/// drained.
#[derive(Debug)]
pub struct Cloud {
    /// Where its host listens.
    pub host_address: String,
    client: Client,
    dir: Arc<TempDir>,
    setup: Setup,
    /// Where the API listens.
    address: Option<SocketAddr>,
    api: Option<Part>,
    /// Makes credentials of hosts.
    keys: Option<Arc<api::Api>>,
    host: Option<Part>,
    /// More hosts, by their number; the first is `host`.
    more: Vec<Option<Part>>,
}

impl Cloud {
    /// With the defaults.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// As `setup` says.
    pub async fn with(setup: Setup) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::open(dir, setup).await
    }

    async fn open(dir: Arc<TempDir>, setup: Setup) -> Self {
        let mut cloud = Self {
            host_address: String::new(),
            client: Client::default(),
            dir,
            setup,
            address: None,
            api: None,
            keys: None,
            host: None,
            more: Vec::new(),
        };
        cloud.open_api().await;
        cloud.open_host().await;
        cloud
    }

    async fn open_api(&mut self) {
        let mut config = api::Config::new(self.dir.path().join("api"));
        config.direct_hosts = self.setup.direct;
        config.lease = self.setup.lease;
        config.depot = Some(self.depot());
        config.max_agents = self.setup.tenant_agents;
        let ground = Ground::new(self.setup.apart, self.setup.runtimes.as_ref().map(|of| of.api.clone()));
        let api = Arc::new(ground.run(api::Api::open(config)).await.unwrap());
        self.client.token = api.bootstrap().await.unwrap().token;
        let again = self.address.filter(|_| self.setup.apart);
        let address = again
            .unwrap_or_else(|| if self.setup.apart { lonely_address() } else { ([127, 0, 0, 1], 0).into() });
        let listener = ground.run(TcpListener::bind(address)).await.unwrap();
        let address = listener.local_addr().unwrap();
        self.address = Some(address);
        self.client.url = format!("http://{address}");
        let id = host::host_id(&self.dir.path().join("host")).unwrap();
        std::fs::write(self.dir.path().join("credential"), api.host_credential(id)).unwrap();
        self.keys = Some(api.clone());
        self.api = Some(Part::start(ground, |stop| async move { api.serve(listener, stop).await.unwrap() }));
    }

    /// Where its checkpoints are kept.
    #[must_use]
    pub fn depot(&self) -> depot::Depot {
        let local = || depot::Depot::local(&self.dir.path().join("depot")).unwrap();
        self.setup.depot.clone().unwrap_or_else(local)
    }

    async fn open_host(&mut self) {
        let (part, address) = self.host("host").await;
        self.host_address = address;
        self.host = Some(part);
    }

    async fn host(&self, name: &str) -> (Part, String) {
        let data = self.dir.path().join(name);
        let mut config = host::Config::new(data.clone());
        config.cache = Some(components::target().join("test-cache"));
        config.images = self.setup.images.iter().map(|name| components::image(name)).collect();
        config.images.extend(self.setup.more_images.iter().cloned());
        config.max_agents = self.setup.max_agents;
        config.memory_limit = self.setup.memory_limit;
        if self.setup.reaches_loopback {
            config.egress.allow = vec!["127.0.0.0/8".parse().unwrap()];
        }
        config.depot = Some(self.depot());
        let credential = match name {
            "host" => std::fs::read_to_string(self.dir.path().join("credential")).unwrap(),
            _ => self.keys.as_ref().unwrap().host_credential(host::host_id(&data).unwrap()),
        };
        config.api = Some(host::ApiLink { url: self.url.clone(), credential });
        let ground = Ground::new(self.setup.apart, self.setup.runtimes.as_ref().map(|of| of.host.clone()));
        let listener = ground.run(TcpListener::bind("127.0.0.1:0")).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        if self.setup.direct {
            config.public_url = Some(format!("ws://{address}"));
        }
        let host = ground.run(host::Host::open(config)).await.unwrap();
        let ready = host.ready();
        let part = Part::start(ground, |stop| async move { host.serve(listener, stop).await.unwrap() });
        tokio::time::timeout(PATIENCE, ready).await.expect("the host did not register");
        (part, address)
    }

    /// Adds a host; its number, for [`Self::stop_more`].
    pub async fn add_host(&mut self) -> usize {
        let number = self.more.len();
        let (part, _) = self.host(&format!("host{}", number + 2)).await;
        self.more.push(Some(part));
        number
    }

    /// Drains and ends a host that was added.
    pub async fn stop_more(&mut self, number: usize) {
        self.more[number].take().unwrap().end().await;
    }

    /// Starts a host that was added and stopped again, over the same data.
    pub async fn start_more(&mut self, number: usize) {
        let (part, _) = self.host(&format!("host{}", number + 2)).await;
        self.more[number] = Some(part);
    }

    /// Kills parts at the same time, and starts them again over the same data: the API, the first host, and hosts
    /// that were added.
    pub async fn kill(&mut self, api: bool, host: bool, more: &[usize]) {
        let mut parts: Vec<_> = more.iter().filter_map(|number| self.more[*number].take()).collect();
        parts.extend(self.host.take_if(|_| host));
        parts.extend(self.api.take_if(|_| api));
        if api {
            self.keys = None;
        }
        futures_util::future::join_all(parts.into_iter().map(Part::kill)).await;
        if api {
            self.open_api().await;
        }
        if host {
            self.open_host().await;
        }
        for number in more {
            self.start_more(*number).await;
        }
    }

    /// Starts the first host again, over the same data.
    pub async fn start_host(&mut self) {
        self.open_host().await;
    }

    /// Where its data is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends as planned, host first, and starts again over the same data.
    pub async fn restart(mut self) -> Self {
        self.stop_host().await;
        for host in std::mem::take(&mut self.more).into_iter().flatten() {
            host.end().await;
        }
        self.keys = None;
        self.api.take().unwrap().end().await;
        Self::open(self.dir.clone(), self.setup.clone()).await
    }

    /// Ends as `kill -9` would, all of it at once, and starts again over the same data.
    pub async fn crash(mut self) -> Self {
        let more = self.more.drain(..).flatten();
        let parts: Vec<_> = [self.host.take(), self.api.take()].into_iter().flatten().chain(more).collect();
        self.keys = None;
        futures_util::future::join_all(parts.into_iter().map(Part::kill)).await;
        Self::open(self.dir.clone(), self.setup.clone()).await
    }

    /// Drains and ends the host.
    pub async fn stop_host(&mut self) {
        self.host.take().unwrap().end().await;
    }

    /// An agent's meters, asked of its host over the wire.
    pub async fn usage(&self, agent: &Agent) -> Usage {
        match self.command(&Command::Inspect { agent: agent.id }).await {
            Reply::Inspected { usage } => usage,
            other => panic!("{other:?}"),
        }
    }

    /// A command to the host, as the API gives them.
    pub async fn command(&self, command: &Command) -> Reply {
        let credential = std::fs::read_to_string(self.dir.path().join("credential")).unwrap();
        let url = format!("http://{}/wire/v1/command", self.host_address);
        let answer = self.client.http.post(url).bearer_auth(credential).json(command).send().await.unwrap();
        answer.json().await.unwrap()
    }
}

impl std::ops::Deref for Cloud {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let more = self.more.drain(..).flatten();
        for part in [self.host.take(), self.api.take()].into_iter().flatten().chain(more) {
            part.task.abort();
        }
    }
}
