//! Giving a pending agent to a host and seeing it start.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use wire::{
    HostId,
    agent::{DesiredStatus, Status, StatusReason},
    host::{Refusal, RefusalCode, Start},
};

use super::{App, Claim};
use crate::{
    domain::{
        agent::{Agent, Expect, Patch},
        state,
    },
    edge::Chain,
    error::Error,
    hosts::{HostError, Stop, To},
    store::Written,
};

/// Hosts tried in a row before an agent is left to the reconciler.
const ATTEMPTS: usize = 3;
/// How long `start` may take; a little less than the status `starting` may last.
const START: Duration = Duration::from_secs(25);

/// What a host's answer means for the agent.
enum Outcome {
    Runs,
    /// Another host may have it; the host may have begun it when `maybe` is true.
    Elsewhere {
        maybe: bool,
    },
    Fails(StatusReason, String),
}

impl App {
    /// Places an agent and starts it; the row as this left it, or nothing when that is not known.
    pub(crate) async fn place(self: Arc<Self>, agent: Agent, claim: Claim) -> Option<Agent> {
        let id = agent.id;
        let placed = self.try_hosts(agent).await;
        drop(claim);
        // Whoever waits has to look again even when the row is as it was: the claim is gone.
        self.changes.tell(id);
        placed
            .inspect_err(|error| tracing::error!(agent = %id, error = %Chain(error), "placement failed"))
            .ok()
            .flatten()
    }

    async fn try_hosts(self: &Arc<Self>, mut agent: Agent) -> Result<Option<Agent>, Error> {
        let mut tried: Vec<HostId> = Vec::new();
        // However many hosts refuse it, its time in `pending` goes on from where it was.
        let patience = agent.deadline.or_else(|| state::deadline(Status::Pending, Timestamp::now()));
        while tried.len() < ATTEMPTS {
            if agent.status != Status::Pending || agent.desired == DesiredStatus::Terminated {
                return Ok(Some(agent));
            }
            let Some(to) = self.fleet.choose(&agent.spec.digest, &tried) else { break };
            tried.push(to.id);
            let now = Timestamp::now();
            let deadline = state::deadline(Status::Starting, now).unwrap_or(Timestamp::MAX);
            match self.store.assign(agent.id, agent.epoch, to.id, deadline, now).await? {
                Written::Done(assigned) => {
                    agent = assigned;
                    self.changes.tell(agent.id);
                }
                Written::Conflict(other) => {
                    self.fleet.left(to.id);
                    return Ok(Some(other));
                }
                Written::Missing => {
                    self.fleet.left(to.id);
                    return Ok(None);
                }
            }
            let answer = self.hosts.start(&to, start(&agent)).await;
            match self.settle(agent, &to, answer, patience).await? {
                Some(row) => agent = row,
                None => return Ok(None),
            }
        }
        self.wait_for_room(agent).await.map(Some)
    }

