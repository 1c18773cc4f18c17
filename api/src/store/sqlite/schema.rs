//! The schema, one migration after the other. A migration that was released is never changed.
//!
//! Ids are text, as people see them. Times that are compared are integers, nanoseconds since 1970
//! ([`super::row::nanos`]); other times are inside the JSON, RFC 3339. Columns hold what is queried
//! or changed often, JSON the rest.

/// `PRAGMA user_version` is how many of these a file has.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE tenants (
    id         TEXT PRIMARY KEY,
    name       TEXT    NOT NULL,
    max_agents INTEGER NOT NULL,
    live       INTEGER NOT NULL DEFAULT 0,  -- agents that are not final
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
    id       TEXT PRIMARY KEY,
    tenant   TEXT    NOT NULL REFERENCES tenants (id),
    name     TEXT    NOT NULL,
    status   TEXT    NOT NULL,
    desired  TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    host     TEXT,
    due      INTEGER,                       -- when the sweeper must look at it
    metadata TEXT    NOT NULL,              -- JSON object of strings
    spec     TEXT    NOT NULL,              -- JSON, fixed at spawn
    state    TEXT    NOT NULL               -- JSON, the rest
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_by_tenant ON agents (tenant, id);
CREATE INDEX agents_by_name   ON agents (tenant, name, id);
CREATE INDEX agents_live      ON agents (tenant, id) WHERE status NOT IN ('terminated', 'failed');
CREATE INDEX agents_by_host   ON agents (host) WHERE host IS NOT NULL AND status NOT IN ('terminated', 'failed');
CREATE INDEX agents_due       ON agents (due) WHERE due IS NOT NULL;
CREATE INDEX agents_pending   ON agents (id) WHERE status = 'pending' AND desired = 'running';

CREATE TABLE idempotency (
    tenant      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    agent       TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE hosts (
    id           TEXT PRIMARY KEY,
    incarnation  TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    agents       INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    renewed_at   INTEGER NOT NULL,
    died_at      INTEGER,
    about        TEXT    NOT NULL           -- JSON, as it registered
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL,            -- SHA-256 of the secret
    scopes     TEXT    NOT NULL,            -- JSON array
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_tenant ON tokens (tenant, id);

CREATE TABLE codes (
    hash       BLOB PRIMARY KEY,
    token      TEXT    NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_expiry   ON codes (expires_at);
CREATE INDEX codes_by_token ON codes (token);

CREATE TABLE sessions (
    hash       BLOB PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    token      TEXT    NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    scopes     TEXT    NOT NULL,            -- JSON array
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expiry   ON sessions (expires_at);
CREATE INDEX sessions_by_token ON sessions (token);

CREATE TABLE tickets (                      -- the used ones
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_expiry ON tickets (expires_at);
"];
