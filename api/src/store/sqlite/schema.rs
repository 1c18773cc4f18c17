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
", "
CREATE TABLE packs (                        -- objects that hold checkpoints
    id         TEXT PRIMARY KEY,
    bytes      INTEGER NOT NULL,
    refs       INTEGER NOT NULL DEFAULT 0,  -- checkpoints that refer to it; kept by triggers
    created_at INTEGER NOT NULL,
    gone       INTEGER NOT NULL DEFAULT 0,  -- 1: it is being deleted, no commit may refer to it
    expires_at INTEGER                      -- it is deleted, and this row forgotten then
) STRICT, WITHOUT ROWID;
CREATE INDEX packs_unused ON packs (created_at) WHERE refs = 0 AND gone = 0;
CREATE INDEX packs_gone   ON packs (created_at) WHERE gone = 1 AND expires_at IS NULL;
CREATE INDEX packs_expiry ON packs (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE checkpoints (
    id         TEXT PRIMARY KEY,
    agent      TEXT    NOT NULL REFERENCES agents (id),
    kind       TEXT    NOT NULL,
    epoch      INTEGER NOT NULL,
    timeline   INTEGER NOT NULL,
    inbox      INTEGER NOT NULL,            -- entries up to this one are in it
    created_at INTEGER NOT NULL,
    about      TEXT    NOT NULL             -- JSON, the rest
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoints_by_agent ON checkpoints (agent, id);

CREATE TABLE checkpoint_packs (
    checkpoint TEXT NOT NULL REFERENCES checkpoints (id) ON DELETE CASCADE,
    pack       TEXT NOT NULL REFERENCES packs (id),
    PRIMARY KEY (checkpoint, pack)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoint_packs_by_pack ON checkpoint_packs (pack);
CREATE TRIGGER pack_used AFTER INSERT ON checkpoint_packs BEGIN
    UPDATE packs SET refs = refs + 1 WHERE id = NEW.pack;
END;
CREATE TRIGGER pack_left AFTER DELETE ON checkpoint_packs BEGIN
    UPDATE packs SET refs = refs - 1 WHERE id = OLD.pack;
END;

ALTER TABLE agents ADD COLUMN checkpoint TEXT REFERENCES checkpoints (id);
ALTER TABLE agents ADD COLUMN previous   TEXT REFERENCES checkpoints (id);
CREATE INDEX agents_by_checkpoint ON agents (checkpoint) WHERE checkpoint IS NOT NULL;
CREATE INDEX agents_by_previous   ON agents (previous) WHERE previous IS NOT NULL;
CREATE INDEX agents_by_status     ON agents (tenant, status, id);
DROP INDEX agents_live;
DROP INDEX agents_pending;
CREATE INDEX agents_waiting ON agents (id) WHERE desired = 'running'
    AND (status = 'pending' OR (status IN ('resuming', 'migrating') AND host IS NULL));
-- A row that waits has no host any more: where its files are is its home.
UPDATE agents SET state = json_set(state, '$.home', host) WHERE host IS NOT NULL;
UPDATE agents SET host = NULL WHERE status = 'pending';

CREATE TABLE mailboxes (                    -- of agents that ever got something
    agent   TEXT PRIMARY KEY REFERENCES agents (id),
    last    INTEGER NOT NULL,               -- number of its newest entry
    covered INTEGER NOT NULL,               -- its last checkpoint has entries up to this one
    floor   INTEGER NOT NULL,               -- entries up to this one are never delivered again, and not kept
    waiting INTEGER NOT NULL DEFAULT 0,     -- messages that are not covered
    bytes   INTEGER NOT NULL DEFAULT 0      -- of their bodies
) STRICT, WITHOUT ROWID;
CREATE INDEX mailboxes_with_mail ON mailboxes (agent) WHERE last > covered;

CREATE TABLE inbox (
    agent TEXT    NOT NULL REFERENCES agents (id),
    seq   INTEGER NOT NULL,
    bytes INTEGER,                          -- of the body; NULL for the result of an operation
    about TEXT    NOT NULL,                 -- JSON
    body  BLOB,
    PRIMARY KEY (agent, seq)
) STRICT;

CREATE TABLE message_keys (
    agent       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    message     TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (agent, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_keys_expiry ON message_keys (expires_at);

CREATE TABLE operations (                   -- what came of those that may come again
    agent      TEXT    NOT NULL REFERENCES agents (id),
    timeline   INTEGER NOT NULL,
    op         INTEGER NOT NULL,
    seq        INTEGER NOT NULL,            -- where the result is in the inbox
    outcome    TEXT    NOT NULL,            -- JSON
    expires_at INTEGER,                     -- set when no checkpoint is kept that does not have the result
    PRIMARY KEY (agent, timeline, op)
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_seq ON operations (agent, seq) WHERE expires_at IS NULL;
CREATE INDEX operations_expiry ON operations (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE hooks (
    agent      TEXT    NOT NULL REFERENCES agents (id),
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,     -- SHA-256 of the secret
    created_at INTEGER NOT NULL,
    PRIMARY KEY (agent, name)
) STRICT, WITHOUT ROWID;
"];
