-- The audit log's full entry and its hash chains. A chain is a gapless row of sequences in one scope: the
-- group's id, or '' for what belongs to no group. Rows from before have no sequence: the chain begins after them.
ALTER TABLE audit_log RENAME COLUMN source TO address;
ALTER TABLE audit_log ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN sequence BIGINT;
ALTER TABLE audit_log ADD COLUMN previous_hash BYTEA;
ALTER TABLE audit_log ADD COLUMN hash BYTEA;
ALTER TABLE audit_log ADD COLUMN actor_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN credential_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN credential_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN credential_name TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN method TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN outcome TEXT NOT NULL DEFAULT 'ok';
ALTER TABLE audit_log ADD COLUMN error TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN repeats BIGINT NOT NULL DEFAULT 0;
UPDATE audit_log SET scope = COALESCE(group_id, '');
CREATE UNIQUE INDEX audit_log_by_sequence ON audit_log (scope, sequence);
CREATE INDEX audit_log_by_action ON audit_log (action);

-- The head of each chain, and its anchor: the last row that retention took away.
CREATE TABLE audit_chains (
    scope           TEXT   NOT NULL PRIMARY KEY,
    sequence        BIGINT NOT NULL,
    hash            BYTEA  NOT NULL,
    anchor_sequence BIGINT NOT NULL,
    anchor_hash     BYTEA  NOT NULL
);

-- The one stream of the log to elsewhere: which replica sends it, until when, and how it fares.
CREATE TABLE audit_stream (
    name          TEXT   NOT NULL PRIMARY KEY,
    holder        TEXT   NOT NULL,
    held_until_ms BIGINT NOT NULL,
    delivered     BIGINT NOT NULL,
    lost          BIGINT NOT NULL,
    failures      BIGINT NOT NULL,
    last_error    TEXT   NOT NULL,
    delivered_ms  BIGINT NOT NULL
);

-- How far the stream is, by scope.
CREATE TABLE audit_cursors (
    scope    TEXT   NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);

-- How many rows without a chain there were, and how many of them retention took. More of them are forged.
CREATE TABLE audit_before_chains (
    name    TEXT   NOT NULL PRIMARY KEY,
    total   BIGINT NOT NULL,
    removed BIGINT NOT NULL
);
INSERT INTO audit_before_chains (name, total, removed) SELECT 'audit', COUNT(*), 0 FROM audit_log;
