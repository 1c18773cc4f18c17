//! Forks: agents that begin where another one is, with no more rights than it has.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use points::{Point, reach};
use sha2::{Digest as _, Sha256};
use wire::{
    AgentId,
    access::Scope,
    agent::{DesiredStatus, Limits, MAX_METADATA, MAX_METADATA_BYTES, MAX_NAME_BYTES, Status, StatusReason},
    checkpoint::{CheckpointKind, ForkFrom, ForkRequest, ForkResult, Forks, Lineage, MAX_FORKS},
    host::ResumeCause,
    message::{MAX_RECIPIENTS, Recipient},
    problem::Code,
};

use super::{App, access::Caller, suspending::not_now, tickets::ended, validate::Mistakes};
use crate::{
    domain::{
        agent::{Agent, Spec},
        checkpoint::Checkpoint,
        state,
    },
    error::Error,
    store::{Created, Idempotency, StoreError},
};

impl App {
    /// Makes running copies of an agent. It is not disturbed; each copy is made or not by itself. With a key, those that
    /// an earlier request with it made are answered with, and only the others are made.
    pub(crate) async fn fork(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        request: ForkRequest,
        key: Option<String>,
    ) -> Result<Forks, Error> {
        caller.need(Scope::AgentsSpawn)?;
        let parent = self.owned(caller, id).await?;
        if parent.status.is_final() {
            return Err(ended(&parent));
        }
        if !parent.spec.suspendable {
            return Err(self.not_suspendable(&parent));
        }
        let now = Timestamp::now();
        check(&parent, &request, now)?;
        let from = self.fork_point(&parent, request.from).await?;
        let forks = (1..=request.count).map(|number| copy(&parent, &from, &request, number, now));
        let mut forks: Vec<Agent> = forks.collect::<Result<_, _>>()?;
        let stands_for = Sha256::digest(serde_json::to_vec(&request).map_err(Error::internal)?).into();
        // They are recorded and placed also when the caller goes away.
        let app = self.clone();
        let recorded = self.detach(async move {
            let Some(key) = key else { return app.record_forks(forks, id, |_| None).await };
            // A space is in no client's key.
            let key = |number| Idempotency::new(format!("fork {id} {number} {key}"), stands_for, now);
            // The first alone: a key that stands for another request makes nothing.
            let rest = forks.split_off(1);
            let mut made = app.record_forks(forks, id, |_| Some(key(1))).await;
            if !matches!(made.first(), Some(Ok(Created::KeyReused))) {
                made.extend(app.record_forks(rest, id, |index| Some(key(index + 2))).await);
            }
            made
        });
        let mut checkpoint = from.at.id;
        let mut results = Vec::new();
        for created in recorded.await.map_err(Error::internal)? {
            results.push(match created {
                Ok(Created::KeyReused) => return Err(Error::new(Code::IdempotencyKeyReused)),
                Ok(Created::Created(agent) | Created::Replayed(agent)) => {
                    checkpoint = agent.parent.as_ref().map_or(checkpoint, |parent| parent.checkpoint);
                    ForkResult::Agent { agent: Box::new(self.view(agent)) }
                }
                other => ForkResult::Problem { problem: why_not(other).problem(&request_id()) },
            });
        }
        Ok(Forks { checkpoint, results })
    }

    /// All at once, so that the store can commit them together.
    async fn record_forks(
        self: &Arc<Self>,
        forks: Vec<Agent>,
        parent: AgentId,
        key: impl Fn(usize) -> Option<Idempotency>,
    ) -> Vec<Result<Created, StoreError>> {
        let each = forks.into_iter().enumerate().map(|(index, fork)| {
            let (app, key) = (self.clone(), key(index));
            async move {
                let created = app.store.create_agent(fork, key).await;
                if let Ok(Created::Created(agent)) = &created {
                    reach(Point::Forked, [parent]).await;
                    app.place_now(agent.clone());
                }
                created
            }
        });
        join_all(each).await
    }

