//! Spawning, reading and deleting agents.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};
use wire::{
    AgentId,
    access::{Role, Scope, Ticket},
    agent::{DesiredStatus, SpawnRequest, Status, StatusReason},
    problem::Code,
};

use super::{App, access::Caller, validate};
use crate::{
    domain::{
        agent::{Agent, Expect, Patch, Spec},
        state,
    },
    error::Error,
    fleet::Found,
    store::{Created, Filter, Idempotency, Written},
};

/// A spawn as it came in.
#[derive(Debug)]
pub(crate) struct Spawn {
    /// The body.
    pub(crate) request: SpawnRequest,
    /// The `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// The body's bytes, which the key stands for.
    pub(crate) body: bytes::Bytes,
    /// How long the caller waits for `running`.
    pub(crate) wait: Option<Duration>,
}

/// What a spawn led to.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// The agent as it is now.
    pub(crate) agent: Agent,
    /// Whether an earlier request with the same key made it.
    pub(crate) replayed: bool,
    /// A first ticket, when it runs and the caller may open terminals.
    pub(crate) ticket: Option<Ticket>,
}

impl App {
    /// Records an agent and starts it. The start goes on when the caller goes away.
    pub(crate) async fn spawn(self: &Arc<Self>, caller: &Caller, spawn: Spawn) -> Result<Spawned, Error> {
        caller.need(Scope::AgentsSpawn)?;
        let until = spawn.wait.map(|wait| Instant::now() + wait);
        let now = Timestamp::now();
        let agent = self.plan(caller, spawn.request, now).await?;
        let idempotency = spawn.key.map(|key| Idempotency::new(key, Sha256::digest(&spawn.body).into(), now));
        let (tell, told) = oneshot::channel();
        let placed = self.detach(self.clone().record(agent, idempotency, tell));
        let (agent, replayed) = match told.await.map_err(Error::internal)?? {
            Created::Created(agent) => (agent, false),
            Created::Replayed(agent) => (agent, true),
            Created::KeyReused => return Err(Error::new(Code::IdempotencyKeyReused)),
            Created::QuotaExceeded { max_agents } => {
                let detail = format!("the tenant may have {max_agents} agents at once");
                return Err(Error::with(Code::QuotaExceeded, detail));
            }
            // A spawn goes on from none.
            Created::CheckpointGone => return Err(Error::new(Code::NotFound)),
        };
        crate::edge::record_agent(agent.id);
        let agent = match until {
            None => agent,
            Some(until) => match timeout_at(until, placed).await {
                Ok(Ok(Some(placed))) if settled(&placed) => placed,
                // Not settled by the first attempt, or made by an earlier request.
                _ => self.wait_for(agent, until, settled).await?,
            },
        };
        let open = agent.status == Status::Running && caller.need(Scope::Terminal).is_ok();
        let ticket = if open { Some(self.issue_ticket(&agent, Role::Operator, false)?) } else { None };
        Ok(Spawned { agent, replayed, ticket })
    }

    /// The row a spawn makes.
    async fn plan(&self, caller: &Caller, request: SpawnRequest, now: Timestamp) -> Result<Agent, Error> {
        let config = request.config.as_ref().map_or(Cow::Borrowed("null"), |c| c.to_string().into());
        validate::spawn(&request, &config)?;
        let image = match self.find_image(&request.image).await {
            Found::Image(image) => image,
            Found::Unknown => return Err(Error::field("/image", "no such image; GET /v1/images lists them")),
            Found::NoHosts => {
                let error = Error::with(Code::InsufficientCapacity, "no host has registered yet");
                return Err(error.retry_after(Duration::from_secs(1)));
            }
        };
        if request.idle_timeout_seconds.is_some() && !image.suspendable {
            return Err(Error::field("/idle_timeout_seconds", "the image cannot be suspended"));
        }
        let id = AgentId::new();
        let name = request.name.unwrap_or_else(|| made_up_name(&image.name, id));
        let lifetime = request.max_lifetime_seconds.map(|s| SignedDuration::from_secs(s.into()));
        let expires_at = lifetime.map(|l| now.checked_add(l)).transpose().map_err(Error::internal)?;
        Ok(Agent {
            id,
            tenant: caller.tenant,
            spec: Spec {
                name,
                image: request.image,
                digest: image.digest,
                config: config.into_owned(),
                env: request.env,
                limits: request.limits.unwrap_or_default(),
                kind: image.kind,
                suspendable: image.suspendable,
                idle_timeout_seconds: request.idle_timeout_seconds,
                send_to: request.send_to,
                egress: request.egress,
                on_drain: request.on_drain.unwrap_or_default(),
            },
            metadata: request.metadata,
            status: Status::Pending,
            desired: DesiredStatus::Running,
            reason: Some(StatusReason::Scheduling),
            detail: None,
            epoch: 0,
            version: 1,
            host: None,
            home: None,
            checkpoint: None,
            previous: None,
            cause: None,
            timeline: 1,
            parent: None,
            wake_at: None,
            ran: false,
            deadline: state::deadline(Status::Pending, now),
            expires_at,
            created_at: now,
            updated_at: now,
            started_at: None,
        })
    }

