//! Agents, and the idempotency of their spawns.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use wire::{
    AgentId, Digest, HostId,
    agent::{Limits, OnDrain, Status, StatusReason},
    checkpoint::{CheckpointRef, Lineage},
    egress::Rule,
    host::ResumeCause,
    image::ImageKind,
    message::Recipient,
};

use super::{
    checkpoints, hooks, mail,
    row::{
        counter, desired, desired_text, json, limit as sql_limit, nanos, parsed, parsed_or_null, stored,
        text, to_json, word,
    },
};
use crate::{
    domain::{
        agent::{Agent, Spec},
        checkpoint::Checkpoint,
    },
    store::{Created, Idempotency, StoreError, Written},
};

/// What [`read`] reads, in its order.
pub(super) const COLUMNS: &str =
    "id, tenant, name, status, desired, epoch, version, host, metadata, spec, state";

// Each has a partial index, which SQLite uses only when the query says the index's condition too.
pub(super) const ON_HOST: &str = "WHERE host = ?1 AND status NOT IN ('terminated', 'failed') ORDER BY id";
pub(super) const OVERDUE: &str = "WHERE due <= ?1 ORDER BY due LIMIT ?2";
pub(super) const WAITING: &str = "WHERE desired = 'running'
    AND (status = 'pending' OR (status IN ('resuming', 'migrating') AND host IS NULL))
    AND id > ?1 ORDER BY id LIMIT ?2";

/// The column `spec`: written once, and when an upgrade changes the component.
#[derive(Serialize, Deserialize)]
struct SpecJson<'a> {
    image: Cow<'a, str>,
    digest: Cow<'a, Digest>,
    config: Cow<'a, str>,
    env: Cow<'a, BTreeMap<String, String>>,
    limits: Limits,
    #[serde(default)]
    kind: ImageKind,
    #[serde(default)]
    suspendable: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    idle_timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "is_empty", default)]
    send_to: Cow<'a, [Recipient]>,
    #[serde(skip_serializing_if = "is_empty", default)]
    egress: Cow<'a, [Rule]>,
    #[serde(default)]
    on_drain: OnDrain,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    parent: Option<Lineage>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expires_at: Option<Timestamp>,
}

#[allow(clippy::ptr_arg, reason = "serde calls it with the field as it is")]
fn is_empty<T: Clone>(granted: &Cow<'_, [T]>) -> bool {
    granted.is_empty()
}

/// The column `state`: written at every change.
#[derive(Serialize, Deserialize)]
struct StateJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<StatusReason>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detail: Option<Cow<'a, str>>,
    ran: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    home: Option<HostId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    checkpoint: Option<Cow<'a, CheckpointRef>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    previous: Option<Cow<'a, CheckpointRef>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cause: Option<ResumeCause>,
    #[serde(default = "first")]
    timeline: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    wake_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    deadline: Option<Timestamp>,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    started_at: Option<Timestamp>,
}

/// The timeline of rows from before there were any.
fn first() -> u64 {
    1
}

pub(super) fn create(
    db: &Connection,
    agent: Agent,
    idempotency: Option<&Idempotency>,
) -> Result<Created, StoreError> {
    if let Some(key) = idempotency
        && let Some(earlier) = earlier(db, &agent, key)?
    {
        return Ok(earlier);
    }
    let inherited = match &agent.checkpoint {
        Some(at) => match checkpoints::get(db, at.id)? {
            Some(checkpoint) => Some(checkpoint),
            None => return Ok(Created::CheckpointGone),
        },
        None => None,
    };
    let tenant = text(agent.tenant);
    // Only an agent that is live counts, now and when it ends.
    if !agent.status.is_final() {
        let sql = "UPDATE tenants SET live = live + 1 WHERE id = ?1 AND live < max_agents";
        if db.prepare_cached(sql)?.execute([&tenant])? == 0 {
            let sql = "SELECT max_agents FROM tenants WHERE id = ?1";
            let max = db.prepare_cached(sql)?.query_row([&tenant], |row| row.get(0)).optional()?;
            // A tenant that is not there may have none.
            return Ok(Created::QuotaExceeded { max_agents: max.unwrap_or(0) });
        }
    }
    insert(db, &agent)?;
    if let Some(checkpoint) = inherited {
        mail::begin_after(db, agent.id, checkpoint.inbox)?;
    }
    if let Some(key) = idempotency {
        db.prepare_cached(
            "INSERT OR REPLACE INTO idempotency (tenant, key, fingerprint, agent, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            tenant,
            key.key,
            key.fingerprint,
            text(agent.id),
            nanos(key.expires_at)
        ])?;
    }
    Ok(Created::Created(agent))
}

