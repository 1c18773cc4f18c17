//! Agents, and the idempotency of their spawns.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use wire::{
    AgentId, Digest, HostId,
    agent::{Limits, Status, StatusReason},
};

use super::row::{
    counter, desired, desired_text, json, limit as sql_limit, nanos, parsed, parsed_or_null, stored, text,
    to_json, word,
};
use crate::{
    domain::agent::{Agent, Spec},
    store::{Created, Idempotency, StoreError, Written},
};

/// What [`read`] reads, in its order.
pub(super) const COLUMNS: &str =
    "id, tenant, name, status, desired, epoch, version, host, metadata, spec, state";

// Each has a partial index, which SQLite uses only when the query says the index's condition too.
pub(super) const ON_HOST: &str = "WHERE host = ?1 AND status NOT IN ('terminated', 'failed') ORDER BY id";
pub(super) const OVERDUE: &str = "WHERE due <= ?1 ORDER BY due LIMIT ?2";
pub(super) const PENDING: &str =
    "WHERE status = 'pending' AND desired = 'running' AND id > ?1 ORDER BY id LIMIT ?2";

/// The column `spec`: written once.
#[derive(Serialize, Deserialize)]
struct SpecJson<'a> {
    image: Cow<'a, str>,
    digest: Cow<'a, Digest>,
    config: Cow<'a, str>,
    env: Cow<'a, BTreeMap<String, String>>,
    limits: Limits,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expires_at: Option<Timestamp>,
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
    deadline: Option<Timestamp>,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    started_at: Option<Timestamp>,
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
    let spec = SpecJson {
        image: Cow::Borrowed(&agent.spec.image),
        digest: Cow::Borrowed(&agent.spec.digest),
        config: Cow::Borrowed(&agent.spec.config),
        env: Cow::Borrowed(&agent.spec.env),
        limits: agent.spec.limits,
        created_at: agent.created_at,
        expires_at: agent.expires_at,
    };
    db.prepare_cached(
        "INSERT INTO agents (id, tenant, name, status, desired, epoch, version, host, due, metadata, spec, state)
         VALUES (:id, :tenant, :name, :status, :desired, :epoch, :version, :host, :due, :metadata, :spec, :state)",
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
        ":due": agent.due().map(nanos),
        ":metadata": to_json(&agent.metadata)?,
        ":spec": to_json(&spec)?,
        ":state": state(agent)?,
    })?;
    Ok(())
}

fn state(agent: &Agent) -> Result<String, StoreError> {
    to_json(&StateJson {
        reason: agent.reason,
        detail: agent.detail.as_deref().map(Cow::Borrowed),
        ran: agent.ran,
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
    db.prepare_cached(
        "UPDATE agents SET status = :status, desired = :desired, epoch = :epoch, version = :version,
             host = :host, due = :due, state = :state
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": text(id),
        ":status": next.status.as_str(),
        ":desired": desired_text(next.desired),
        ":epoch": stored(next.epoch)?,
        ":version": stored(next.version)?,
        ":host": next.host.map(text),
        ":due": next.due().map(nanos),
        ":state": state(&next)?,
    })?;
    if next.status.is_final() && !agent.status.is_final() {
        db.prepare_cached("UPDATE tenants SET live = live - 1 WHERE id = ?1")?
            .execute([text(next.tenant)])?;
    }
    Ok(Written::Done(next))
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

pub(super) fn pending(
    db: &Connection,
    after: Option<AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    let sql = select(PENDING);
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

fn read(row: &Row<'_>) -> rusqlite::Result<Agent> {
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
        deadline: state.deadline,
        expires_at: spec.expires_at,
        created_at: spec.created_at,
        updated_at: state.updated_at,
        started_at: state.started_at,
    })
}
