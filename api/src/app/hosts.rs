//! What hosts tell: that they are here, that they still are, and what became of their agents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::Instant;
use wire::{
    AgentId, HostId, Incarnation,
    access::Scope,
    agent::{DesiredStatus, OnDrain, Status, StatusReason},
    fleet::HostState,
    host::{Heartbeat, Lease, Register, Registered, Report, ReportEvent, ResumeCause},
    problem::Code,
};

use super::{
    App,
    access::Caller,
    ending::{final_patch, interrupted},
    validate::Mistakes,
};
use crate::{
    domain::{
        agent::{Agent, Expect, Patch},
        host::Host,
        state,
    },
    error::Error,
    fleet::Lost,
    reconcile::Event,
    store::Written,
};

/// Longest address or URL of a host, bytes.
const MAX_ADDRESS_BYTES: usize = 256;
/// How long the end of an agent waits for the record of its start.
const START_RECORDED: Duration = Duration::from_secs(3);
/// Rows changed at the same time when a host is lost.
const ABREAST: usize = 64;
/// Most images a host may have.
const MAX_IMAGES: usize = 1024;

impl App {
    /// Whose credential this is.
    pub(crate) fn host_of(&self, credential: &str) -> Result<HostId, Error> {
        self.keys.fleet.verify(credential).ok_or_else(|| Error::new(Code::Unauthenticated))
    }

    /// Every host, for an operator.
    pub(crate) fn list_hosts(&self, caller: &Caller) -> Result<Vec<wire::fleet::Host>, Error> {
        caller.need(Scope::Operator)?;
        let hosts = self.fleet.view(Instant::now());
        Ok(hosts.into_iter().map(|(host, age)| super::view::host(host, age)).collect())
    }