    /// Writes what a host's answer to `start` means.
    async fn settle(
        self: &Arc<Self>,
        agent: Agent,
        to: &To,
        answer: Result<(), HostError>,
        patience: Option<Timestamp>,
    ) -> Result<Option<Agent>, Error> {
        let (id, epoch) = (agent.id, agent.epoch);
        let patch = match outcome(to, answer) {
            Outcome::Runs => Patch {
                status: Some(Status::Running),
                reason: Some(None),
                detail: Some(None),
                deadline: Some(None),
                ran: Some(true),
                started_at: agent.started_at.is_none().then(Timestamp::now),
                ..Patch::default()
            },
            Outcome::Elsewhere { maybe } => {
                if maybe {
                    // It must not run in two places, so the first is told before the next is.
                    let stop = Stop {
                        agent: id,
                        epoch,
                        reason: StatusReason::Scheduling,
                        grace: Duration::ZERO,
                        purge: !agent.ran,
                    };
                    let _ = self.hosts.stop(to, stop).await;
                }
                self.fleet.full(to.id);
                Patch {
                    status: Some(Status::Pending),
                    reason: Some(Some(StatusReason::Scheduling)),
                    host: Some(None),
                    deadline: Some(patience),
                    ..Patch::default()
                }
            }
            Outcome::Fails(reason, detail) => {
                self.fleet.left(to.id);
                Patch {
                    status: Some(Status::Failed),
                    reason: Some(Some(reason)),
                    detail: Some(Some(detail)),
                    host: Some(None),
                    deadline: Some(None),
                    ..Patch::default()
                }
            }
        };
        let expect = Expect { epoch: Some(epoch), status: vec![Status::Starting], ..Expect::default() };
        match self.update(id, expect, patch).await? {
            Written::Done(agent) => Ok(Some(agent)),
            Written::Conflict(agent) => {
                // Deleted while it started, or overdue: what runs there is nobody's any more.
                if agent.status == Status::Terminating {
                    self.finish(agent.clone()).await;
                } else if agent.status != Status::Running || agent.epoch != epoch {
                    let stop = Stop {
                        agent: id,
                        epoch,
                        reason: StatusReason::UserRequest,
                        grace: Duration::ZERO,
                        purge: true,
                    };
                    let _ = self.hosts.stop(to, stop).await;
                }
                Ok(Some(agent))
            }
            Written::Missing => Ok(None),
        }
    }

    /// Leaves an agent to the reconciler. Its time runs only while a host is there: agents that wait
    /// for their host to come back are not given up.
    async fn wait_for_room(&self, agent: Agent) -> Result<Agent, Error> {
        if agent.status != Status::Pending {
            return Ok(agent);
        }
        let there = self.fleet.any_active();
        let reason = if agent.reason == Some(StatusReason::HostDrain) && !there {
            StatusReason::HostDrain
        } else {
            StatusReason::InsufficientCapacity
        };
        let starts = there && agent.deadline.is_none();
        if agent.reason == Some(reason) && !starts {
            return Ok(agent);
        }
        let deadline = starts.then(|| state::deadline(Status::Pending, Timestamp::now()));
        let patch = Patch { reason: Some(Some(reason)), deadline, ..Patch::default() };
        let expect = Expect { epoch: Some(agent.epoch), status: vec![Status::Pending], ..Expect::default() };
        match self.update(agent.id, expect, patch).await? {
            Written::Done(agent) | Written::Conflict(agent) => Ok(agent),
            Written::Missing => Ok(agent),
        }
    }
}

fn start(agent: &Agent) -> Start {
    Start {
        agent: agent.id,
        tenant: agent.tenant,
        epoch: agent.epoch,
        name: agent.spec.name.clone(),
        image: agent.spec.digest.clone(),
        config: agent.spec.config.clone(),
        env: agent.spec.env.clone(),
        limits: agent.spec.limits,
        size: None,
        restart: agent.ran,
        timeout_ms: u64::try_from(START.as_millis()).unwrap_or(u64::MAX),
    }
}

fn outcome(to: &To, answer: Result<(), HostError>) -> Outcome {
    let error = match answer {
        Ok(()) => return Outcome::Runs,
        Err(HostError::Refused(Refusal { code, detail })) => {
            return match code {
                RefusalCode::Full
                | RefusalCode::Cordoned
                | RefusalCode::UnknownImage
                | RefusalCode::StaleEpoch
                | RefusalCode::Internal => {
                    tracing::warn!(host = %to.id, ?code, detail, "host refused a start");
                    Outcome::Elsewhere { maybe: false }
                }
                RefusalCode::Trap | RefusalCode::Fault => Outcome::Fails(StatusReason::GuestTrap, detail),
                RefusalCode::OutOfMemory => Outcome::Fails(StatusReason::OutOfMemory, detail),
                RefusalCode::Timeout => Outcome::Fails(StatusReason::InitTimeout, detail),
                RefusalCode::Limits => Outcome::Fails(StatusReason::PolicyDenied, detail),
            };
        }
        Err(error) => error,
    };
    tracing::warn!(host = %to.id, error = %Chain(&error), "host did not start an agent");
    Outcome::Elsewhere { maybe: matches!(error, HostError::NoAnswer(_)) }
}
