//! The link to the API: registration, the lease, and reports of what happened to agents.
//!
//! Reports are kept until the API took them: an outage of the API costs a delay and loses none.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use wire::{
    AgentId, HostId, Incarnation, PackId,
    host::{
        Commit, Commits, Committed, HEARTBEAT_SECONDS, Heartbeat, Lease, Redeem, Redeemed, Register,
        Registered, Report,
    },
    message::{Complete, Delivery, Send},
    problem::{Code, Problem},
};

use crate::agents::Agents;

/// Longest wait for one answer of the API.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between tries of a call that failed.
const RETRY: Duration = Duration::from_millis(500);
/// The first pause before a call is made again that somebody waits for, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Reports sent in one call.
const MAX_REPORTS: usize = 256;

/// Where the API is, and how this host proves who it is.
#[derive(Clone)]
pub struct ApiLink {
    /// Such as `http://127.0.0.1:7300`.
    pub url: String,
    /// `claw_host_…`.
    pub credential: String,
}

impl std::fmt::Debug for ApiLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiLink").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a call to the API failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// It did not answer.
    #[error("the API cannot be reached")]
    Unreachable(#[from] reqwest::Error),
    /// It answered with an error.
    #[error("the API answered {status}: {body}")]
    Refused {
        /// Of the answer.
        status: u16,
        /// What the problem in the answer is, where there is one.
        code: Option<Code>,
        /// First part of the answer.
        body: String,
    },
}

impl LinkError {
    /// Whether the API said no, so that the same call will not do better.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if (400..500).contains(status) && *status != 408 && *status != 429)
    }
}

/// Between the tries of one call: each pause is twice the one before it.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(PAUSES.0)
    }

    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
    }
}

/// Makes a call until the API has taken it.
///
/// # Errors
/// It said no: [`LinkError::is_final`].
pub(crate) async fn until_taken<C>(call: impl Fn() -> C) -> Result<(), LinkError>
where
    C: Future<Output = Result<(), LinkError>>,
{
    let mut pauses = Pauses::new();
    loop {
        match call().await {
            Err(error) if !error.is_final() => pauses.pause().await,
            answer => return answer,
        }
    }
}

/// How this host registers; the rest of [`Register`] is asked of [`Agents`] each time.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: HostId,
    pub(crate) incarnation: Incarnation,
    pub(crate) address: String,
    pub(crate) public_url: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    api: ApiLink,
    client: reqwest::Client,
    identity: Identity,
}

impl Link {
    pub(crate) fn new(api: ApiLink, identity: Identity) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
        Ok(Self { api, client, identity })
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<Option<T>, LinkError> {
        let url = format!("{}/internal/v1/{path}", self.api.url.trim_end_matches('/'));
        let answer = self.client.post(url).bearer_auth(&self.api.credential).json(body).send().await?;
        Self::answered(answer).await
    }

