//! Inboxes, and the operations whose results are in them.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use wire::{
    AgentId, MessageId,
    agent::Status,
    message::{
        Delivered as What, Delivery, FailureCode, MAX_INBOX, MAX_INBOX_BYTES, Message, Outcome, Sender,
    },
};

use super::{
    agents,
    row::{counter, json, limit as sql_limit, nanos, parsed, stored, text, to_json, word},
};
use crate::{
    domain::agent::Agent,
    store::{Delivered, Idempotency, LATE, Operation, Sent, StoreError},
};

/// What comes before `agents` in the plan decides: only those with mail are looked at.
const WITH_MAIL: &str = "FROM mailboxes CROSS JOIN agents ON agents.id = mailboxes.agent
    WHERE last > covered AND mailboxes.agent > ?1 ORDER BY mailboxes.agent LIMIT ?2";

/// The column `about` of an entry; a message's body is a column of its own.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum About<'a> {
    Message {
        id: MessageId,
        sender: Cow<'a, Sender>,
        content_type: Cow<'a, str>,
        sent_at: Timestamp,
    },
    /// An answer's own body is a column too.
    Completion {
        timeline: u64,
        op: u64,
        outcome: Cow<'a, Outcome>,
    },
}

/// What there is of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Live,
    Over,
    Nobody,
}

pub(super) fn whose(db: &Connection, agent: AgentId) -> Result<Whose, StoreError> {
    let status = db
        .prepare_cached("SELECT status FROM agents WHERE id = ?1")?
        .query_row([text(agent)], |row| word(row, 0, Status::parse))
        .optional()?;
    Ok(match status {
        Some(status) if status.is_final() => Whose::Over,
        Some(_) => Whose::Live,
        None => Whose::Nobody,
    })
}

pub(super) fn deliver(
    db: &Connection,
    agent: AgentId,
    message: &Message,
    idempotency: Option<&Idempotency>,
) -> Result<Delivered, StoreError> {
    if let Some(key) = idempotency
        && let Some(earlier) = earlier(db, agent, key, message.sent_at)?
    {
        return Ok(earlier);
    }
    match whose(db, agent)? {
        Whose::Live => {}
        Whose::Over => return Ok(Delivered::Ended),
        Whose::Nobody => return Ok(Delivered::Missing),
    }
    if !has_room(db, agent, message.body.len())? {
        return Ok(Delivered::Full);
    }
    let about = About::Message {
        id: message.id,
        sender: Cow::Borrowed(&message.sender),
        content_type: Cow::Borrowed(&message.content_type),
        sent_at: message.sent_at,
    };
    let seq = append(db, agent, &about, Some(&message.body), true)?;
    if let Some(key) = idempotency {
        db.prepare_cached(
            "INSERT OR REPLACE INTO message_keys (agent, key, fingerprint, message, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            text(agent),
            key.key,
            key.fingerprint,
            text(message.id),
            nanos(key.expires_at)
        ])?;
    }
    Ok(Delivered::New { seq })
}

/// What a message with the same key came to, unless that is forgotten by now.
fn earlier(
    db: &Connection,
    agent: AgentId,
    key: &Idempotency,
    now: Timestamp,
) -> Result<Option<Delivered>, StoreError> {
    let sql =
        "SELECT fingerprint, message FROM message_keys WHERE agent = ?1 AND key = ?2 AND expires_at > ?3";
    let found = db
        .prepare_cached(sql)?
        .query_row(params![text(agent), key.key, nanos(now)], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, parsed::<MessageId>(row, 1)?))
        })
        .optional()?;
    Ok(found.map(|(fingerprint, message)| {
        if fingerprint == key.fingerprint { Delivered::Replayed { message } } else { Delivered::KeyReused }
    }))
}

fn has_room(db: &Connection, agent: AgentId, bytes: usize) -> Result<bool, StoreError> {
    let (waiting, waiting_bytes) = db
        .prepare_cached("SELECT waiting, bytes FROM mailboxes WHERE agent = ?1")?
        .query_row([text(agent)], |row| Ok((counter(row, 0)?, counter(row, 1)?)))
        .optional()?
        .unwrap_or_default();
    let bytes = waiting_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    Ok(waiting < u64::from(MAX_INBOX) && bytes <= MAX_INBOX_BYTES)
}

