//! Giving an agent that waits to a host and seeing it start there, anew or from its checkpoint.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use points::{Point, reach};
use tokio::sync::oneshot;
use wire::{
    HostId,
    agent::{Status, StatusReason},
    host::{Refusal, RefusalCode, Resume, ResumeCause, Start},
};

use super::{App, Claim};
use crate::{
    domain::{
        agent::{Agent, Expect, Patch},
        state,
    },
    edge::Chain,
    error::Error,
    hosts::{HostError, Placed, Started, Stop, To},
    store::{Created, Idempotency, StoreError, Written},
};

/// Hosts tried in a row before an agent is left to the reconciler.
const ATTEMPTS: usize = 3;
/// How long `start` may take; a little less than the status `starting` may last.
const START: Duration = Duration::from_secs(25);

/// What a host's answer means for the agent.
enum Outcome {
    Runs(Started),
    /// Another host may have it; the host may have begun it when `maybe` is true.
    Elsewhere {
        maybe: bool,
    },
    /// No host could have it just now, whose fault it is not: its time begins anew.
    Later(String),
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

    /// Places an agent that waits in a task of its own, unless one does already.
    pub(super) fn place_now(self: &Arc<Self>, agent: Agent) {
        let Some(claim) = self.try_claim(agent.id) else { return };
        self.detach(self.clone().place(agent, claim, None));
    }