    /// Takes in a host, and settles what its row had on it.
    pub(crate) async fn register(self: &Arc<Self>, register: Register) -> Result<Registered, Error> {
        let mut mistakes = Mistakes::default();
        mistakes.text(&register.address, MAX_ADDRESS_BYTES, "/address");
        if let Some(url) = &register.public_url {
            mistakes.text(url, MAX_ADDRESS_BYTES, "/public_url");
        }
        mistakes.unless(
            register.images.len() <= MAX_IMAGES,
            "/images",
            format!("must be at most {MAX_IMAGES}"),
        );
        mistakes.none()?;

        let now = Timestamp::now();
        let here: BTreeMap<AgentId, u64> = register.agents.iter().copied().collect();
        let parked: BTreeSet<(AgentId, u64)> = register.parked.iter().copied().collect();
        let host = Host {
            id: register.id,
            incarnation: register.incarnation,
            state: HostState::Active,
            address: register.address,
            public_url: register.public_url,
            capacity: register.capacity_agents,
            agents: u32::try_from(here.len()).unwrap_or(u32::MAX),
            memory_bytes: 0,
            seq: 0,
            version: register.version,
            images: register.images,
            registered_at: now,
            renewed_at: now,
        };
        let (id, incarnation) = (host.id, host.incarnation);
        let fresh = !self.fleet.lives(id, incarnation);
        if fresh {
            // Nothing more is given to the old incarnation, whose rows are read now.
            self.fleet.drain(id);
        }
        let rows = self.store.agents_on_host(id).await?;
        let (found, missing): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| match row.status {
            Status::Suspended => parked.contains(&(row.id, row.epoch)),
            _ => here.get(&row.id) == Some(&row.epoch),
        });
        // Before the incarnation is recorded: when this is interrupted, the host registers again and is
        // as fresh as it was.
        let mut over = Vec::new();
        // What the same start of a host does not say it has it may be about to report; a park is not reported.
        for row in missing.into_iter().filter(|row| fresh || row.status == Status::Suspended) {
            over.extend(self.lose(row, id).await?);
        }
        self.store.register_host(host.clone()).await?;
        self.fleet.register(host, Instant::now());
        tracing::info!(host = %id, %incarnation, agents = here.len(), "host registered");
        // It is reached at its new address from here on.
        for agent in over {
            self.forget_files(&agent, id);
        }
        let mut drop: BTreeSet<AgentId> =
            here.into_keys().chain(parked.into_iter().map(|(id, _)| id)).collect();
        for row in found {
            drop.remove(&row.id);
            self.adopt(row).await?;
        }
        self.tell(Event::Room);
        Ok(Registered { drop: drop.into_iter().collect() })
    }

    /// A host says an agent runs there whose row has this very placement.
    async fn adopt(self: &Arc<Self>, row: Agent) -> Result<(), Error> {
        match row.status {
            Status::Starting | Status::Resuming | Status::Migrating => {
                // A task that waits for the answer to its start writes what that is.
                let Some(_claim) = self.try_claim(row.id) else { return Ok(()) };
                let patch = Patch {
                    status: Some(Status::Running),
                    reason: Some(None),
                    deadline: Some(None),
                    ran: Some(true),
                    started_at: row.started_at.is_none().then(Timestamp::now),
                    ..Patch::default()
                };
                self.update(row.id, at(&row, &[row.status]), patch).await?;
            }
            // Whoever waited for the answer may be gone; asked again it is the same suspend.
            Status::Suspending => {
                let app = self.clone();
                self.detach(async move { app.order_suspend(row).await });
            }
            Status::Terminating => {
                let app = self.clone();
                self.detach(async move { app.finish(row).await });
            }
            _ => {}
        }
        Ok(())
    }

    /// [`Self::lose`] for many, which the store commits together; those whose end it was.
    async fn lose_all(&self, rows: Vec<Agent>, host: HostId) -> Result<Vec<Agent>, Error> {
        let lost = stream::iter(rows).map(|row| self.lose(row, host)).buffer_unordered(ABREAST);
        lost.try_filter_map(async |over| Ok(over)).try_collect().await
    }

    /// An agent's host is gone, or came back without it: it goes on from its last checkpoint, or begins
    /// anew where there is none. The row when that was its end.
    async fn lose(&self, mut row: Agent, host: HostId) -> Result<Option<Agent>, Error> {
        loop {
            let Some(patch) = self.lost(&row, host) else { return Ok(None) };
            match self.update(row.id, at(&row, &[row.status]), patch).await? {
                Written::Done(agent) => {
                    tracing::warn!(agent = %agent.id, %host, status = ?agent.status, "host lost");
                    return Ok(agent.status.is_final().then_some(agent));
                }
                // Its owner asked for another status meanwhile, or that could not be done: it is lost all the same.
                Written::Conflict(newer)
                    if (newer.host, newer.epoch) == (Some(host), row.epoch) && newer.status != row.status =>
                {
                    row = newer;
                }
                Written::Conflict(_) | Written::Missing => return Ok(None),
            }
        }
    }

    /// What becomes of an agent whose host is gone; nothing where a task sees to it.
    fn lost(&self, row: &Agent, host: HostId) -> Option<Patch> {
        Some(match row.status {
            Status::Terminating => final_patch(Status::Terminated),
            // Only its sockets were there.
            Status::Suspended => Patch { host: Some(None), ..Patch::default() },
            // It never was `running`, so it can begin again elsewhere, unless a task sees to it now.
            Status::Starting if self.try_claim(row.id).is_some() => Patch {
                status: Some(Status::Pending),
                reason: Some(Some(StatusReason::Scheduling)),
                host: Some(None),
                deadline: Some(state::deadline(Status::Pending, Timestamp::now())),
                ..Patch::default()
            },
            Status::Starting | Status::Pending => return None,
            // The task that waits for the answer to its start tries another host.
            Status::Resuming | Status::Migrating if self.try_claim(row.id).is_none() => return None,
            _ => displaced(
                row,
                StatusReason::HostLost,
                format!("host {host} was lost while the agent was on it"),
            ),
        })
    }

    /// Renews a host's lease.
    pub(crate) async fn heartbeat(&self, id: HostId, beat: Heartbeat) -> Result<Lease, Error> {
        let now = Timestamp::now();
        let room = beat.agents;
        let mut lease = self.store.renew_host(id, beat.clone(), now).await?;
        if lease == Lease::Renewed && !self.fleet.renew(id, &beat, now, Instant::now()) {
            // What it has and this process does not know of is settled when it registers again.
            lease = Lease::Unknown;
        }
        tracing::trace!(host = %id, agents = room, ?lease, "heartbeat");
        Ok(lease)
    }

    /// Declares a host dead; [`Self::settle_dead`] sees to what was on it.
    pub(crate) async fn bury(&self, lost: Lost) -> Result<(), Error> {
        // False: it renewed meanwhile, or this was done and its answer was lost.
        if !self.store.bury_host(lost.id, lost.incarnation, lost.seq).await? {
            let hosts = self.store.hosts().await?;
            let same = |host: &&Host| (host.id, host.incarnation) == (lost.id, lost.incarnation);
            if hosts.iter().find(same).is_some_and(|host| host.state != HostState::Dead) {
                return Ok(());
            }
        }
        self.fleet.bury(lost.id, lost.incarnation);
        tracing::warn!(host = %lost.id, incarnation = %lost.incarnation, "host declared dead");
        Ok(())
    }

    /// Settles what was on a dead host. Done again after an error, until it went through once.
    pub(crate) async fn settle_dead(&self, id: HostId, incarnation: Incarnation) -> Result<(), Error> {
        let rows = self.store.agents_on_host(id).await?;
        // One that has come back by now has rows that are not lost.
        if !self.fleet.unsettled().contains(&(id, incarnation)) {
            return Ok(());
        }
        self.lose_all(rows, id).await?;
        self.fleet.settled(id, incarnation);
        Ok(())
    }

    /// Applies what a host saw; durable when this returns.
    pub(crate) async fn reports(self: &Arc<Self>, host: HostId, reports: Vec<Report>) -> Result<(), Error> {
        for report in reports {
            self.report(host, report).await?;
        }
        self.tell(Event::Room);
        Ok(())
    }

    async fn report(self: &Arc<Self>, host: HostId, report: Report) -> Result<(), Error> {
        let Some(mut row) = self.store.agent(report.agent).await? else { return Ok(()) };
        let comes_up =
            |row: &Agent| matches!(row.status, Status::Starting | Status::Resuming | Status::Migrating);
        if matches!(report.event, ReportEvent::Ended { .. }) && comes_up(&row) && row.host == Some(host) {
            // It ended right after its start, whose answer is about to be recorded: in that order.
            let until = Instant::now() + START_RECORDED;
            row = self.wait_for(row, until, |row| !comes_up(row)).await?;
        }
        let over = row.status.is_final() || row.status == Status::Pending;
        if row.host != Some(host) || row.epoch != report.epoch || over {
            tracing::debug!(agent = %report.agent, epoch = report.epoch, "stale report");
            return Ok(());
        }
        if report.event == (ReportEvent::Released {}) {
            // It stops as planned: what it gives up must not be offered to it again.
            self.fleet.drain(host);
        }
        let patch = match (report.event, row.status) {
            (ReportEvent::Wanted {}, Status::Suspended) => {
                self.wake(row).await?;
                return Ok(());
            }
            (ReportEvent::Unparked {}, Status::Suspended) => {
                let patch = Patch { host: Some(None), ..Patch::default() };
                self.update(row.id, at(&row, &[Status::Suspended]), patch).await?;
                return Ok(());
            }
            (ReportEvent::Wanted {} | ReportEvent::Unparked {}, _) | (_, Status::Suspended) => return Ok(()),
            (_, Status::Terminating) => final_patch(Status::Terminated),
            (ReportEvent::Ended { status, reason, detail }, from) => {
                let terminated = status == Status::Terminated && state::legal(from, status);
                let status = if terminated { Status::Terminated } else { Status::Failed };
                Patch {
                    reason: Some(Some(reason)),
                    detail: Some(Some(bounded(detail))),
                    ..final_patch(status)
                }
            }
            // It began nothing there that anybody could have seen.
            (ReportEvent::Released {}, Status::Starting) => Patch {
                status: Some(Status::Pending),
                reason: Some(Some(StatusReason::HostDrain)),
                host: Some(None),
                ..Patch::default()
            },
            (ReportEvent::Released {}, _) => displaced(
                &row,
                StatusReason::HostDrain,
                format!("host {host} stopped before it came to rest"),
            ),
        };
        match self.update(row.id, at(&row, &[row.status]), patch).await? {
            Written::Done(agent) => {
                self.fleet.left(host);
                tracing::info!(agent = %agent.id, %host, status = ?agent.status, reason = ?agent.reason, "reported");
                if agent.status.is_final() {
                    self.forget_files(&agent, host);
                }
            }
            Written::Conflict(agent) => {
                // The host tries again when this is not a success; the row is read anew then.
                tracing::debug!(agent = %agent.id, "row changed under a report");
                if agent.epoch == report.epoch && !agent.status.is_final() {
                    return Err(Error::new(Code::EpochChanged));
                }
            }
            Written::Missing => {}
        }
        Ok(())
    }
}

