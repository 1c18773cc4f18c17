//! The HTTP side of every verb: requests, answers, and problems as failures.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    AgentId,
    agent::{Agent, Page, Status},
    problem::Problem,
};

use crate::{
    Surroundings,
    cli::Global,
    failure::Failure,
    profile::{self, Target},
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take: the longest wait that can be asked for, and some.
const ANSWER: Duration = Duration::from_secs(75);
/// Items asked for at once.
const PAGE: usize = 100;

/// A cloud, as one token sees it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
}

impl Client {
    /// The cloud that arguments, environment, profiles or this directory name.
    pub(crate) fn find(global: &Global, around: &Surroundings) -> Result<Self, Failure> {
        Self::new(profile::find(global, around)?)
    }

    /// A cloud that is known.
    pub(crate) fn new(target: Target) -> Result<Self, Failure> {
        if !target.url.starts_with("http://") {
            let url = &target.url;
            return Err(Failure::Usage(format!(
                "{url}: this build speaks http:// only; put a TLS proxy beside it"
            )));
        }
        let builder = reqwest::Client::builder().connect_timeout(CONNECT).tcp_nodelay(true);
        let http = builder.build().map_err(|source| unreachable(&target.url, source))?;
        Ok(Self { http, target })
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.target.url
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        &self.target.token
    }

    /// A request; the path begins with `/`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.target.url)).bearer_auth(&self.target.token)
    }

    /// Sends a request; an answer that is not a success is a failure.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|source| unreachable(&self.target.url, source))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (url, status) = (answer.url().to_string(), answer.status().as_u16());
        match answer.json::<Problem>().await {
            Ok(problem) => Err(Failure::Problem(Box::new(problem))),
            Err(_) => Err(Failure::Answer { url, status }),
        }
    }

    /// Sends a request whose answer is in what the agent becomes.
    pub(crate) async fn act(&self, request: RequestBuilder) -> Result<(), Failure> {
        self.send(request.timeout(ANSWER)).await.map(|_| ())
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let answer = self.send(request.timeout(ANSWER)).await?;
        let (url, status) = (answer.url().to_string(), answer.status().as_u16());
        answer.json().await.map_err(|error| {
            if error.is_decode() {
                Failure::Answer { url, status }
            } else {
                unreachable(&self.target.url, error)
            }
        })
    }

    /// What a path has.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        self.json(self.request(Method::GET, path).query(query)).await
    }

    /// Posts a body, with headers.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = headers
            .iter()
            .fold(self.request(Method::POST, path), |request, (name, value)| request.header(*name, value));
        self.json(request.json(body)).await
    }

    /// Deletes what a path has; whether it was there to be deleted.
    pub(crate) async fn delete(&self, path: &str) -> Result<bool, Failure> {
        let answer = self.send(self.request(Method::DELETE, path).timeout(ANSWER)).await?;
        Ok(answer.status() != StatusCode::NO_CONTENT)
    }

    /// The items of a list, page by page, at most `limit`.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let count = PAGE.min(limit - items.len()).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &count));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// The agent of an id, or the one live agent of a name.
    pub(crate) async fn agent(&self, name: &str) -> Result<Agent, Failure> {
        if let Ok(id) = name.parse::<AgentId>() {
            return self.get(&format!("/v1/agents/{id}"), &[]).await;
        }
        let live: Vec<_> = Status::ALL.into_iter().filter(|s| !s.is_final()).map(Status::as_str).collect();
        let found: Vec<Agent> =
            self.list("/v1/agents", &[("name", name), ("status", &live.join(","))], 2 * PAGE).await?;
        let ids: Vec<_> = found.iter().map(|agent| agent.id.to_string()).collect();
        match <[Agent; 1]>::try_from(found) {
            Ok([agent]) => Ok(agent),
            Err(_) if ids.is_empty() => Err(Failure::NotFound(format!("no live agent is named {name}"))),
            Err(_) => Err(Failure::Usage(format!(
                "{} agents are named {name}; say which: {}",
                ids.len(),
                ids.join(" ")
            ))),
        }
    }

    /// Waits until an agent has a status, has ended, or the time is over.
    pub(crate) async fn wait_for(&self, id: AgentId, status: Status, seconds: u64) -> Result<Agent, Failure> {
        let seconds = seconds.to_string();
        self.get(&format!("/v1/agents/{id}"), &[("wait_for", status.as_str()), ("timeout_seconds", &seconds)])
            .await
    }
}

fn unreachable(url: &str, source: reqwest::Error) -> Failure {
    Failure::Unreachable { url: url.to_owned(), source: Box::new(source.without_url()) }
}

/// The failure that an agent ended, when it did.
pub(crate) fn check_live(agent: &Agent) -> Result<(), Failure> {
    if !agent.status.is_final() {
        return Ok(());
    }
    let reason = agent.status_reason.and_then(|reason| serde_json::to_value(reason).ok());
    let reason = reason.as_ref().and_then(|reason| reason.as_str()).map(|reason| reason.replace('_', " "));
    let why = agent.status_detail.clone().or(reason);
    Err(Failure::Ended { agent: agent.name.clone(), status: agent.status.as_str(), why })
}