    async fn try_hosts(
        self: &Arc<Self>,
        mut agent: Agent,
        first: Option<(To, Agent)>,
    ) -> Result<Option<Agent>, Error> {
        let mut tried: Vec<HostId> = Vec::new();
        // However many hosts refuse it, the time it may wait goes on from where it was.
        let patience = agent.deadline.or_else(|| state::deadline(agent.status, Timestamp::now()));
        if let Some((to, assigned)) = first {
            tried.push(to.id);
            match self.begin(assigned, &to, patience).await? {
                Some(row) => agent = row,
                None => return Ok(None),
            }
        }
        while tried.len() < ATTEMPTS {
            if !agent.waits() {
                return Ok(Some(agent));
            }
            // Where it was, its files and its sockets may be.
            let Some(to) = self.fleet.choose(&agent.spec.digest, &tried, agent.home) else { break };
            tried.push(to.id);
            let now = Timestamp::now();
            let deadline = state::deadline(Status::Starting, now).unwrap_or(Timestamp::MAX);
            match self.store.assign(agent.id, agent.epoch, to.id, deadline, now).await? {
                Written::Done(assigned) => {
                    self.leave_park(&agent, &to);
                    match self.begin(assigned, &to, patience).await? {
                        Some(row) => agent = row,
                        None => return Ok(None),
                    }
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
        }
        self.wait_for_room(agent).await.map(Some)
    }

    /// Has the host that may serve a suspended agent's sockets send them to where it is resumed.
    fn leave_park(self: &Arc<Self>, agent: &Agent, to: &To) {
        let home = agent.home.filter(|home| *home != to.id && agent.status == Status::Resuming);
        let Some(home) = home.and_then(|home| self.fleet.to(home)) else { return };
        let (app, which) = (self.clone(), Placed { agent: agent.id, epoch: agent.epoch });
        self.detach(async move {
            if let Err(error) = app.hosts.unpark(&home, which).await {
                tracing::debug!(host = %home.id, error = %Chain(&error), "a park was not left");
            }
        });
    }

    /// Has a host start an agent that was given to it.
    async fn begin(
        self: &Arc<Self>,
        agent: Agent,
        to: &To,
        patience: Option<Timestamp>,
    ) -> Result<Option<Agent>, Error> {
        self.changes.tell(agent.id);
        reach(Point::Placed, [agent.id]).await;
        let answer = self.hosts.start(to, start(&agent)).await;
        reach(Point::Unsettled, [agent.id]).await;
        let outcome = outcome(to, &agent, answer);
        if matches!(outcome, Outcome::Elsewhere { maybe: true }) {
            // It must not run in two places, so the first is told before the next is.
            self.end_at(to, &agent, StatusReason::Scheduling, true).await;
        }
        self.settle(agent, to, outcome, patience).await
    }

    /// Has a host end at once what it may have of a placement; it does not matter whether it answers.
    pub(super) async fn end_at(&self, to: &To, agent: &Agent, reason: StatusReason, purge: bool) {
        let stop = Stop { agent: agent.id, epoch: agent.epoch, reason, grace: Duration::ZERO, purge };
        if let Err(error) = self.hosts.stop(to, stop).await {
            tracing::debug!(host = %to.id, agent = %agent.id, error = %Chain(&error), "not told of an end");
        }
    }

    /// Writes what a host's answer to `start` means.
    async fn settle(
        self: &Arc<Self>,
        agent: Agent,
        to: &To,
        outcome: Outcome,
        patience: Option<Timestamp>,
    ) -> Result<Option<Agent>, Error> {
        let (id, epoch) = (agent.id, agent.epoch);
        let runs = matches!(outcome, Outcome::Runs(_));
        match outcome {
            Outcome::Later(_) => self.pauses.failed(id),
            _ => self.pauses.over(id),
        }
        match outcome {
            Outcome::Elsewhere { .. } => self.fleet.full(to.id),
            Outcome::Later(_) | Outcome::Fails(..) => self.fleet.left(to.id),
            Outcome::Runs(_) => {}
        }
        let mut row = agent.clone();
        loop {
            let patch = settled(&row, agent.status, &outcome, patience);
            let expect = Expect { version: Some(row.version), ..Expect::default() };
            match self.update(id, expect, patch).await? {
                Written::Done(after) => {
                    if after.status.is_final() {
                        self.forget_files(&after, to.id);
                    }
                    return Ok(Some(after));
                }
                // A commit, or a host that registered anew and said that it runs: this answer is later.
                Written::Conflict(newer)
                    if newer.version != row.version
                        && (newer.epoch, newer.host) == (epoch, Some(to.id))
                        && (newer.status == agent.status || newer.status == Status::Running && !runs) =>
                {
                    row = newer;
                }
                Written::Conflict(newer) => {
                    if newer.status == Status::Terminating {
                        // Deleted while it started.
                        self.finish(newer.clone()).await;
                    } else if (newer.epoch, newer.host) != (epoch, Some(to.id)) {
                        // Overdue, or released: what runs there is nobody's any more.
                        let purge = newer.status.is_final();
                        self.end_at(to, &agent, StatusReason::UserRequest, purge).await;
                    }
                    return Ok(Some(newer));
                }
                Written::Missing => return Ok(None),
            }
        }
    }

    /// Leaves an agent to the reconciler.
    async fn wait_for_room(&self, agent: Agent) -> Result<Agent, Error> {
        let Some(patch) = self.waiting(&agent) else { return Ok(agent) };
        let expect = Expect { version: Some(agent.version), ..Expect::default() };
        match self.update(agent.id, expect, patch).await? {
            Written::Done(agent) | Written::Conflict(agent) => Ok(agent),
            Written::Missing => Ok(agent),
        }
    }

    /// Whether an agent can only wait: no host could have it now, and its row says so already.
    pub(crate) fn waits(&self, agent: &Agent) -> bool {
        !self.fleet.has_room(&agent.spec.digest) && self.waiting(agent).is_none()
    }

    /// What the row of an agent that found no room has to say, unless it says so already. The time of one
    /// that has something to lose runs only while a host has room for it.
    pub(super) fn waiting(&self, agent: &Agent) -> Option<Patch> {
        if !agent.waits() {
            return None;
        }
        let keeps = agent.ran || agent.checkpoint.is_some();
        let has_room = self.fleet.has_room(&agent.spec.digest);
        let deadline = match (has_room || !keeps, agent.deadline) {
            (true, None) => Some(state::deadline(agent.status, Timestamp::now())),
            (false, Some(_)) => Some(None),
            _ => None,
        };
        let any = self.fleet.any_active();
        // With no host at all, what brought it here says more.
        let reason = if any || !keeps { Some(StatusReason::InsufficientCapacity) } else { agent.reason };
        let has_image = !any || self.fleet.has_image(&agent.spec.digest);
        let detail = (!has_image).then(|| Some(format!("no host has image {}", agent.spec.digest)));
        let said = detail.as_ref().is_none_or(|detail| *detail == agent.detail);
        if agent.reason == reason && said && deadline.is_none() {
            return None;
        }
        Some(Patch { reason: Some(reason), detail, deadline, ..Patch::default() })
    }
}

/// The row after its host's answer; `from` is the status it was placed with.
fn settled(row: &Agent, from: Status, outcome: &Outcome, patience: Option<Timestamp>) -> Patch {
    let waits = Patch {
        // One that came to `running` meanwhile, as its host said, goes back.
        status: match from {
            Status::Starting => Some(Status::Pending),
            from => (row.status != from).then_some(from),
        },
        reason: Some(Some(if from == Status::Starting {
            StatusReason::Scheduling
        } else {
            StatusReason::Restoring
        })),
        host: Some(None),
        deadline: Some(patience),
        ..Patch::default()
    };
    match outcome {
        Outcome::Runs(started) => {
            let fell_back = row.previous.clone().filter(|at| {
                Some(at.id) == started.checkpoint && row.checkpoint.as_ref().is_some_and(|last| last != at)
            });
            let detail = fell_back.as_ref().map(|_| {
                let why = started.problem.as_deref().unwrap_or("it is damaged");
                format!("its last checkpoint could not be read ({why}); it goes on from the one before")
            });
            if let Some(detail) = &detail {
                tracing::error!(agent = %row.id, detail, "a checkpoint could not be read");
            }
            Patch {
                status: Some(Status::Running),
                reason: Some(None),
                detail: Some(detail),
                deadline: Some(None),
                ran: Some(true),
                previous: fell_back.as_ref().map(|_| None),
                checkpoint: fell_back.map(Some),
                started_at: row.started_at.is_none().then(Timestamp::now),
                ..Patch::default()
            }
        }
        Outcome::Elsewhere { .. } => waits,
        Outcome::Later(why) => Patch {
            detail: Some(Some(why.clone())),
            deadline: Some(state::deadline(row.status, Timestamp::now())),
            ..waits
        },
        Outcome::Fails(reason, detail) => Patch {
            status: Some(Status::Failed),
            reason: Some(Some(*reason)),
            detail: Some(Some(detail.clone())),
            host: Some(None),
            deadline: Some(None),
            ..Patch::default()
        },
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
        resume: agent.checkpoint.clone().map(|checkpoint| Resume {
            checkpoint,
            previous: agent.previous.clone(),
            // Whoever sent it here without saying why has undone something.
            cause: agent.cause.unwrap_or(ResumeCause::Rollback),
        }),
        forked_from: agent.parent.as_ref().map(|parent| parent.checkpoint),
        timeline: agent.timeline,
        idle_timeout_seconds: agent.spec.idle_timeout_seconds,
        send_to: agent.spec.send_to.clone(),
        egress: agent.spec.egress.clone(),
        on_drain: agent.spec.on_drain,
        timeout_ms: u64::try_from(START.as_millis()).unwrap_or(u64::MAX),
    }
}

fn outcome(to: &To, agent: &Agent, answer: Result<Started, HostError>) -> Outcome {
    let error = match answer {
        Ok(started) => return Outcome::Runs(started),
        Err(HostError::Refused(Refusal { code, detail })) => {
            return match code {
                RefusalCode::Trap | RefusalCode::Fault => Outcome::Fails(StatusReason::GuestTrap, detail),
                RefusalCode::OutOfMemory => Outcome::Fails(StatusReason::OutOfMemory, detail),
                // A start event is the agent's own; a restore that is slow is its host's.
                RefusalCode::Timeout if agent.checkpoint.is_none() => {
                    Outcome::Fails(StatusReason::InitTimeout, detail)
                }
                RefusalCode::Limits => Outcome::Fails(StatusReason::PolicyDenied, detail),
                RefusalCode::BadCheckpoint => {
                    let detail = format!("none of its checkpoints could be restored: {detail}");
                    Outcome::Fails(StatusReason::Restoring, detail)
                }
                RefusalCode::StoreUnavailable => {
                    tracing::warn!(host = %to.id, detail, "a checkpoint could not be fetched");
                    Outcome::Later(format!("its checkpoint cannot be fetched now: {detail}"))
                }
                RefusalCode::Timeout
                | RefusalCode::Full
                | RefusalCode::Cordoned
                | RefusalCode::UnknownImage
                | RefusalCode::StaleEpoch
                | RefusalCode::NotSuspendable
                | RefusalCode::NotUpgradable
                | RefusalCode::Internal => {
                    tracing::warn!(host = %to.id, ?code, detail, "host refused a start");
                    Outcome::Elsewhere { maybe: false }
                }
            };
        }
        Err(error) => error,
    };
    tracing::warn!(host = %to.id, error = %Chain(&error), "host did not start an agent");
    Outcome::Elsewhere { maybe: matches!(error, HostError::NoAnswer(_)) }
}