    /// The checkpoint that forks begin from.
    async fn fork_point(self: &Arc<Self>, parent: &Agent, from: ForkFrom) -> Result<Checkpoint, Error> {
        let id = match (from, parent.status) {
            (ForkFrom::Checkpoint(id), _) => return self.checkpoint_of(parent.id, id, "/from").await,
            (ForkFrom::Now, Status::Running) => {
                self.take_checkpoint(parent, CheckpointKind::Automatic, None).await?
            }
            // It is nowhere else.
            (ForkFrom::Now, Status::Suspended) | (ForkFrom::Latest, _) => {
                let none = || Error::with(Code::InvalidState, "the agent has no checkpoint yet");
                parent.checkpoint.as_ref().ok_or_else(none)?.id
            }
            (ForkFrom::Now, _) => return Err(not_now(parent)),
        };
        let gone = || Error::with(Code::EpochChanged, "the checkpoint was replaced meanwhile");
        self.store.checkpoint(id).await?.ok_or_else(gone)
    }
}

fn request_id() -> String {
    crate::edge::current_id().map_or_else(String::new, |id| id.to_string())
}

fn why_not(created: Result<Created, StoreError>) -> Error {
    match created {
        Ok(Created::QuotaExceeded { max_agents }) => {
            Error::with(Code::QuotaExceeded, format!("the tenant may have {max_agents} agents at once"))
        }
        Ok(Created::CheckpointGone) => {
            Error::with(Code::EpochChanged, "the checkpoint was replaced meanwhile")
        }
        Ok(Created::Created(_) | Created::Replayed(_) | Created::KeyReused) => Error::new(Code::Internal),
        Err(error) => error.into(),
    }
}

/// Refuses whatever would give a fork more than its parent has; every field is looked at.
fn check(parent: &Agent, request: &ForkRequest, now: Timestamp) -> Result<(), Error> {
    let spec = &parent.spec;
    let mut mistakes = Mistakes::default();
    let fits = (1..=MAX_FORKS).contains(&request.count);
    mistakes.unless(fits, "/count", format!("must be from 1 to {MAX_FORKS}"));
    if let Some(name) = &request.name {
        mistakes.text(name, MAX_NAME_BYTES, "/name");
    }
    if let Some(metadata) = &request.metadata {
        mistakes.pairs(metadata, MAX_METADATA, MAX_METADATA_BYTES, "/metadata");
    }
    if let Some(limits) = &request.limits {
        mistakes.limits(limits);
        narrower(&mut mistakes, limits, &spec.limits);
    }
    if let Some(send_to) = &request.send_to {
        let fits = send_to.len() <= MAX_RECIPIENTS;
        mistakes.unless(fits, "/send_to", format!("must have at most {MAX_RECIPIENTS} entries"));
        let all = spec.send_to.contains(&Recipient::Tenant);
        for (index, to) in send_to.iter().enumerate().take(MAX_RECIPIENTS) {
            let may = all || spec.send_to.contains(to);
            mistakes.unless(may, format!("/send_to/{index}"), "the agent itself may not send there");
        }
    }
    if let Some(rules) = &request.egress {
        mistakes.egress(rules, Some(&spec.egress));
    }
    if let Some(seconds) = request.idle_timeout_seconds {
        mistakes.idle(seconds);
        if let Some(most) = spec.idle_timeout_seconds {
            mistakes.unless(seconds <= most, "/idle_timeout_seconds", at_most(most.into()));
        }
    }
    if let Some(seconds) = request.max_lifetime_seconds {
        mistakes.lifetime(seconds);
        if let Some(end) = parent.expires_at {
            let left = end.duration_since(now).as_secs().max(0);
            let fits = i64::from(seconds) <= left;
            let left = left.unsigned_abs();
            mistakes.unless(fits, "/max_lifetime_seconds", at_most(left));
        }
    }
    mistakes.none()
}

fn at_most(most: u64) -> String {
    format!("must be at most the agent's own, {most}")
}

