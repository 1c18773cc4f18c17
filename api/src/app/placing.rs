//! Giving a pending agent to a host and seeing it start.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::oneshot;
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
    fleet::Home,
    hosts::{HostError, Stop, To},
    store::{Created, Idempotency, StoreError, Written},
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
    /// Records a new agent and offers it to a host in the same breath, so that the store can commit
    /// both at once; then starts it. `tell` learns what became of the record.
    pub(super) async fn record(
        self: Arc<Self>,
        agent: Agent,
        idempotency: Option<Idempotency>,
        tell: oneshot::Sender<Result<Created, StoreError>>,
    ) -> Option<Agent> {
        let claim = self.claim(agent.id);
        let (id, epoch) = (agent.id, agent.epoch);
        let offer = self.fleet.choose(&agent.spec.digest, &[], None);
        let assign = async {
            let to = offer.as_ref()?;
            let now = Timestamp::now();
            let deadline = state::deadline(Status::Starting, now).unwrap_or(Timestamp::MAX);
            self.store.assign(id, epoch, to.id, deadline, now).await.ok()
        };
        let (created, assigned) = tokio::join!(self.store.create_agent(agent, idempotency), assign);
        // A store that did them the other way round, or did not record it, has assigned nothing.
        let first = match (assigned, offer) {
            (Some(Written::Done(agent)), Some(to)) => Some((to, agent)),
            (_, Some(to)) => {
                self.fleet.left(to.id);
                None
            }
            (_, None) => None,
        };
        let recorded = match &created {
            Ok(Created::Created(agent)) => Some(agent.clone()),
            _ => None,
        };
        // Nobody listens when the client went away; the agent starts all the same.
        let _ = tell.send(created);
        self.place(recorded?, claim, first).await
    }

    /// Places an agent and starts it, on the host it was given to when that is done already; the row
    /// as this left it, or nothing when that is not known.
    pub(crate) async fn place(
        self: Arc<Self>,
        agent: Agent,
        claim: Claim,
        first: Option<(To, Agent)>,
    ) -> Option<Agent> {
        let id = agent.id;
        let placed = self.try_hosts(agent, first).await;
        drop(claim);
        // Whoever waits has to look again even when the row is as it was: the claim is gone.
        self.changes.tell(id);
        placed
            .inspect_err(|error| tracing::error!(agent = %id, error = %Chain(error), "placement failed"))
            .ok()
            .flatten()
    }

    async fn try_hosts(
        self: &Arc<Self>,
        mut agent: Agent,
        first: Option<(To, Agent)>,
    ) -> Result<Option<Agent>, Error> {
        let mut tried: Vec<HostId> = Vec::new();
        // However many hosts refuse it, its time in `pending` goes on from where it was.
        let patience = agent.deadline.or_else(|| state::deadline(Status::Pending, Timestamp::now()));
        if let Some((to, assigned)) = first {
            tried.push(to.id);
            match self.begin(assigned, &to, patience).await? {
                Some(row) => agent = row,
                None => return Ok(None),
            }
        }
        while tried.len() < ATTEMPTS {
            if agent.status != Status::Pending || agent.desired == DesiredStatus::Terminated {
                return Ok(Some(agent));
            }
            let Some(to) = self.fleet.choose(&agent.spec.digest, &tried, agent.host) else { break };
            tried.push(to.id);
            let now = Timestamp::now();
            let deadline = state::deadline(Status::Starting, now).unwrap_or(Timestamp::MAX);
            match self.store.assign(agent.id, agent.epoch, to.id, deadline, now).await? {
                Written::Done(assigned) => match self.begin(assigned, &to, patience).await? {
                    Some(row) => agent = row,
                    None => return Ok(None),
                },
                Written::Conflict(other) => {
                    self.fleet.left(to.id);
                    return Ok(Some(other));
                }
                Written::Missing => {
                    self.fleet.left(to.id);
                    return Ok(None);
                }
            }
        }
        self.wait_for_room(agent).await.map(Some)
    }

    /// Has a host start an agent that was given to it.
    async fn begin(
        self: &Arc<Self>,
        agent: Agent,
        to: &To,
        patience: Option<Timestamp>,
    ) -> Result<Option<Agent>, Error> {
        self.changes.tell(agent.id);
        let answer = self.hosts.start(to, start(&agent)).await;
        self.settle(agent, to, answer, patience).await
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
        let outcome = outcome(to, answer);
        // A first start that failed left nothing behind; what ran before keeps its files even then.
        let is_over = agent.ran && matches!(outcome, Outcome::Fails(..));
        let status = match outcome {
            Outcome::Runs => vec![Status::Starting],
            // A host that registered anew meanwhile may have said that it runs: this answer is later.
            Outcome::Elsewhere { .. } | Outcome::Fails(..) => vec![Status::Starting, Status::Running],
        };
        let patch = match outcome {
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
                    // What ran before goes where its files are and nowhere else.
                    host: (!agent.ran).then_some(None),
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
        let expect = Expect { epoch: Some(epoch), status, ..Expect::default() };
        match self.update(id, expect, patch).await? {
            Written::Done(agent) => {
                if is_over {
                    self.forget_files(&agent, to.id);
                }
                Ok(Some(agent))
            }
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
                        // What was released is to be taken over by its next start.
                        purge: agent.status.is_final(),
                    };
                    let _ = self.hosts.stop(to, stop).await;
                }
                Ok(Some(agent))
            }
            Written::Missing => Ok(None),
        }
    }

    /// Leaves an agent to the reconciler.
    async fn wait_for_room(&self, agent: Agent) -> Result<Agent, Error> {
        let Some(patch) = self.waiting(&agent) else { return Ok(agent) };
        let expect = Expect { epoch: Some(agent.epoch), status: vec![Status::Pending], ..Expect::default() };
        match self.update(agent.id, expect, patch).await? {
            Written::Done(agent) | Written::Conflict(agent) => Ok(agent),
            Written::Missing => Ok(agent),
        }
    }

    /// Whether an agent can only wait: no host could have it now, and its row says so already.
    pub(crate) fn waits(&self, agent: &Agent) -> bool {
        !self.fleet.has_room(&agent.spec.digest, agent.host) && self.waiting(agent).is_none()
    }

    /// What the row of an agent that found no room has to say, unless it says so already. Its time runs
    /// only while a host is there to try: agents that wait for theirs to come back are not given up.
    pub(super) fn waiting(&self, agent: &Agent) -> Option<Patch> {
        if agent.status != Status::Pending {
            return None;
        }
        let there = self.fleet.takes(agent.host, &agent.spec.digest);
        let drained = agent.host.is_some() || agent.reason == Some(StatusReason::HostDrain);
        let (reason, deadline) = match (there, agent.deadline) {
            (true, None) => {
                let deadline = state::deadline(Status::Pending, Timestamp::now());
                (StatusReason::InsufficientCapacity, Some(deadline))
            }
            (false, Some(_)) if drained => (StatusReason::HostDrain, Some(None)),
            (false, None) if drained => (StatusReason::HostDrain, None),
            _ => (StatusReason::InsufficientCapacity, None),
        };
        let detail = match agent.host {
            Some(home) if self.fleet.home(home, &agent.spec.digest) == Home::WithoutImage => {
                Some(format!("host {home} no longer has image {}", agent.spec.digest))
            }
            _ => None,
        };
        if agent.reason == Some(reason) && agent.detail == detail && deadline.is_none() {
            return None;
        }
        Some(Patch { reason: Some(Some(reason)), detail: Some(detail), deadline, ..Patch::default() })
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
        resume: None,
        timeline: 0,
        idle_timeout_seconds: None,
        send_to: Vec::new(),
        on_drain: wire::agent::OnDrain::Restart,
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
                | RefusalCode::StoreUnavailable
                | RefusalCode::BadCheckpoint
                | RefusalCode::NotSuspendable
                | RefusalCode::NotUpgradable
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