    /// A tenant's agent.
    pub(crate) async fn agent(&self, caller: &Caller, id: AgentId) -> Result<Agent, Error> {
        caller.need(Scope::AgentsRead)?;
        self.owned(caller, id).await
    }

    /// An agent of the caller's tenant; another tenant's does not exist for it.
    pub(super) async fn owned(&self, caller: &Caller, id: AgentId) -> Result<Agent, Error> {
        crate::edge::record_agent(id);
        let agent = self.store.agent(id).await?;
        agent.filter(|agent| agent.tenant == caller.tenant).ok_or_else(Error::not_found)
    }

    /// A tenant's agent once it has a status, or cannot have it any more, or `until` has passed.
    pub(crate) async fn agent_once(
        &self,
        caller: &Caller,
        id: AgentId,
        status: Status,
        until: Instant,
    ) -> Result<Agent, Error> {
        let agent = self.agent(caller, id).await?;
        self.wait_for(agent, until, |agent| agent.status == status || agent.status.is_final()).await
    }

    /// One page of a tenant's agents, newest first.
    pub(crate) async fn agents(
        &self,
        caller: &Caller,
        filter: Filter,
        after: Option<AgentId>,
        limit: usize,
    ) -> Result<(Vec<Agent>, Option<AgentId>), Error> {
        caller.need(Scope::AgentsRead)?;
        // One more than asked for says whether a next page exists.
        let mut agents = self.store.list_agents(caller.tenant, filter, after, limit + 1).await?;
        let more = agents.len() > limit;
        agents.truncate(limit);
        let next = agents.last().map(|agent| agent.id).filter(|_| more);
        Ok((agents, next))
    }

    /// Ends an agent, whatever its status; the second value is false when it had ended before.
    pub(crate) async fn delete(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
    ) -> Result<(Agent, bool), Error> {
        caller.need(Scope::AgentsWrite)?;
        let agent = self.owned(caller, id).await?;
        if agent.status.is_final() {
            return Ok((agent, false));
        }
        let agent = self.end(agent, StatusReason::UserRequest).await?;
        Ok((agent, true))
    }

    /// Waits until `done` holds of an agent's row or `until` has passed; the row as it is then.
    pub(super) async fn wait_for(
        &self,
        mut agent: Agent,
        until: Instant,
        done: impl Fn(&Agent) -> bool,
    ) -> Result<Agent, Error> {
        loop {
            let changed = self.changes.next(agent.id);
            tokio::pin!(changed);
            changed.as_mut().enable();
            agent = self.store.agent(agent.id).await?.ok_or_else(Error::not_found)?;
            if done(&agent) {
                return Ok(agent);
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => return Ok(agent),
                // Told what is known: nobody holds up a shutdown by waiting.
                () = self.stop.cancelled() => return Ok(agent),
            }
        }
    }

    /// Writes a row and tells whoever waits for it.
    pub(super) async fn update(&self, id: AgentId, expect: Expect, patch: Patch) -> Result<Written, Error> {
        let written = self.store.update_agent(id, expect, patch, Timestamp::now()).await?;
        if matches!(written, Written::Done(_)) {
            self.changes.tell(id);
        }
        Ok(written)
    }
}

/// Whether a spawn has come to something its caller waits for.
fn settled(agent: &Agent) -> bool {
    agent.status == Status::Running || agent.status.is_final()
}

/// A name for an agent whose owner gave none, such as `shell-7k3d`.
fn made_up_name(image: &str, id: AgentId) -> String {
    let id = id.to_string();
    format!("{image}-{}", id[id.len() - 4..].to_lowercase())
}
