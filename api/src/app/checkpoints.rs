//! Checkpoints that an owner asks for, and agents that go back to one.

use std::sync::Arc;

use jiff::Timestamp;
use wire::{
    AgentId, CheckpointId,
    access::Scope,
    agent::{DesiredStatus, Status, StatusReason},
    checkpoint::{CheckpointKind, CheckpointRequest, MAX_NOTE_BYTES, RestoreRequest},
    host::ResumeCause,
    problem::Code,
};

use super::{
    App,
    access::Caller,
    files::from_host,
    suspending::{GRACE, not_now, refused},
    tickets::ended,
    validate::Mistakes,
};
use crate::{
    domain::{
        agent::{Agent, Expect, Patch},
        checkpoint::Checkpoint,
        state,
    },
    edge::Chain,
    error::Error,
    fleet::Found,
    hosts::{Placed, Take},
    store::{CheckpointDeleted, Written},
};

impl App {
    /// Takes a checkpoint of an agent that goes on, which is kept until it is deleted.
    pub(crate) async fn create_checkpoint(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        request: CheckpointRequest,
    ) -> Result<wire::checkpoint::Checkpoint, Error> {
        caller.need(Scope::AgentsWrite)?;
        let mut mistakes = Mistakes::default();
        if let Some(note) = &request.note {
            mistakes.text(note, MAX_NOTE_BYTES, "/note");
        }
        mistakes.none()?;
        let agent = self.owned(caller, id).await?;
        let id = self.take_checkpoint(&agent, CheckpointKind::Requested, request.note).await?;
        let taken = self.store.checkpoint(id).await?;
        // Deleted already, by somebody who read the list.
        taken.map(view).ok_or_else(Error::not_found)
    }

    /// Has a running agent's host commit a checkpoint of it.
    pub(super) async fn take_checkpoint(
        self: &Arc<Self>,
        agent: &Agent,
        kind: CheckpointKind,
        note: Option<String>,
    ) -> Result<CheckpointId, Error> {
        match agent.status {
            status if status.is_final() => return Err(ended(agent)),
            _ if !agent.spec.suspendable => return Err(self.not_suspendable(agent)),
            Status::Running => {}
            _ => return Err(not_now(agent)),
        }
        let to = self.placed(agent)?;
        let of = Placed { agent: agent.id, epoch: agent.epoch };
        let take = Take { of, kind, note, grace: GRACE };
        // It is taken, and its record told, when the caller goes away too.
        let app = self.clone();
        let taken = self.detach(async move { app.hosts.checkpoint(&to, take).await });
        taken.await.map_err(Error::internal)?.map_err(refused)
    }

    /// One page of an agent's checkpoints, newest first.
    pub(crate) async fn checkpoints(
        &self,
        caller: &Caller,
        id: AgentId,
        after: Option<CheckpointId>,
        limit: usize,
    ) -> Result<(Vec<wire::checkpoint::Checkpoint>, Option<CheckpointId>), Error> {
        caller.need(Scope::AgentsRead)?;
        self.owned(caller, id).await?;
        // One more than asked for says whether a next page exists.
        let mut found = self.store.checkpoints(id, after, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|checkpoint| checkpoint.at.id).filter(|_| more);
        Ok((found.into_iter().map(view).collect(), next))
    }

    /// Removes a checkpoint.
    pub(crate) async fn delete_checkpoint(&self, caller: &Caller, id: CheckpointId) -> Result<(), Error> {
        caller.need(Scope::AgentsWrite)?;
        let checkpoint = self.store.checkpoint(id).await?.ok_or_else(Error::not_found)?;
        self.owned(caller, checkpoint.agent).await?;
        match self.store.delete_checkpoint(id).await? {
            CheckpointDeleted::Done => Ok(()),
            CheckpointDeleted::InUse => {
                let detail = "an agent goes on from this checkpoint, or falls back to it";
                Err(Error::with(Code::InvalidState, detail))
            }
            CheckpointDeleted::Missing => Err(Error::not_found()),
        }
    }