    async fn answered<T: serde::de::DeserializeOwned>(
        answer: reqwest::Response,
    ) -> Result<Option<T>, LinkError> {
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            let code = serde_json::from_str::<Problem>(&text).ok().map(|problem| problem.code);
            let body = text.chars().take(300).collect();
            return Err(LinkError::Refused { status: status.as_u16(), code, body });
        }
        if status == reqwest::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        Ok(Some(answer.json().await?))
    }

    /// Has checkpoints recorded that are written. Again after an error: the same commits are recorded once.
    pub(crate) async fn commit(
        &self,
        packs: Vec<(PackId, u64)>,
        commits: Vec<Commit>,
    ) -> Result<Committed, LinkError> {
        let commits = Commits { incarnation: self.identity.incarnation, packs, commits };
        let empty = || LinkError::Refused { status: 204, code: None, body: "no answer".to_owned() };
        self.post(&format!("hosts/{}/commits", self.identity.id), &commits).await?.ok_or_else(empty)
    }

    /// Entries of an agent's inbox after a number, in their order.
    pub(crate) async fn inbox(
        &self,
        agent: AgentId,
        epoch: u64,
        after: u64,
    ) -> Result<Vec<Delivery>, LinkError> {
        let url = format!("{}/internal/v1/agents/{agent}/inbox", self.api.url.trim_end_matches('/'));
        let query = [("epoch", epoch), ("after", after)];
        let answer = self.client.get(url).query(&query).bearer_auth(&self.api.credential).send().await?;
        Self::answered(answer).await.map(Option::unwrap_or_default)
    }

    /// Sends a message on behalf of an agent. Again after an error: it is one message.
    pub(crate) async fn send(&self, agent: AgentId, send: &Send) -> Result<(), LinkError> {
        self.post::<()>(&format!("agents/{agent}/send"), send).await.map(|_| ())
    }

    /// Tells how an operation ended that this host did for an agent.
    pub(crate) async fn complete(&self, agent: AgentId, complete: &Complete) -> Result<(), LinkError> {
        self.post::<()>(&format!("agents/{agent}/completions"), complete).await.map(|_| ())
    }

    /// Redeems a ticket that a client brought directly, from a page of `origin`.
    pub(crate) async fn redeem(&self, ticket: String, origin: Option<String>) -> Result<Redeemed, LinkError> {
        let redeem = Redeem { ticket, host: self.identity.id, origin };
        let empty = || LinkError::Refused { status: 204, code: None, body: "no answer".to_owned() };
        self.post("tickets/redeem", &redeem).await?.ok_or_else(empty)
    }

    async fn register(&self, agents: &Agents) -> Result<(), LinkError> {
        let identity = self.identity.clone();
        let register = Register {
            id: identity.id,
            incarnation: identity.incarnation,
            address: identity.address,
            public_url: identity.public_url,
            capacity_agents: agents.capacity(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            images: agents.images().list(),
            agents: agents.live(),
            parked: agents.parked(),
        };
        let registered: Option<Registered> = self.post("hosts", &register).await?;
        let drop = registered.map(|r| r.drop).unwrap_or_default();
        let listed = register.agents.iter().filter(|(id, _)| drop.contains(id)).copied().collect::<Vec<_>>();
        agents.drop_agents(&listed).await;
        Ok(())
    }

    /// Registers, for as long as it takes.
    pub(crate) async fn join(&self, agents: &Agents, stop: &CancellationToken) {
        while let Err(error) = self.register(agents).await {
            tracing::warn!(error = chain(&error), url = self.api.url, "not registered yet");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn beat(&self, agents: &Agents, seq: u64, draining: bool) -> Result<Lease, LinkError> {
        let beat = Heartbeat {
            incarnation: self.identity.incarnation,
            seq,
            agents: agents.count(),
            memory_bytes: anonymous_memory(),
            draining,
        };
        let lease = self.post(&format!("hosts/{}/heartbeat", self.identity.id), &beat).await?;
        Ok(lease.unwrap_or(Lease::Unknown))
    }

    /// Renews the lease until `stop`.
    pub(crate) async fn keep_lease(&self, agents: Arc<Agents>, stop: CancellationToken) {
        let mut seq = 0;
        let mut renewed = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            seq += 1;
            match self.beat(&agents, seq, stop.is_cancelled()).await {
                Ok(Lease::Renewed) => renewed = Instant::now(),
                Ok(Lease::Unknown) => self.join(&agents, &stop).await,
                Ok(Lease::Fenced) => {
                    tracing::error!("fenced: others own these agents now; dropping all of them");
                    agents.drop_agents(&agents.live()).await;
                    self.join(&agents, &stop).await;
                }
                Err(error) => {
                    let silent = renewed.elapsed().as_secs();
                    tracing::warn!(error = chain(&error), silent, "lease not renewed");
                }
            }
        }
    }

    /// Sends reports until their sender is dropped and all are taken, or `deadline` is over.
    pub(crate) async fn send_reports(
        &self,
        mut reports: mpsc::UnboundedReceiver<Report>,
        abandon: CancellationToken,
    ) {
        let mut batch = Vec::new();
        while reports.recv_many(&mut batch, MAX_REPORTS).await > 0 {
            let path = format!("hosts/{}/reports", self.identity.id);
            while let Err(error) = self.post::<()>(&path, &batch).await {
                tracing::warn!(error = chain(&error), count = batch.len(), "reports not taken yet");
                tokio::select! {
                    () = abandon.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
            batch.clear();
        }
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Anonymous resident memory of this process, bytes; 0 where it cannot be read.
pub(crate) fn anonymous_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