/// What a spawn with the same key came to, unless that is forgotten by now.
fn earlier(db: &Connection, agent: &Agent, key: &Idempotency) -> Result<Option<Created>, StoreError> {
    let sql = "SELECT fingerprint, agent FROM idempotency WHERE tenant = ?1 AND key = ?2 AND expires_at > ?3";
    let found = db
        .prepare_cached(sql)?
        .query_row(params![text(agent.tenant), key.key, nanos(agent.created_at)], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, parsed::<AgentId>(row, 1)?))
        })
        .optional()?;
    let Some((fingerprint, id)) = found else { return Ok(None) };
    if fingerprint != key.fingerprint {
        return Ok(Some(Created::KeyReused));
    }
    Ok(get(db, id)?.map(Created::Replayed))
}

fn insert(db: &Connection, agent: &Agent) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO agents (id, tenant, name, status, desired, epoch, version, host, checkpoint, previous, due,
             metadata, spec, state)
         VALUES (:id, :tenant, :name, :status, :desired, :epoch, :version, :host, :checkpoint, :previous, :due,
             :metadata, :spec, :state)",
    )?
    .execute(named_params! {
        ":id": text(agent.id),
        ":tenant": text(agent.tenant),
        ":name": agent.spec.name,
        ":status": agent.status.as_str(),
        ":desired": desired_text(agent.desired),
        ":epoch": stored(agent.epoch)?,
        ":version": stored(agent.version)?,
        ":host": agent.host.map(text),
        ":checkpoint": agent.checkpoint.as_ref().map(|at| text(at.id)),
        ":previous": agent.previous.as_ref().map(|at| text(at.id)),
        ":due": agent.due().map(nanos),
        ":metadata": to_json(&agent.metadata)?,
        ":spec": spec(agent)?,
        ":state": state(agent)?,
    })?;
    Ok(())
}

fn spec(agent: &Agent) -> Result<String, StoreError> {
    to_json(&SpecJson {
        image: Cow::Borrowed(&agent.spec.image),
        digest: Cow::Borrowed(&agent.spec.digest),
        config: Cow::Borrowed(&agent.spec.config),
        env: Cow::Borrowed(&agent.spec.env),
        limits: agent.spec.limits,
        kind: agent.spec.kind,
        suspendable: agent.spec.suspendable,
        idle_timeout_seconds: agent.spec.idle_timeout_seconds,
        send_to: Cow::Borrowed(&agent.spec.send_to),
        egress: Cow::Borrowed(&agent.spec.egress),
        on_drain: agent.spec.on_drain,
        parent: agent.parent,
        created_at: agent.created_at,
        expires_at: agent.expires_at,
    })
}

fn state(agent: &Agent) -> Result<String, StoreError> {
    to_json(&StateJson {
        reason: agent.reason,
        detail: agent.detail.as_deref().map(Cow::Borrowed),
        ran: agent.ran,
        home: agent.home,
        checkpoint: agent.checkpoint.as_ref().map(Cow::Borrowed),
        previous: agent.previous.as_ref().map(Cow::Borrowed),
        cause: agent.cause,
        timeline: agent.timeline,
        wake_at: agent.wake_at,
        deadline: agent.deadline,
        updated_at: agent.updated_at,
        started_at: agent.started_at,
    })
}

/// Writes what `next` makes of a row, when it makes something of it.
pub(super) fn change(
    db: &Connection,
    id: AgentId,
    next: impl FnOnce(&Agent) -> Option<Agent>,
) -> Result<Written, StoreError> {
    let Some(agent) = get(db, id)? else { return Ok(Written::Missing) };
    let Some(next) = next(&agent) else { return Ok(Written::Conflict(agent)) };
    for at in [&next.checkpoint, &next.previous].into_iter().flatten() {
        if !refers(&agent, at) && checkpoints::get(db, at.id)?.is_none() {
            return Ok(Written::Conflict(agent));
        }
    }
    // Before the write: what it leaves behind may be forgotten with it.
    let left = agent.checkpoint.as_ref().filter(|_| next.timeline > agent.timeline);
    let left = left.map(|at| checkpoints::get(db, at.id)).transpose()?.flatten();
    write(db, &agent, &next)?;
    if next.status.is_final() {
        if !agent.status.is_final() {
            mail::end(db, next.id)?;
            hooks::end(db, next.id)?;
        }
    } else if next.checkpoint != agent.checkpoint {
        let covered = next.checkpoint.as_ref().map(|at| checkpoints::get(db, at.id)).transpose()?.flatten();
        let inbox = |checkpoint: Option<Checkpoint>| checkpoint.map_or(0, |checkpoint| checkpoint.inbox);
        mail::cover(db, next.id, inbox(covered), inbox(left), next.updated_at)?;
    }
    Ok(Written::Done(next))
}