/// What becomes of an agent that is taken off its host as it is, without a new checkpoint.
fn displaced(row: &Agent, reason: StatusReason, detail: String) -> Patch {
    let says = Patch { reason: Some(Some(reason)), detail: Some(Some(detail)), ..Patch::default() };
    if !row.spec.suspendable && row.spec.on_drain == OnDrain::Finish {
        let status = if reason == StatusReason::HostDrain { Status::Terminated } else { Status::Failed };
        let status = if state::legal(row.status, status) { status } else { Status::Failed };
        return Patch { reason: says.reason, detail: says.detail, ..final_patch(status) };
    }
    let to = match (row.checkpoint.is_some(), row.desired) {
        (false, _) => Status::Pending,
        (true, DesiredStatus::Suspended) => Status::Suspended,
        (true, _) => Status::Resuming,
    };
    let came_up = matches!(row.status, Status::Running | Status::Suspending);
    Patch {
        status: (to != row.status).then_some(to),
        // What has nothing to be kept as is not kept.
        desired: (to == Status::Pending).then_some(DesiredStatus::Running),
        host: Some(None),
        cause: if to == Status::Pending { Some(None::<ResumeCause>) } else { interrupted(row).map(Some) },
        deadline: Some(state::deadline(to, Timestamp::now())),
        ran: came_up.then_some(true),
        ..says
    }
}

/// Expects the row's placement, and one of these statuses.
fn at(row: &Agent, status: &[Status]) -> Expect {
    Expect { epoch: Some(row.epoch), status: status.to_vec(), ..Expect::default() }
}

/// A guest can have a say in this text.
fn bounded(mut detail: String) -> String {
    const MAX: usize = 1024;
    if detail.len() > MAX {
        let end = (0..=MAX).rev().find(|&at| detail.is_char_boundary(at)).unwrap_or_default();
        detail.truncate(end);
    }
    detail
}
