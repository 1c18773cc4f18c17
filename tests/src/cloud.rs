//! A whole cloud in this process.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use wire::{
    access::{Role, Ticket},
    agent::{Agent, Spawned},
};

use crate::{components, terminal::Terminal};

/// Longest wait for anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

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
}

impl Default for Setup {
    fn default() -> Self {
        Self { max_agents: 64, images: vec!["shell", "hello", "hostile"], direct: false, lease: PATIENCE }
    }
}

/// A running part and the way to end it.
#[derive(Debug)]
struct Part {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Part {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// See the module. Dropped, it ends as `kill -9` would: nothing is drained.
#[derive(Debug)]
pub struct Cloud {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// Of its first tenant, with every scope.
    pub token: String,
    http: reqwest::Client,
    dir: Arc<TempDir>,
    setup: Setup,
    api: Option<Part>,
    host: Option<Part>,
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
            url: String::new(),
            token: String::new(),
            http: reqwest::Client::new(),
            dir,
            setup,
            api: None,
            host: None,
        };
        cloud.open_api().await;
        cloud.open_host().await;
        cloud
    }

    async fn open_api(&mut self) {
        let mut config = api::Config::new(self.dir.path().join("api"));
        config.direct_hosts = self.setup.direct;
        config.lease = self.setup.lease;
        let api = Arc::new(api::Api::open(config).await.unwrap());
        self.token = api.bootstrap().await.unwrap().token;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.url = format!("http://{}", listener.local_addr().unwrap());
        let id = host::host_id(&self.dir.path().join("host")).unwrap();
        std::fs::write(self.dir.path().join("credential"), api.host_credential(id)).unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { api.serve(listener, token).await.unwrap() });
        self.api = Some(Part { stop, task });
    }

    async fn open_host(&mut self) {
        let mut config = host::Config::new(self.dir.path().join("host"));
        config.cache = Some(components::target().join("test-cache"));
        config.images = self.setup.images.iter().map(|name| components::image(name)).collect();
        config.max_agents = self.setup.max_agents;
        let credential = std::fs::read_to_string(self.dir.path().join("credential")).unwrap();
        config.api = Some(host::ApiLink { url: self.url.clone(), credential });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if self.setup.direct {
            config.public_url = Some(format!("ws://{}", listener.local_addr().unwrap()));
        }
        let host = host::Host::open(config).await.unwrap();
        let ready = host.ready();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { host.serve(listener, token).await.unwrap() });
        tokio::time::timeout(PATIENCE, ready).await.expect("the host did not register");
        self.host = Some(Part { stop, task });
    }

    /// Where its data is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends as planned, host first, and starts again over the same data.
    pub async fn restart(mut self) -> Self {
        self.stop_host().await;
        self.api.take().unwrap().end().await;
        Self::open(self.dir.clone(), self.setup.clone()).await
    }

    /// Drains and ends the host.
    pub async fn stop_host(&mut self) {
        self.host.take().unwrap().end().await;
    }

    /// A request with the first token; the path begins with `/`.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// A request with a JSON body: status and JSON answer.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.request(method, path).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// A GET: status and JSON answer.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// Spawns and waits until it runs.
    ///
    /// # Panics
    /// When it does not.
    pub async fn spawn(&self, body: Value) -> Agent {
        let request = self.request(Method::POST, "/v1/agents/spawn").header("prefer", "wait=20").json(&body);
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::CREATED, "{text}");
        serde_json::from_str::<Spawned>(&text).unwrap().agent
    }

    /// An agent's record.
    pub async fn agent(&self, agent: &Agent) -> Agent {
        let (status, body) = self.get(&format!("/v1/agents/{}", agent.id)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_value(body).unwrap()
    }

    /// Waits until an agent's record is as wanted.
    ///
    /// # Panics
    /// When it does not come to be.
    pub async fn wait_for(&self, agent: &Agent, wanted: impl Fn(&Agent) -> bool) -> Agent {
        let waiting = async {
            loop {
                let now = self.agent(agent).await;
                if wanted(&now) {
                    return now;
                }
                // Long-polls on the record's next change.
                let path = format!("/v1/agents/{}?wait_for=terminated&timeout_seconds=1", agent.id);
                self.get(&path).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(agent) => agent,
            Err(_) => panic!("still {:?}", self.agent(agent).await),
        }
    }

    /// A ticket for an agent's terminal.
    pub async fn ticket(&self, agent: &Agent, role: Role) -> Ticket {
        let body = serde_json::json!({ "role": role });
        let (status, body) =
            self.call(Method::POST, &format!("/v1/agents/{}/tickets", agent.id), &body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        serde_json::from_value(body).unwrap()
    }

    /// An operator's terminal, attached to the present screen.
    pub async fn terminal(&self, agent: &Agent) -> Terminal {
        let mut terminal = self.socket(agent, Role::Operator).await;
        terminal.attach("test").await;
        terminal
    }

    /// A socket that is not attached yet.
    pub async fn socket(&self, agent: &Agent, role: Role) -> Terminal {
        let ticket = self.ticket(agent, role).await;
        Terminal::connect(&ticket.url, &ticket.protocols, Some(&self.url)).await.unwrap()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for part in [self.host.take(), self.api.take()].into_iter().flatten() {
            part.task.abort();
        }
    }
}
