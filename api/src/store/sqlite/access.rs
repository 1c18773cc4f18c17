//! Tenants, tokens, codes, sessions and used tickets.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use wire::{TenantId, TokenId, ids::TicketId};

use super::row::{json, limit as sql_limit, nanos, parsed, text, time, time_or_null, to_json};
use crate::{
    domain::tenant::{Session, Tenant, Token},
    store::StoreError,
};

const TENANT: &str = "SELECT id, name, max_agents, created_at FROM tenants";
const TOKEN: &str = "SELECT id, tenant, name, hash, scopes, created_at, expires_at FROM tokens";

pub(super) fn create_tenant(db: &Connection, tenant: &Tenant) -> Result<bool, StoreError> {
    let sql = "INSERT OR IGNORE INTO tenants (id, name, max_agents, created_at) VALUES (?1, ?2, ?3, ?4)";
    let values = params![text(tenant.id), tenant.name, tenant.max_agents, nanos(tenant.created_at)];
    Ok(db.prepare_cached(sql)?.execute(values)? == 1)
}

pub(super) fn tenant(db: &Connection, id: TenantId) -> Result<Option<Tenant>, StoreError> {
    let sql = format!("{TENANT} WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([text(id)], read_tenant).optional()?)
}

pub(super) fn tenants(db: &Connection) -> Result<Vec<Tenant>, StoreError> {
    let sql = format!("{TENANT} ORDER BY id");
    Ok(db.prepare_cached(&sql)?.query_map([], read_tenant)?.collect::<rusqlite::Result<_>>()?)
}

fn read_tenant(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant { id: parsed(row, 0)?, name: row.get(1)?, max_agents: row.get(2)?, created_at: time(row, 3)? })
}

pub(super) fn create_token(db: &Connection, token: &Token) -> Result<(), StoreError> {
    let sql = "INSERT INTO tokens (id, tenant, name, hash, scopes, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    db.prepare_cached(sql)?.execute(params![
        text(token.id),
        text(token.tenant),
        token.name,
        token.hash,
        to_json(&token.scopes)?,
        nanos(token.created_at),
        token.expires_at.map(nanos),
    ])?;
    Ok(())
}

pub(super) fn token(db: &Connection, id: TokenId) -> Result<Option<Token>, StoreError> {
    let sql = format!("{TOKEN} WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([text(id)], read_token).optional()?)
}

pub(super) fn tokens(db: &Connection, tenant: TenantId) -> Result<Vec<Token>, StoreError> {
    let sql = format!("{TOKEN} WHERE tenant = ?1 ORDER BY id DESC");
    Ok(db.prepare_cached(&sql)?.query_map([text(tenant)], read_token)?.collect::<rusqlite::Result<_>>()?)
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        name: row.get(2)?,
        hash: row.get(3)?,
        scopes: json(row, 4)?,
        created_at: time(row, 5)?,
        expires_at: time_or_null(row, 6)?,
    })
}

/// Its codes and sessions go with it: the schema cascades.
pub(super) fn delete_token(db: &Connection, tenant: TenantId, id: TokenId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM tokens WHERE id = ?1 AND tenant = ?2";
    Ok(db.prepare_cached(sql)?.execute([text(id), text(tenant)])? == 1)
}

pub(super) fn create_code(
    db: &Connection,
    hash: &[u8; 32],
    token: TokenId,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO codes (hash, token, expires_at) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![hash, text(token), nanos(expires_at)])?;
    Ok(())
}

pub(super) fn take_code(
    db: &Connection,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<TokenId>, StoreError> {
    let sql = "DELETE FROM codes WHERE hash = ?1 AND expires_at > ?2 RETURNING token";
    Ok(db.prepare_cached(sql)?.query_row(params![hash, nanos(now)], |row| parsed(row, 0)).optional()?)
}

pub(super) fn create_session(db: &Connection, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions (hash, tenant, token, scopes, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![
        session.hash,
        text(session.tenant),
        text(session.token),
        to_json(&session.scopes)?,
        nanos(session.expires_at),
    ])?;
    Ok(())
}

pub(super) fn session(
    db: &Connection,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let sql =
        "SELECT hash, tenant, token, scopes, expires_at FROM sessions WHERE hash = ?1 AND expires_at > ?2";
    let read = |row: &Row<'_>| {
        Ok(Session {
            hash: row.get(0)?,
            tenant: parsed(row, 1)?,
            token: parsed(row, 2)?,
            scopes: json(row, 3)?,
            expires_at: time(row, 4)?,
        })
    };
    Ok(db.prepare_cached(sql)?.query_row(params![hash, nanos(now)], read).optional()?)
}

pub(super) fn delete_session(db: &Connection, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("DELETE FROM sessions WHERE hash = ?1")?.execute([hash])? == 1)
}

pub(super) fn redeem_ticket(
    db: &Connection,
    id: TicketId,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT OR IGNORE INTO tickets (id, expires_at) VALUES (?1, ?2)";
    Ok(db.prepare_cached(sql)?.execute(params![text(id), nanos(expires_at)])? == 1)
}

pub(super) fn forget_expired(db: &Connection, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
    const EXPIRING: [(&str, &str); 7] = [
        ("tickets", "id"),
        ("codes", "hash"),
        ("sessions", "hash"),
        ("idempotency", "tenant, key"),
        ("message_keys", "agent, key"),
        ("operations", "agent, timeline, op"),
        ("packs", "id"),
    ];
    let mut forgotten = 0;
    for (table, key) in EXPIRING {
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN
                 (SELECT {key} FROM {table} WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"
        );
        forgotten += db.prepare_cached(&sql)?.execute([nanos(now), sql_limit(limit - forgotten)])?;
    }
    Ok(forgotten)
}
