//! Hosts and their leases.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use wire::{
    HostId, Incarnation,
    fleet::HostState,
    host::{Heartbeat, Lease},
    image::Image,
};

use super::row::{
    counter, host_state, host_state_text, json, nanos, parsed, stored, text, time, to_json, word,
};
use crate::{domain::host::Host, store::StoreError};

/// How long the dead are shown.
const DEAD_SHOWN: SignedDuration = SignedDuration::from_hours(1);

/// The column `about`: what a host said of itself when it registered.
#[derive(Serialize, Deserialize)]
struct About<'a> {
    address: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    public_url: Option<Cow<'a, str>>,
    capacity: u32,
    version: Cow<'a, str>,
    images: Cow<'a, [Image]>,
    registered_at: Timestamp,
}

pub(super) fn register(db: &Connection, host: &Host) -> Result<(), StoreError> {
    let about = About {
        address: Cow::Borrowed(&host.address),
        public_url: host.public_url.as_deref().map(Cow::Borrowed),
        capacity: host.capacity,
        version: Cow::Borrowed(&host.version),
        images: Cow::Borrowed(&host.images),
        registered_at: host.registered_at,
    };
    db.prepare_cached(
        "INSERT OR REPLACE INTO hosts
             (id, incarnation, state, seq, agents, memory_bytes, renewed_at, died_at, about)
         VALUES (:id, :incarnation, 'active', 0, :agents, :memory, :renewed_at, NULL, :about)",
    )?
    .execute(named_params! {
        ":id": text(host.id),
        ":incarnation": text(host.incarnation),
        ":agents": host.agents,
        ":memory": stored(host.memory_bytes)?,
        ":renewed_at": nanos(host.renewed_at),
        ":about": to_json(&about)?,
    })?;
    Ok(())
}

pub(super) fn renew(
    db: &Connection,
    id: HostId,
    beat: &Heartbeat,
    now: Timestamp,
) -> Result<Lease, StoreError> {
    let id = text(id);
    let found = db
        .prepare_cached("SELECT incarnation, state, seq FROM hosts WHERE id = ?1")?
        .query_row([&id], |row| {
            Ok((parsed::<Incarnation>(row, 0)?, word(row, 1, host_state)?, counter(row, 2)?))
        })
        .optional()?;
    let Some((incarnation, state, seq)) = found else { return Ok(Lease::Unknown) };
    // The same `seq` again is a renewal whose answer was lost.
    if incarnation != beat.incarnation || state == HostState::Dead || beat.seq < seq {
        return Ok(Lease::Fenced);
    }
    let state = if beat.draining { HostState::Draining } else { HostState::Active };
    db.prepare_cached(
        "UPDATE hosts SET seq = ?2, state = ?3, agents = ?4, memory_bytes = ?5, renewed_at = ?6 WHERE id = ?1",
    )?
    .execute(params![
        id,
        stored(beat.seq)?,
        host_state_text(state),
        beat.agents,
        stored(beat.memory_bytes)?,
        nanos(now)
    ])?;
    Ok(Lease::Renewed)
}

pub(super) fn bury(
    db: &Connection,
    id: HostId,
    incarnation: Incarnation,
    seq: u64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE hosts SET state = 'dead', died_at = ?4
               WHERE id = ?1 AND incarnation = ?2 AND seq = ?3 AND state <> 'dead'";
    let changed =
        db.prepare_cached(sql)?.execute(params![text(id), text(incarnation), stored(seq)?, nanos(now)])?;
    Ok(changed == 1)
}

pub(super) fn all(db: &Connection, now: Timestamp) -> Result<Vec<Host>, StoreError> {
    let since = now.checked_sub(DEAD_SHOWN).unwrap_or(Timestamp::MIN);
    let sql = "SELECT id, incarnation, state, seq, agents, memory_bytes, renewed_at, about FROM hosts
               WHERE state <> 'dead' OR died_at > ?1 ORDER BY id";
    Ok(db.prepare_cached(sql)?.query_map([nanos(since)], read)?.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Host> {
    let about: About<'static> = json(row, 7)?;
    Ok(Host {
        id: parsed(row, 0)?,
        incarnation: parsed(row, 1)?,
        state: word(row, 2, host_state)?,
        address: about.address.into_owned(),
        public_url: about.public_url.map(Cow::into_owned),
        capacity: about.capacity,
        agents: row.get(4)?,
        memory_bytes: counter(row, 5)?,
        seq: counter(row, 3)?,
        version: about.version.into_owned(),
        images: about.images.into_owned(),
        registered_at: about.registered_at,
        renewed_at: time(row, 6)?,
    })
}
