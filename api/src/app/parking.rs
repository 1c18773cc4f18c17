//! Serving a suspended agent's screen: a host loads just that from its checkpoint, and no instance.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use wire::{HostId, agent::Status, host::Park, problem::Code};

use super::{App, suspending::not_now};
use crate::{
    domain::agent::{Agent, Expect, Patch},
    edge::Chain,
    error::Error,
    hosts::To,
    store::Written,
};

/// How long a socket waits for an agent that is on its way to a host, or is woken by it.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Hosts tried until a socket is told to come back later.
const ATTEMPTS: usize = 3;

impl App {
    /// The host that serves an agent's sockets now. A suspended agent is parked on one when it is on none;
    /// it stays suspended, unless the socket is to wake it.
    pub(crate) async fn serving(
        self: &Arc<Self>,
        mut agent: Agent,
        wake: bool,
    ) -> Result<(Agent, To), Error> {
        if wake {
            agent = self.wake(agent).await?;
        }
        let passing = |agent: &Agent| matches!(agent.status, Status::Resuming | Status::Migrating);
        if passing(&agent) {
            agent = self.wait_for(agent, Instant::now() + ARRIVAL, |agent| !passing(agent)).await?;
        }
        match agent.status {
            Status::Suspended => self.park(agent).await,
            _ => {
                let to = self.placed(&agent)?;
                Ok((agent, to))
            }
        }
    }

    async fn park(self: &Arc<Self>, mut agent: Agent) -> Result<(Agent, To), Error> {
        let mut tried: Vec<HostId> = Vec::new();
        while tried.len() < ATTEMPTS {
            let to = match agent.host {
                Some(host) => self.fleet.to(host),
                None => {
                    let to = self.fleet.choose(&agent.spec.digest, &tried, agent.home);
                    if let Some(to) = &to {
                        // Nothing of it runs there.
                        self.fleet.left(to.id);
                    }
                    to
                }
            };
            let there = agent.host;
            let Some(to) = to else {
                if there.is_none() {
                    break;
                }
                // It is lost, with the screen it served.
                agent = self.park_at(agent, None).await?;
                continue;
            };
            if there.is_none() {
                agent = self.park_at(agent, Some(to.id)).await?;
                if agent.host != Some(to.id) {
                    continue;
                }
            }
            tried.push(to.id);
            let checkpoint = agent.checkpoint.clone().ok_or_else(|| not_now(&agent))?;
            let park = Park { agent: agent.id, epoch: agent.epoch, checkpoint, reason: agent.reason };
            match self.hosts.park(&to, park).await {
                Ok(()) => return Ok((agent, to)),
                Err(error) => {
                    tracing::warn!(agent = %agent.id, host = %to.id, error = %Chain(&error), "not parked");
                    agent = self.park_at(agent, None).await?;
                }
            }
        }
        let error = Error::with(Code::Unavailable, "no host can show the suspended agent's screen now");
        Err(error.retry_after(Duration::from_secs(1)))
    }

    /// Records where a suspended agent is parked; the row as it is, whoever wrote it.
    async fn park_at(&self, agent: Agent, host: Option<HostId>) -> Result<Agent, Error> {
        let patch = Patch { host: Some(host), ..Patch::default() };
        let expect =
            Expect { version: Some(agent.version), status: vec![Status::Suspended], ..Expect::default() };
        match self.update(agent.id, expect, patch).await? {
            Written::Done(agent) => Ok(agent),
            // It was woken meanwhile: its sockets are to come back.
            Written::Conflict(agent) if agent.status != Status::Suspended => Err(not_now(&agent)),
            Written::Conflict(agent) => Ok(agent),
            Written::Missing => Err(Error::not_found()),
        }
    }
}