    /// Takes an agent back to one of its checkpoints: what came after is undone.
    pub(crate) async fn restore(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        request: RestoreRequest,
    ) -> Result<Agent, Error> {
        caller.need(Scope::AgentsWrite)?;
        let mut agent = self.owned(caller, id).await?;
        let checkpoint = self.checkpoint_of(id, request.checkpoint, "/checkpoint").await?;
        loop {
            let waits = agent.host.is_none();
            match agent.status {
                status if status.is_final() => return Err(ended(&agent)),
                Status::Running | Status::Suspended => {}
                Status::Resuming | Status::Migrating if waits => {}
                _ => return Err(not_now(&agent)),
            }
            let to = Status::Resuming;
            let patch = Patch {
                status: (agent.status != to).then_some(to),
                desired: Some(DesiredStatus::Running),
                reason: Some(Some(StatusReason::Restoring)),
                detail: Some(None),
                host: Some(None),
                checkpoint: Some(Some(checkpoint.at.clone())),
                previous: Some(None),
                cause: Some(Some(ResumeCause::Restore)),
                timeline: Some(agent.timeline + 1),
                wake_at: Some(None),
                digest: Some(checkpoint.image.clone()),
                deadline: Some(state::deadline(to, Timestamp::now())),
                ..Patch::default()
            };
            let expect = Expect { version: Some(agent.version), ..Expect::default() };
            match self.update(id, expect, patch).await? {
                Written::Done(row) => {
                    let app = self.clone();
                    let restored = row.clone();
                    self.detach(async move { app.replace(agent, restored).await });
                    return Ok(row);
                }
                Written::Conflict(newer) if newer.version != agent.version => agent = newer,
                // The checkpoint was deleted just now.
                Written::Conflict(_) => return Err(Error::not_found()),
                Written::Missing => return Err(Error::not_found()),
            }
        }
    }

    /// Ends what is left of an agent's past life, and places it anew.
    async fn replace(self: Arc<Self>, before: Agent, row: Agent) {
        if let Some(to) = before.host.and_then(|host| self.fleet.to(host)) {
            if before.status == Status::Running {
                self.end_at(&to, &before, StatusReason::Restoring, false).await;
                self.fleet.left(to.id);
            } else {
                let which = Placed { agent: before.id, epoch: before.epoch };
                if let Err(error) = self.hosts.unpark(&to, which).await {
                    tracing::debug!(host = %to.id, error = %Chain(&error), "a park was not left");
                }
            }
        }
        self.place_now(row);
    }

    /// Gives a running agent another version of its component, which takes over its state.
    pub(crate) async fn upgrade(
        self: &Arc<Self>,
        caller: &Caller,
        id: AgentId,
        image: &str,
    ) -> Result<Agent, Error> {
        caller.need(Scope::AgentsWrite)?;
        let agent = self.owned(caller, id).await?;
        match agent.status {
            status if status.is_final() => return Err(ended(&agent)),
            Status::Running => {}
            _ => return Err(not_now(&agent)),
        }
        let Found::Image(image) = self.fleet.image(image) else {
            return Err(Error::field("/image", "no such image; GET /v1/images lists them"));
        };
        if image.digest == agent.spec.digest {
            return Ok(agent);
        }
        if !agent.spec.suspendable || !image.suspendable || !image.upgradable {
            let detail =
                "both components have to be suspendable, and the new one to export `save` and `load`";
            return Err(Error::with(Code::InvalidState, detail));
        }
        let to = self.placed(&agent)?;
        let which = Placed { agent: id, epoch: agent.epoch };
        let (app, digest) = (self.clone(), image.digest);
        let upgraded = self.detach(async move { app.hosts.upgrade(&to, which, digest, GRACE).await });
        upgraded.await.map_err(Error::internal)?.map_err(from_host)?;
        self.changes.tell(id);
        self.owned(caller, id).await
    }

    /// One of an agent's own checkpoints.
    pub(super) async fn checkpoint_of(
        &self,
        agent: AgentId,
        id: CheckpointId,
        pointer: &str,
    ) -> Result<Checkpoint, Error> {
        let found = self.store.checkpoint(id).await?.filter(|checkpoint| checkpoint.agent == agent);
        found.ok_or_else(|| Error::field(pointer, "the agent has no such checkpoint"))
    }
}

fn view(checkpoint: Checkpoint) -> wire::checkpoint::Checkpoint {
    wire::checkpoint::Checkpoint {
        id: checkpoint.at.id,
        agent: checkpoint.agent,
        parent: checkpoint.parent,
        kind: checkpoint.kind,
        sha256: checkpoint.at.sha256,
        image_digest: checkpoint.image,
        epoch: checkpoint.epoch,
        size_bytes: checkpoint.size_bytes,
        unique_bytes: checkpoint.unique_bytes,
        note: checkpoint.note,
        created_at: checkpoint.created_at,
    }
}
