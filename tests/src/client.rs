//! A cloud as one token sees it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use wire::{
    access::{Role, Ticket},
    agent::{Agent, Spawned},
};

use crate::terminal::Terminal;

/// Longest wait for anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between the first two looks at a record that is waited for; doubled from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The same, after many.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// With every scope, unless a test says otherwise.
    pub token: String,
    pub(crate) http: reqwest::Client,
}

impl Client {
    /// The cloud at an address.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Self {
        Self { url: url.to_owned(), token: token.to_owned(), http: reqwest::Client::new() }
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

    /// A POST about an agent, such as `suspend`, answered when it is done: status and JSON answer. `null` is no body.
    pub async fn act(&self, agent: &Agent, verb: &str, body: &Value) -> (StatusCode, Value) {
        let path = format!("/v1/agents/{}/{verb}", agent.id);
        let request = self.request(Method::POST, &path).header("prefer", "wait=20");
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    /// Ends an agent: status and JSON answer.
    pub async fn end(&self, agent: &Agent) -> (StatusCode, Value) {
        self.call(Method::DELETE, &format!("/v1/agents/{}", agent.id), &Value::Null).await
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
        self.wait_within(PATIENCE, agent, wanted).await
    }

    /// As [`Self::wait_for`], with a patience of its own.
    ///
    /// # Panics
    /// When it does not come to be.
    pub async fn wait_within(
        &self,
        patience: Duration,
        agent: &Agent,
        wanted: impl Fn(&Agent) -> bool,
    ) -> Agent {
        let waiting = async {
            // The API's own wait is for one status; this one may be for anything in a record.
            let mut pause = FIRST_PAUSE;
            loop {
                let now = self.agent(agent).await;
                if wanted(&now) {
                    return now;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        match tokio::time::timeout(patience, waiting).await {
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
