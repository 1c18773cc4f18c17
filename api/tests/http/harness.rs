//! A served API in four lines.

use std::{sync::Arc, time::Duration};

use api::{Api, Bootstrap, Config};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use wire::{
    AgentId,
    problem::{Code, Problem},
};

use crate::host::FakeHost;

/// Nothing in these tests takes this long unless something is broken.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Cloud {
    pub(crate) api: Arc<Api>,
    pub(crate) url: String,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) client: reqwest::Client,
    pub(crate) data: Arc<TempDir>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Cloud {
    /// An API with one host that has the image `shell` and room for a hundred agents.
    pub(crate) async fn start() -> (Self, FakeHost) {
        let cloud = Self::bare(|_| {}).await;
        let host = FakeHost::start(&cloud).await;
        host.register(&cloud).await;
        (cloud, host)
    }

    /// An API without hosts.
    pub(crate) async fn bare(configure: impl FnOnce(&mut Config)) -> Self {
        Self::open(Arc::new(tempfile::tempdir().unwrap()), configure).await
    }

    pub(crate) async fn open(data: Arc<TempDir>, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(data.path());
        config.images_wait = Duration::ZERO;
        config.tick = Duration::from_millis(20);
        configure(&mut config);
        let api = Arc::new(Api::open(config).await.unwrap());
        let bootstrap = api.bootstrap().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (api, stop) = (api.clone(), stop.clone());
            async move { api.serve(listener, stop).await.unwrap() }
        });
        let client = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
        Self { api, url, bootstrap, client, data, stop, serving }
    }

    /// Stops it as a signal would, and waits for its end.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.stop.cancel();
        self.serving.await.unwrap();
        assert_eq!(Arc::strong_count(&self.api), 1, "something still holds the store");
        self.data
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// A request with the first token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.plain(method, path).bearer_auth(&self.bootstrap.token)
    }

    /// A request by nobody.
    pub(crate) fn plain(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request whose path no client library has tidied up; the answer as text.
    pub(crate) async fn raw(&self, method: &str, path: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let token = &self.bootstrap.token;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-length: 1\r\nconnection: close\r\n\r\nx"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// An agent that runs.
    pub(crate) async fn spawn(&self) -> Value {
        let answer = self.spawn_with(json!({ "image": "shell" })).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.unwrap()
    }

    pub(crate) async fn spawn_with(&self, body: Value) -> Response {
        let request = self.request(Method::POST, "/v1/agents/spawn").header("prefer", "wait=10");
        request.json(&body).send().await.unwrap()
    }

    /// An agent that runs and can be suspended.
    pub(crate) async fn cell(&self) -> Value {
        let answer = self.spawn_with(json!({ "image": "cell" })).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.unwrap()
    }

    pub(crate) async fn agent(&self, id: AgentId) -> Value {
        self.get(&format!("/v1/agents/{id}")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await.unwrap()
    }

    /// A `POST` without a body that waits for what it brings about.
    pub(crate) async fn turn(&self, path: &str) -> Response {
        self.request(Method::POST, path).header("prefer", "wait=10").send().await.unwrap()
    }

    /// An agent that was suspended at its owner's request.
    pub(crate) async fn suspended(&self) -> AgentId {
        let agent = agent_id(&self.cell().await);
        let answer = self.turn(&format!("/v1/agents/{agent}/suspend")).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], "suspended");
        agent
    }

    /// The agent once it has this status.
    pub(crate) async fn agent_once(&self, id: &str, status: &str) -> Value {
        let agent = self.get(&format!("/v1/agents/{id}?wait_for={status}&timeout_seconds=15")).await;
        assert_eq!(agent["status"], status, "{agent}");
        agent
    }

    /// A token with these scopes only.
    pub(crate) async fn token(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": "test", "scopes": scopes });
        let answer = self.request(Method::POST, "/v1/tokens").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()["secret"].as_str().unwrap().to_owned()
    }
}

/// The problem of an answer, which has to be one in every respect.
pub(crate) async fn problem(answer: Response) -> Problem {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    assert_eq!(headers["content-type"], "application/problem+json", "{status} {text}");
    let problem: Problem = serde_json::from_str(&text).unwrap();
    assert_eq!(problem.status, status.as_u16());
    assert_eq!(problem.request_id, headers["x-request-id"].to_str().unwrap());
    problem
}

pub(crate) async fn code(answer: Response) -> Code {
    problem(answer).await.code
}

pub(crate) fn id(agent: &Value) -> String {
    agent["id"].as_str().unwrap().to_owned()
}

pub(crate) fn agent_id(agent: &Value) -> AgentId {
    id(agent).parse().unwrap()
}
