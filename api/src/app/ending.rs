//! Ending agents: on request, by the sweeper, and with their host.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use wire::{
    HostId,
    agent::{DesiredStatus, Status, StatusReason},
    host::ResumeCause,
};

use super::App;
use crate::{
    domain::{
        agent::{Agent, Expect, Patch},
        state,
    },
    edge::Chain,
    error::Error,
    hosts::Stop,
    store::Written,
};

/// How long an agent's `stop` event may take when somebody deletes it.
const GRACE: Duration = Duration::from_secs(2);

impl App {
    /// Begins to end an agent that is not final; the row after the first step.
    pub(crate) async fn end(
        self: &Arc<Self>,
        mut agent: Agent,
        reason: StatusReason,
    ) -> Result<Agent, Error> {
        loop {
            if agent.status.is_final() || agent.status == Status::Terminating {
                return Ok(agent);
            }
            let now = Timestamp::now();
            // With no host there is nobody to ask; the one that had it last may have its files still.
            let home = agent.host.or(agent.home);
            let nowhere = agent.host.is_none() || agent.status == Status::Pending;
            let to = if nowhere && state::legal(agent.status, Status::Terminated) {
                Status::Terminated
            } else {
                Status::Terminating
            };
            let patch = Patch {
                status: Some(to),
                desired: Some(DesiredStatus::Terminated),
                reason: Some(Some(reason)),
                detail: Some(None),
                host: (to == Status::Terminated).then_some(None),
                deadline: Some(state::deadline(to, now)),
                ..Patch::default()
            };
            let expect = Expect { version: Some(agent.version), ..Expect::default() };
            match self.update(agent.id, expect, patch).await? {
                Written::Done(agent) => {
                    if let Some(home) = home.filter(|_| agent.status == Status::Terminated) {
                        self.forget_files(&agent, home);
                    }
                    if agent.status == Status::Terminating {
                        let (app, agent) = (self.clone(), agent.clone());
                        self.detach(async move { app.finish(agent).await });
                    }
                    return Ok(agent);
                }
                // Somebody was faster; every status leads to an end, so this loop ends with it.
                Written::Conflict(newer) if newer.version != agent.version => agent = newer,
                Written::Conflict(_) => return Err(Error::new(wire::problem::Code::InvalidState)),
                Written::Missing => return Err(Error::not_found()),
            }
        }
    }

    /// Has the host that keeps an ended agent's files remove them; one that is away keeps them.
    pub(super) fn forget_files(self: &Arc<Self>, agent: &Agent, home: HostId) {
        let Some(to) = self.fleet.to(home) else { return };
        let reason = agent.reason.unwrap_or(StatusReason::UserRequest);
        let stop = Stop { agent: agent.id, epoch: agent.epoch, reason, grace: Duration::ZERO, purge: true };
        let app = self.clone();
        self.detach(async move {
            if let Err(error) = app.hosts.stop(&to, stop).await {
                tracing::warn!(host = %home, error = %Chain(&error), "files of an ended agent remain");
            }
        });
    }

    /// Has the host end a `terminating` agent. When the host cannot be asked the sweeper goes on.
    pub(crate) async fn finish(&self, agent: Agent) {
        if let Some(host) = agent.host {
            let Some(to) = self.fleet.to(host) else { return };
            let reason = agent.reason.unwrap_or(StatusReason::UserRequest);
            let stop = Stop { agent: agent.id, epoch: agent.epoch, reason, grace: GRACE, purge: true };
            if let Err(error) = self.hosts.stop(&to, stop).await {
                tracing::warn!(agent = %agent.id, host = %host, error = %Chain(&error), "host did not end an agent");
                return;
            }
            self.fleet.left(host);
        }
        let expect =
            Expect { epoch: Some(agent.epoch), status: vec![Status::Terminating], ..Expect::default() };
        let patch = final_patch(Status::Terminated);
        if let Err(error) = self.update(agent.id, expect, patch).await {
            tracing::error!(agent = %agent.id, error = %Chain(&error), "an ended agent was not recorded");
        }
    }

    /// Does what the table says of an agent whose deadline or lifetime is past.
    pub(crate) async fn sweep(self: &Arc<Self>, agent: Agent, now: Timestamp) -> Result<(), Error> {
        let expired = agent.expires_at.is_some_and(|at| at <= now);
        if let Some((_, reason)) = state::expired(agent.status).filter(|_| expired) {
            self.end(agent, reason).await?;
            return Ok(());
        }
        if agent.status == Status::Suspended && agent.wake_at.is_some_and(|at| at <= now) {
            self.wake(agent).await?;
            return Ok(());
        }
        if agent.deadline.is_none_or(|at| at > now) {
            return Ok(());
        }
        if agent.waits() && (agent.ran || agent.checkpoint.is_some()) {
            // It has something to lose: while no host has room for it or others are before it, it waits.
            let patch = self.waiting(&agent).unwrap_or_default();
            let deadline = patch.deadline.unwrap_or_else(|| state::deadline(agent.status, now));
            let expect = Expect { version: Some(agent.version), ..Expect::default() };
            self.update(agent.id, expect, Patch { deadline: Some(deadline), ..patch }).await?;
            return Ok(());
        }
        let Some((to, reason)) = state::overdue(agent.status, agent.desired, agent.checkpoint.is_some())
        else {
            return Ok(());
        };
        tracing::warn!(agent = %agent.id, from = ?agent.status, ?to, "overdue");
        let leaves = !matches!(to, Status::Running | Status::Terminating);
        let mut patch =
            if to.is_final() { final_patch(to) } else { Patch { status: Some(to), ..Patch::default() } };
        if agent.status != Status::Terminating {
            patch.reason = Some(Some(reason));
        }
        if !to.is_final() {
            patch.deadline = Some(state::deadline(to, now));
        }
        if leaves {
            patch.host = Some(None);
            patch.cause = interrupted(&agent).map(Some);
        }
        if (agent.status, to) == (Status::Suspending, Status::Running) {
            patch.desired = Some(DesiredStatus::Running);
        }
        let expect = Expect { version: Some(agent.version), ..Expect::default() };
        let remains = agent.host.and_then(|host| self.fleet.to(host)).filter(|_| leaves);
        if let (Written::Done(row), Some(host)) = (self.update(agent.id, expect, patch).await?, remains) {
            // It may still run there; its row does not wait for the answer.
            let app = self.clone();
            self.detach(async move { app.end_at(&host, &agent, reason, row.status.is_final()).await });
        }
        Ok(())
    }
}

/// What an agent that is taken off its host is told when it goes on from its checkpoint; none when it has
/// none, or its row says already.
pub(super) fn interrupted(agent: &Agent) -> Option<ResumeCause> {
    agent.checkpoint.as_ref()?;
    match agent.cause {
        // It was on its way and on no host: nothing is undone.
        Some(_) if agent.host.is_none() => None,
        // What it was to be told it may not have heard; neither promises that nothing was undone.
        Some(ResumeCause::Fork | ResumeCause::Restore) => None,
        _ => Some(ResumeCause::Rollback),
    }
}

/// A row that is over: on no host, with nothing to be late for.
pub(super) fn final_patch(status: Status) -> Patch {
    Patch { status: Some(status), host: Some(None), deadline: Some(None), ..Patch::default() }
}
