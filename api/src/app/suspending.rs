//! Suspending agents, and bringing them back.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};
use wire::{
    AgentId,
    access::Scope,
    agent::{DesiredStatus, Status, StatusReason},
    host::{RefusalCode, ResumeCause},
    problem::Code,
};

use super::{App, access::Caller, files::from_host, tickets::ended};
use crate::{
    domain::{
        agent::{Agent, Expect, Patch},
        state,
    },
    error::Error,
    hosts::{HostError, Placed},
    store::Written,
};

/// How long an agent may take to come to rest for a checkpoint; then it goes back to its last one.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How long whoever wants an agent running waits for it to be suspended first.
const SUSPENDED: Duration = Duration::from_secs(30);

/// What a request to change where an agent is led to.
#[derive(Debug)]
pub(crate) struct Turned {
    /// The agent as it is now.
    pub(crate) agent: Agent,
    /// Whether anything had to be done.
    pub(crate) changed: bool,
}

impl App {
    /// Suspends an agent. Waits for that at most until `until`; it goes on when the caller goes away.
    pub(crate) async fn suspend(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        until: Option<Instant>,
    ) -> Result<Turned, Error> {
        caller.need(Scope::AgentsWrite)?;
        let mut agent = self.owned(caller, id).await?;
        loop {
            let patch = match (agent.status, agent.host) {
                (status, _) if status.is_final() => return Err(ended(&agent)),
                (Status::Suspended | Status::Suspending, _) if agent.desired == DesiredStatus::Suspended => {
                    let changed = agent.status == Status::Suspending;
                    return Ok(Turned { agent, changed });
                }
                // From now on it was not only idle that it is suspended for.
                (Status::Suspended | Status::Suspending, _) => {
                    Patch { desired: Some(DesiredStatus::Suspended), ..Patch::default() }
                }
                _ if !agent.spec.suspendable => return Err(self.not_suspendable(&agent)),
                (Status::Running, Some(_)) => Patch {
                    status: Some(Status::Suspending),
                    desired: Some(DesiredStatus::Suspended),
                    reason: Some(Some(StatusReason::UserRequest)),
                    detail: Some(None),
                    ..Patch::default()
                },
                (Status::Resuming | Status::Migrating, None) if agent.checkpoint.is_some() => Patch {
                    status: Some(Status::Suspended),
                    desired: Some(DesiredStatus::Suspended),
                    reason: Some(Some(StatusReason::UserRequest)),
                    detail: Some(None),
                    ..Patch::default()
                },
                (Status::Terminating, _) => return Err(not_now(&agent)),
                // Another step is under way.
                _ => {
                    let end = until.unwrap_or_else(Instant::now);
                    let next = self.wait_for(agent, end, |agent| !is_passing(agent.status)).await?;
                    if is_passing(next.status) {
                        return Err(not_now(&next));
                    }
                    agent = next;
                    continue;
                }
            };
            let begins = patch.status == Some(Status::Suspending);
            let changed = patch.status.is_some();
            let expect = Expect { version: Some(agent.version), ..Expect::default() };
            match self.update(id, expect, patch).await? {
                Written::Done(row) if begins => return self.suspending(row, until).await,
                Written::Done(agent) => return Ok(Turned { agent, changed }),
                Written::Conflict(newer) if newer.version != agent.version => agent = newer,
                Written::Conflict(agent) => return Err(not_now(&agent)),
                Written::Missing => return Err(Error::not_found()),
            }
        }
    }

    async fn suspending(self: &Arc<Self>, row: Agent, until: Option<Instant>) -> Result<Turned, Error> {
        let (app, asked) = (self.clone(), row.clone());
        let ordered = self.detach(async move { app.order_suspend(asked).await });
        let Some(until) = until else { return Ok(Turned { agent: row, changed: true }) };
        match timeout_at(until, ordered).await {
            Err(_) => {}
            Ok(ordered) => ordered.map_err(Error::internal)??,
        }
        let agent = self.store.agent(row.id).await?.ok_or_else(Error::not_found)?;
        Ok(Turned { agent, changed: true })
    }