fn narrower(mistakes: &mut Mistakes, limits: &Limits, own: &Limits) {
    let fields = [
        ("memory_mib", u64::from(limits.memory_mib), u64::from(own.memory_mib)),
        ("fuel_per_second", limits.fuel_per_second, own.fuel_per_second),
        ("disk_mib", limits.disk_mib.into(), own.disk_mib.into()),
    ];
    for (name, asked, most) in fields {
        mistakes.unless(asked <= most, format!("/limits/{name}"), at_most(most));
    }
    // None at all is the most there is.
    let fits = own.wall_seconds == 0 || (1..=own.wall_seconds).contains(&limits.wall_seconds);
    mistakes.unless(fits, "/limits/wall_seconds", at_most(own.wall_seconds.into()));
}

/// The row of one fork.
fn copy(
    parent: &Agent,
    from: &Checkpoint,
    request: &ForkRequest,
    number: u32,
    now: Timestamp,
) -> Result<Agent, Error> {
    let lifetime = request.max_lifetime_seconds.map(|s| SignedDuration::from_secs(s.into()));
    let ends = lifetime.map(|l| now.checked_add(l)).transpose().map_err(Error::internal)?;
    let name = request.name.clone().unwrap_or_else(|| numbered(&parent.spec.name, number));
    let spec = Spec {
        name,
        digest: from.image.clone(),
        limits: request.limits.unwrap_or(parent.spec.limits),
        idle_timeout_seconds: request.idle_timeout_seconds.or(parent.spec.idle_timeout_seconds),
        send_to: request.send_to.clone().unwrap_or_else(|| parent.spec.send_to.clone()),
        egress: request.egress.clone().unwrap_or_else(|| parent.spec.egress.clone()),
        ..parent.spec.clone()
    };
    Ok(Agent {
        id: AgentId::new(),
        tenant: parent.tenant,
        spec,
        metadata: request.metadata.clone().unwrap_or_else(|| parent.metadata.clone()),
        status: Status::Resuming,
        desired: DesiredStatus::Running,
        reason: Some(StatusReason::Restoring),
        detail: None,
        epoch: 0,
        version: 1,
        host: None,
        // Where its parent is, what it shares with it is at hand.
        home: parent.host.or(parent.home),
        ran: false,
        checkpoint: Some(from.at.clone()),
        previous: None,
        cause: Some(ResumeCause::Fork),
        timeline: 1,
        parent: Some(Lineage { agent: parent.id, checkpoint: from.at.id }),
        wake_at: None,
        deadline: state::deadline(Status::Resuming, now),
        expires_at: ends.or(parent.expires_at),
        created_at: now,
        updated_at: now,
        started_at: None,
    })
}

/// A name for a fork whose owner gave none: its parent's with a number, within the bound of names.
fn numbered(parent: &str, number: u32) -> String {
    let number = format!("-{number}");
    let room = MAX_NAME_BYTES.saturating_sub(number.len());
    let end = (0..=room.min(parent.len())).rev().find(|&at| parent.is_char_boundary(at)).unwrap_or_default();
    format!("{}{number}", &parent[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_named_after_its_parent_within_the_bound() {
        assert_eq!(numbered("shell", 7), "shell-7");
        let long = numbered(&"é".repeat(64), 100);
        assert!(long.len() <= MAX_NAME_BYTES && long.ends_with("-100"), "{long}");
    }

    #[test]
    fn limits_only_narrow() {
        let own = Limits { wall_seconds: 10, ..Limits::default() };
        let wrong = |limits: Limits| {
            let mut mistakes = Mistakes::default();
            narrower(&mut mistakes, &limits, &own);
            mistakes.none().is_err()
        };
        assert!(!wrong(own));
        assert!(!wrong(Limits { memory_mib: 1, wall_seconds: 1, ..own }));
        for more in [
            Limits { memory_mib: own.memory_mib + 1, ..own },
            Limits { fuel_per_second: own.fuel_per_second + 1, ..own },
            Limits { disk_mib: own.disk_mib + 1, ..own },
            Limits { wall_seconds: 11, ..own },
            Limits { wall_seconds: 0, ..own },
        ] {
            assert!(wrong(more), "{more:?}");
        }
        let mut mistakes = Mistakes::default();
        narrower(&mut mistakes, &Limits { wall_seconds: 5, ..own }, &Limits { wall_seconds: 0, ..own });
        assert!(mistakes.none().is_ok());
    }
}
