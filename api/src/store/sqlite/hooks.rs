//! Webhooks.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use wire::AgentId;

use super::{
    mail::{Whose, whose},
    row::{nanos, parsed, text, time},
};
use crate::{
    domain::hook::Hook,
    store::{HookCreated, MAX_HOOKS, StoreError},
};

pub(super) fn create(
    db: &Connection,
    agent: AgentId,
    name: &str,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<HookCreated, StoreError> {
    let Whose::Live = whose(db, agent)? else { return Ok(HookCreated::Missing) };
    let hooks = all(db, agent)?;
    if hooks.iter().any(|hook| hook.name == name) {
        return Ok(HookCreated::Exists);
    }
    if hooks.len() >= MAX_HOOKS {
        return Ok(HookCreated::Full);
    }
    let sql = "INSERT INTO hooks (agent, name, hash, created_at) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![text(agent), name, hash, nanos(now)])?;
    Ok(HookCreated::Done)
}

pub(super) fn all(db: &Connection, agent: AgentId) -> Result<Vec<Hook>, StoreError> {
    let sql = "SELECT name, created_at FROM hooks WHERE agent = ?1 ORDER BY name";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement
        .query_map([text(agent)], |row| Ok(Hook { name: row.get(0)?, created_at: time(row, 1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn get(db: &Connection, hash: &[u8; 32]) -> Result<Option<(AgentId, String)>, StoreError> {
    let sql = "SELECT agent, name FROM hooks WHERE hash = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((parsed(row, 0)?, row.get(1)?));
    Ok(db.prepare_cached(sql)?.query_row([hash], read).optional()?)
}

pub(super) fn delete(db: &Connection, agent: AgentId, name: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM hooks WHERE agent = ?1 AND name = ?2";
    Ok(db.prepare_cached(sql)?.execute(params![text(agent), name])? == 1)
}

/// Its agent is over.
pub(super) fn end(db: &Connection, agent: AgentId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM hooks WHERE agent = ?1")?.execute([text(agent)])?;
    Ok(())
}