/// Adds an entry; its number. What others send counts towards what an inbox may hold, what the agent asked for does
/// not: that is bounded by its operations.
fn append(
    db: &Connection,
    agent: AgentId,
    about: &About<'_>,
    body: Option<&[u8]>,
    counts: bool,
) -> Result<u64, StoreError> {
    let agent = text(agent);
    let bytes = body.filter(|_| counts).map(|body| i64::try_from(body.len()).unwrap_or(i64::MAX));
    db.prepare_cached("INSERT OR IGNORE INTO mailboxes (agent, last, covered, floor) VALUES (?1, 0, 0, 0)")?
        .execute([&agent])?;
    let seq = db
        .prepare_cached(
            "UPDATE mailboxes SET last = last + 1, waiting = waiting + (?2 IS NOT NULL),
                 bytes = bytes + ifnull(?2, 0)
             WHERE agent = ?1 RETURNING last",
        )?
        .query_row(params![agent, bytes], |row| counter(row, 0))?;
    db.prepare_cached("INSERT INTO inbox (agent, seq, bytes, about, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![agent, stored(seq)?, bytes, to_json(about)?, body])?;
    Ok(seq)
}

pub(super) fn send(
    db: &Connection,
    operation: Operation,
    to: AgentId,
    message: &Message,
) -> Result<Sent, StoreError> {
    once(
        db,
        operation,
        message.sent_at,
        |agent| agent.epoch == operation.epoch,
        || {
            let failed = |reason: &str, retryable| Outcome::Failed {
                code: FailureCode::RefusedByPeer,
                reason: reason.to_owned(),
                retryable,
            };
            Ok(match deliver(db, to, message, None)? {
                Delivered::New { .. } => Outcome::Sent { message: message.id },
                Delivered::Full => failed("the recipient's inbox is full", true),
                Delivered::Ended => failed("the recipient is over", false),
                // Without a key there is no more to say than this.
                Delivered::Missing | Delivered::Replayed { .. } | Delivered::KeyReused => {
                    failed("no such recipient", false)
                }
            })
        },
    )
}

pub(super) fn complete(
    db: &Connection,
    operation: Operation,
    outcome: Outcome,
    now: Timestamp,
) -> Result<Sent, StoreError> {
    // What left with an earlier placement ends wherever the agent is by now.
    once(db, operation, now, |agent| agent.epoch >= operation.epoch, || Ok(outcome))
}

/// Does an operation unless it was done before, and puts what came of it into its agent's inbox.
fn once(
    db: &Connection,
    operation: Operation,
    now: Timestamp,
    may: impl FnOnce(&Agent) -> bool,
    work: impl FnOnce() -> Result<Outcome, StoreError>,
) -> Result<Sent, StoreError> {
    let is_current = agents::get(db, operation.agent)?
        .is_some_and(|agent| !agent.status.is_final() && agent.timeline == operation.timeline && may(&agent));
    if !is_current {
        return Ok(Sent::Stale);
    }
    let (agent, timeline, op) = (text(operation.agent), stored(operation.timeline)?, stored(operation.op)?);
    let sql = "SELECT outcome FROM operations WHERE agent = ?1 AND timeline = ?2 AND op = ?3
                   AND (expires_at IS NULL OR expires_at > ?4)";
    let known = db
        .prepare_cached(sql)?
        .query_row(params![agent, timeline, op, nanos(now)], |row| json(row, 0))
        .optional()?;
    if let Some(outcome) = known {
        return Ok(Sent::Done(outcome));
    }
    let mut outcome = work()?;
    let body = match &mut outcome {
        Outcome::Fetched { body, .. } => Some(std::mem::take(body)),
        _ => None,
    };
    let about = About::Completion {
        timeline: operation.timeline,
        op: operation.op,
        outcome: Cow::Borrowed(&outcome),
    };
    let seq = append(db, operation.agent, &about, body.as_deref(), false)?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO operations (agent, timeline, op, seq, outcome, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
    )?
    .execute(params![agent, timeline, op, stored(seq)?, to_json(&outcome)?])?;
    Ok(Sent::Done(outcome))
}

/// Number of an inbox's newest entry.
pub(super) fn last(db: &Connection, agent: AgentId) -> Result<u64, StoreError> {
    let sql = "SELECT last FROM mailboxes WHERE agent = ?1";
    let last = db.prepare_cached(sql)?.query_row([text(agent)], |row| counter(row, 0)).optional()?;
    Ok(last.unwrap_or(0))
}

/// A new agent's inbox begins after this number.
pub(super) fn begin_after(db: &Connection, agent: AgentId, seq: u64) -> Result<(), StoreError> {
    if seq > 0 {
        let sql = "INSERT INTO mailboxes (agent, last, covered, floor) VALUES (?1, ?2, ?2, ?2)";
        db.prepare_cached(sql)?.execute(params![text(agent), stored(seq)?])?;
    }
    Ok(())
}

/// An agent's last checkpoint has entries up to `covered`, and those up to `floor` are not needed any more.
/// The floor never sinks.
pub(super) fn cover(
    db: &Connection,
    agent: AgentId,
    covered: u64,
    floor: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let agent = text(agent);
    let found = db
        .prepare_cached("SELECT covered, floor FROM mailboxes WHERE agent = ?1")?
        .query_row([&agent], |row| Ok((counter(row, 0)?, counter(row, 1)?)))
        .optional()?;
    let Some(before) = found else { return Ok(()) };
    let floor = floor.max(before.1);
    let covered = covered.max(floor);
    if (covered, floor) == before {
        return Ok(());
    }
    if floor > before.1 {
        db.prepare_cached("DELETE FROM inbox WHERE agent = ?1 AND seq <= ?2")?
            .execute(params![agent, stored(floor)?])?;
        let until = now.checked_add(LATE).unwrap_or(Timestamp::MAX);
        db.prepare_cached(
            "UPDATE operations SET expires_at = ?3 WHERE agent = ?1 AND seq <= ?2 AND expires_at IS NULL",
        )?
        .execute(params![agent, stored(floor)?, nanos(until)])?;
    }
    db.prepare_cached(
        "UPDATE mailboxes SET covered = ?2, floor = ?3, (waiting, bytes) =
             (SELECT count(bytes), ifnull(sum(bytes), 0) FROM inbox WHERE agent = ?1 AND seq > ?2)
         WHERE agent = ?1",
    )?
    .execute(params![agent, stored(covered)?, stored(floor)?])?;
    Ok(())
}

/// Its agent is over. Keys of messages stay: what was accepted before is told so.
pub(super) fn end(db: &Connection, agent: AgentId) -> Result<(), StoreError> {
    for table in ["inbox", "mailboxes", "operations"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE agent = ?1"))?.execute([text(agent)])?;
    }
    Ok(())
}

pub(super) fn inbox(
    db: &Connection,
    agent: AgentId,
    after: u64,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    // What is not to be delivered again is not there.
    let sql = "SELECT seq, about, body FROM inbox WHERE agent = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    // After more than any number there is nothing.
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![text(agent), after, sql_limit(limit)], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn with_mail(
    db: &Connection,
    after: Option<AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    // No id is empty.
    let after = after.map(text).unwrap_or_default();
    agents::collect(db, &select_with_mail(), params![after, sql_limit(limit)])
}

pub(super) fn select_with_mail() -> String {
    format!("SELECT {} {WITH_MAIL}", agents::COLUMNS)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let what = match json::<About<'static>>(row, 1)? {
        About::Message { id, sender, content_type, sent_at } => What::Message {
            message: Message {
                id,
                sender: sender.into_owned(),
                content_type: content_type.into_owned(),
                body: row.get(2)?,
                sent_at,
            },
        },
        About::Completion { timeline, op, outcome } => {
            let mut outcome = outcome.into_owned();
            if let Outcome::Fetched { body, .. } = &mut outcome {
                *body = row.get(2)?;
            }
            What::Completion { timeline, op, outcome }
        }
    };
    Ok(Delivery { seq: counter(row, 0)?, what })
}