    /// Has the host suspend an agent whose row is `suspending`; the error when it is not, with the row
    /// back at `running` where that is certain.
    pub(super) async fn order_suspend(self: &Arc<Self>, row: Agent) -> Result<(), Error> {
        let Some(host) = row.host else { return Ok(()) };
        let unreachable = || HostError::Unreachable(format!("host {host} is lost").into());
        let to = self.fleet.to(host);
        let reason = row.reason.unwrap_or(StatusReason::UserRequest);
        let which = Placed { agent: row.id, epoch: row.epoch };
        let answer = match &to {
            Some(to) => self.hosts.suspend(to, which, reason, GRACE).await,
            None => Err(unreachable()),
        };
        let at = |status| Expect { epoch: Some(row.epoch), status: vec![status], ..Expect::default() };
        match answer {
            Ok(false) => Ok(()),
            Ok(true) => {
                let detail = format!(
                    "it did not come to rest within {} s: it is at its last checkpoint, and what it was doing \
                     is done again when it is resumed",
                    GRACE.as_secs()
                );
                let patch = Patch { detail: Some(Some(detail)), ..Patch::default() };
                self.update(row.id, at(Status::Suspended), patch).await?;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(agent = %row.id, %host, error = %crate::edge::Chain(&error), "not suspended");
                // Only an answer, or that nobody heard it, says that the agent goes on.
                let goes_on = matches!(error, HostError::Unreachable(_) | HostError::Refused(_));
                let error = refused(error);
                if goes_on {
                    let detail = error.detail.as_deref().unwrap_or("its host refused");
                    let patch = Patch {
                        status: Some(Status::Running),
                        desired: Some(DesiredStatus::Running),
                        reason: Some(None),
                        detail: Some(Some(format!("it was not suspended: {detail}"))),
                        ..Patch::default()
                    };
                    self.update(row.id, at(Status::Suspending), patch).await?;
                }
                Err(error)
            }
        }
    }

    /// Brings an agent back. Waits for that at most until `until`.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        until: Option<Instant>,
    ) -> Result<Turned, Error> {
        caller.need(Scope::AgentsWrite)?;
        let agent = self.owned(caller, id).await?;
        let turned = match agent.status {
            status if status.is_final() => return Err(ended(&agent)),
            Status::Terminating => return Err(not_now(&agent)),
            Status::Suspended => Turned { agent: self.wake(agent).await?, changed: true },
            Status::Suspending => {
                let patch = Patch { desired: Some(DesiredStatus::Running), ..Patch::default() };
                let expect = Expect { version: Some(agent.version), ..Expect::default() };
                let agent = match self.update(id, expect, patch).await? {
                    Written::Done(agent) | Written::Conflict(agent) => agent,
                    Written::Missing => return Err(Error::not_found()),
                };
                let (app, row) = (self.clone(), agent.clone());
                self.detach(async move { app.wake_after(row).await });
                Turned { agent, changed: true }
            }
            status => Turned { agent, changed: status != Status::Running },
        };
        let Some(until) = until.filter(|_| turned.changed) else { return Ok(turned) };
        let up = |agent: &Agent| agent.status == Status::Running || agent.status.is_final();
        let agent = self.wait_for(turned.agent, until, up).await?;
        Ok(Turned { agent, changed: true })
    }

    async fn wake_after(self: &Arc<Self>, row: Agent) -> Result<(), Error> {
        let until = Instant::now() + SUSPENDED;
        let row = self.wait_for(row, until, |row| row.status != Status::Suspending).await?;
        self.wake(row).await.map(drop)
    }

    /// Resumes an agent when it is suspended: its next event came. The row after the first step.
    pub(super) async fn wake(self: &Arc<Self>, mut agent: Agent) -> Result<Agent, Error> {
        while agent.status == Status::Suspended {
            let patch = Patch {
                status: Some(Status::Resuming),
                desired: Some(DesiredStatus::Running),
                reason: Some(Some(StatusReason::Restoring)),
                cause: agent.cause.is_none().then_some(Some(ResumeCause::Suspend)),
                deadline: Some(state::deadline(Status::Resuming, Timestamp::now())),
                ..Patch::default()
            };
            let expect = Expect { version: Some(agent.version), ..Expect::default() };
            match self.update(agent.id, expect, patch).await? {
                Written::Done(row) => {
                    self.place_now(row.clone());
                    return Ok(row);
                }
                Written::Conflict(newer) if newer.version != agent.version => agent = newer,
                Written::Conflict(row) => return Ok(row),
                Written::Missing => return Err(Error::not_found()),
            }
        }
        Ok(agent)
    }

    /// Why an agent cannot be suspended.
    pub(super) fn not_suspendable(&self, agent: &Agent) -> Error {
        let why = match self.fleet.image(agent.spec.digest.as_str()) {
            crate::fleet::Found::Image(image) => image.not_suspendable,
            _ => None,
        };
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        Error::with(Code::InvalidState, format!("the agent's image cannot be suspended{why}"))
    }
}

/// Whether an agent is on its way from one place to another.
fn is_passing(status: Status) -> bool {
    matches!(status, Status::Pending | Status::Starting | Status::Resuming | Status::Migrating)
}

/// The agent is between two statuses, or going to its end.
pub(super) fn not_now(agent: &Agent) -> Error {
    Error::with(Code::InvalidState, format!("the agent is {}", agent.status.as_str()))
}

/// What a host's refusal of a checkpoint means to whoever asked.
pub(super) fn refused(error: HostError) -> Error {
    match error {
        HostError::Refused(refusal) if refusal.code == RefusalCode::Timeout => Error::with(
            Code::InvalidState,
            format!("the agent did not come to rest within {} s: {}", GRACE.as_secs(), refusal.detail),
        ),
        other => from_host(other),
    }
}