fn refers(agent: &Agent, at: &CheckpointRef) -> bool {
    [&agent.checkpoint, &agent.previous].into_iter().any(|known| known.as_ref() == Some(at))
}

/// Writes what a row became, and forgets the checkpoints that nobody goes on from any more.
pub(super) fn write(db: &Connection, agent: &Agent, next: &Agent) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE agents SET status = :status, desired = :desired, epoch = :epoch, version = :version,
             host = :host, checkpoint = :checkpoint, previous = :previous, due = :due, state = :state
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": text(next.id),
        ":status": next.status.as_str(),
        ":desired": desired_text(next.desired),
        ":epoch": stored(next.epoch)?,
        ":version": stored(next.version)?,
        ":host": next.host.map(text),
        ":checkpoint": next.checkpoint.as_ref().map(|at| text(at.id)),
        ":previous": next.previous.as_ref().map(|at| text(at.id)),
        ":due": next.due().map(nanos),
        ":state": state(next)?,
    })?;
    if next.spec.digest != agent.spec.digest {
        let sql = "UPDATE agents SET spec = ?2 WHERE id = ?1";
        db.prepare_cached(sql)?.execute(params![text(next.id), spec(next)?])?;
    }
    if next.status.is_final() && !agent.status.is_final() {
        db.prepare_cached("UPDATE tenants SET live = live - 1 WHERE id = ?1")?
            .execute([text(next.tenant)])?;
        checkpoints::end(db, next.id)?;
    }
    for at in [&agent.checkpoint, &agent.previous].into_iter().flatten().filter(|at| !refers(next, at)) {
        checkpoints::forget_unused(db, at.id)?;
    }
    Ok(())
}

pub(super) fn get(db: &Connection, id: AgentId) -> Result<Option<Agent>, StoreError> {
    let sql = select("WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([text(id)], read).optional()?)
}

pub(super) fn on_host(db: &Connection, host: HostId) -> Result<Vec<Agent>, StoreError> {
    let sql = select(ON_HOST);
    collect(db, &sql, [text(host)])
}

pub(super) fn overdue(db: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Agent>, StoreError> {
    let sql = select(OVERDUE);
    collect(db, &sql, [nanos(now), sql_limit(limit)])
}

pub(super) fn waiting(
    db: &Connection,
    after: Option<AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    let sql = select(WAITING);
    // No id is empty.
    collect(db, &sql, params![after.map(text).unwrap_or_default(), sql_limit(limit)])
}

/// A query for what [`read`] reads.
pub(super) fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM agents {rest}")
}

pub(super) fn collect(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Agent>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Agent> {
    let spec: SpecJson<'static> = json(row, 9)?;
    let state: StateJson<'static> = json(row, 10)?;
    Ok(Agent {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        spec: Spec {
            name: row.get(2)?,
            image: spec.image.into_owned(),
            digest: spec.digest.into_owned(),
            config: spec.config.into_owned(),
            env: spec.env.into_owned(),
            limits: spec.limits,
            kind: spec.kind,
            suspendable: spec.suspendable,
            idle_timeout_seconds: spec.idle_timeout_seconds,
            send_to: spec.send_to.into_owned(),
            egress: spec.egress.into_owned(),
            on_drain: spec.on_drain,
        },
        metadata: json(row, 8)?,
        status: word(row, 3, Status::parse)?,
        desired: word(row, 4, desired)?,
        reason: state.reason,
        detail: state.detail.map(Cow::into_owned),
        epoch: counter(row, 5)?,
        version: counter(row, 6)?,
        host: parsed_or_null(row, 7)?,
        ran: state.ran,
        home: state.home,
        checkpoint: state.checkpoint.map(Cow::into_owned),
        previous: state.previous.map(Cow::into_owned),
        cause: state.cause,
        timeline: state.timeline,
        parent: spec.parent,
        wake_at: state.wake_at,
        deadline: state.deadline,
        expires_at: spec.expires_at,
        created_at: spec.created_at,
        updated_at: state.updated_at,
        started_at: state.started_at,
    })
}
