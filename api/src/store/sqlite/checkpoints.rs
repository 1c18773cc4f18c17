//! Checkpoints, and which of them are still needed.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use wire::{
    AgentId, CheckpointId, Digest, PackId,
    checkpoint::{CheckpointKind, CheckpointRef},
};

use super::row::{counter, json, limit as sql_limit, nanos, parsed, stored, text, time, to_json, word};
use crate::{
    domain::checkpoint::Checkpoint,
    store::{CheckpointDeleted, StoreError},
};

/// No agent goes on from it: one that is final has none.
pub(super) const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM agents WHERE agents.checkpoint = checkpoints.id)
    AND NOT EXISTS (SELECT 1 FROM agents WHERE agents.previous = checkpoints.id)";

/// The column `about`.
#[derive(Serialize, Deserialize)]
struct About<'a> {
    at: Cow<'a, CheckpointRef>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    parent: Option<CheckpointId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<Cow<'a, str>>,
    image: Cow<'a, Digest>,
    size_bytes: u64,
    unique_bytes: u64,
}

/// Inserts a checkpoint with its references to packs, which are all there.
pub(super) fn insert(db: &Connection, checkpoint: &Checkpoint, packs: &[PackId]) -> Result<(), StoreError> {
    let about = About {
        at: Cow::Borrowed(&checkpoint.at),
        parent: checkpoint.parent,
        note: checkpoint.note.as_deref().map(Cow::Borrowed),
        image: Cow::Borrowed(&checkpoint.image),
        size_bytes: checkpoint.size_bytes,
        unique_bytes: checkpoint.unique_bytes,
    };
    let id = text(checkpoint.at.id);
    db.prepare_cached(
        "INSERT INTO checkpoints (id, agent, kind, epoch, timeline, inbox, created_at, about)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        id,
        text(checkpoint.agent),
        checkpoint.kind.as_str(),
        stored(checkpoint.epoch)?,
        stored(checkpoint.timeline)?,
        stored(checkpoint.inbox)?,
        nanos(checkpoint.created_at),
        to_json(&about)?,
    ])?;
    let mut refer = db.prepare_cached("INSERT INTO checkpoint_packs (checkpoint, pack) VALUES (?1, ?2)")?;
    for pack in packs {
        refer.execute([&id, &text(pack)])?;
    }
    Ok(())
}

/// A query for what [`read`] reads.
pub(super) fn select(rest: &str) -> String {
    format!("SELECT id, agent, kind, epoch, timeline, inbox, created_at, about FROM checkpoints {rest}")
}

pub(super) fn get(db: &Connection, id: CheckpointId) -> Result<Option<Checkpoint>, StoreError> {
    let sql = select("WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([text(id)], read).optional()?)
}

pub(super) fn of_agent(
    db: &Connection,
    agent: AgentId,
    after: Option<CheckpointId>,
    limit: usize,
) -> Result<Vec<Checkpoint>, StoreError> {
    // An id begins with its kind and no id is after this.
    let before = after.map_or_else(|| "~".to_owned(), text);
    let sql = select("WHERE agent = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![text(agent), before, sql_limit(limit)], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn delete(db: &Connection, id: CheckpointId) -> Result<CheckpointDeleted, StoreError> {
    let sql = format!("DELETE FROM checkpoints WHERE id = ?1 AND {UNUSED}");
    if db.prepare_cached(&sql)?.execute([text(id)])? == 1 {
        return Ok(CheckpointDeleted::Done);
    }
    let is_there = get(db, id)?.is_some();
    Ok(if is_there { CheckpointDeleted::InUse } else { CheckpointDeleted::Missing })
}

/// Forgets a checkpoint when nothing keeps it. Its references to packs go with it: the schema cascades.
pub(super) fn forget_unused(db: &Connection, id: CheckpointId) -> Result<(), StoreError> {
    let sql = format!(
        "DELETE FROM checkpoints WHERE id = ?1 AND {UNUSED} AND (kind = 'automatic' OR
             (SELECT status FROM agents WHERE agents.id = checkpoints.agent) IN ('terminated', 'failed'))"
    );
    db.prepare_cached(&sql)?.execute([text(id)])?;
    Ok(())
}

/// Forgets the checkpoints of an agent that is over, but for those that forks go on from.
pub(super) fn end(db: &Connection, agent: AgentId) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM checkpoints WHERE agent = ?1 AND {UNUSED}");
    db.prepare_cached(&sql)?.execute([text(agent)])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    let about: About<'static> = json(row, 7)?;
    Ok(Checkpoint {
        at: about.at.into_owned(),
        agent: parsed(row, 1)?,
        parent: about.parent,
        kind: word(row, 2, CheckpointKind::parse)?,
        note: about.note.map(Cow::into_owned),
        image: about.image.into_owned(),
        epoch: counter(row, 3)?,
        timeline: counter(row, 4)?,
        size_bytes: about.size_bytes,
        unique_bytes: about.unique_bytes,
        inbox: counter(row, 5)?,
        created_at: time(row, 6)?,
    })
}
