//! Packs: objects that hold checkpoints, there as long as a checkpoint refers to them.
//!
//! The schema counts the references. One that has none is marked gone before it is deleted from the object
//! store, and known to be gone for a while after: a commit that refers to it is refused at any time.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use wire::PackId;

use super::row::{limit as sql_limit, nanos, parsed, stored, text};
use crate::store::{LATE, PACK_GRACE, StoreError};

pub(super) const UNUSED: &str = "SELECT id FROM packs
    WHERE refs = 0 AND gone = 0 AND created_at <= ?1 ORDER BY created_at LIMIT ?2";
pub(super) const GONE: &str = "SELECT id FROM packs
    WHERE gone = 1 AND expires_at IS NULL ORDER BY created_at LIMIT ?1";

/// A commit brings it; one that is known stays as it is.
pub(super) fn register(db: &Connection, id: PackId, bytes: u64, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO packs (id, bytes, created_at) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![text(id), stored(bytes)?, nanos(now)])?;
    Ok(())
}

/// Those of these that no checkpoint may refer to.
pub(super) fn missing(db: &Connection, packs: &[PackId]) -> Result<Vec<PackId>, StoreError> {
    let mut there = db.prepare_cached("SELECT 1 FROM packs WHERE id = ?1 AND gone = 0")?;
    let mut missing = Vec::new();
    for pack in packs {
        if !there.exists([text(pack)])? {
            missing.push(*pack);
        }
    }
    Ok(missing)
}

pub(super) fn garbage(db: &Connection, limit: usize, now: Timestamp) -> Result<Vec<PackId>, StoreError> {
    let before = now.checked_sub(PACK_GRACE).unwrap_or(Timestamp::MIN);
    let sql = format!("UPDATE packs SET gone = 1 WHERE id IN ({UNUSED})");
    db.prepare_cached(&sql)?.execute([nanos(before), sql_limit(limit)])?;
    let mut gone = db.prepare_cached(GONE)?;
    let rows = gone.query_map([sql_limit(limit)], |row| parsed(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn disown(db: &Connection, packs: &[PackId], now: Timestamp) -> Result<Vec<PackId>, StoreError> {
    let mut known = db.prepare_cached("SELECT expires_at IS NOT NULL FROM packs WHERE id = ?1")?;
    let mut insert =
        db.prepare_cached("INSERT INTO packs (id, bytes, created_at, gone) VALUES (?1, 0, ?2, 1)")?;
    let mut disowned = Vec::new();
    for pack in packs {
        // One that is there although it was deleted is deleted again.
        match known.query_row([text(pack)], |row| row.get(0)).optional()? {
            Some(false) => continue,
            Some(true) => {}
            None => drop(insert.execute(params![text(pack), nanos(now)])?),
        }
        disowned.push(*pack);
    }
    Ok(disowned)
}

pub(super) fn forget(db: &Connection, id: PackId, now: Timestamp) -> Result<(), StoreError> {
    let until = now.checked_add(LATE).unwrap_or(Timestamp::MAX);
    let sql = "UPDATE packs SET expires_at = ?2 WHERE id = ?1 AND gone = 1";
    db.prepare_cached(sql)?.execute(params![text(id), nanos(until)])?;
    Ok(())
}
