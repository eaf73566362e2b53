-- Columns named *_ms are milliseconds since 1970, all other times are seconds.

CREATE TABLE settings (
    name          TEXT   NOT NULL PRIMARY KEY,
    value         BYTEA  NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

CREATE TABLE gateway_groups (
    id                         TEXT   NOT NULL PRIMARY KEY,
    short_id                   TEXT   NOT NULL UNIQUE,
    name                       TEXT   NOT NULL UNIQUE,
    description                TEXT   NOT NULL,
    group_type                 TEXT   NOT NULL,
    region                     TEXT,
    labels                     TEXT   NOT NULL,
    variables                  TEXT   NOT NULL,
    enforce_service_publishing BIGINT NOT NULL,
    data_key                   BYTEA  NOT NULL,
    revision                   BIGINT NOT NULL,
    digest                     BYTEA  NOT NULL,
    signature                  BYTEA  NOT NULL,
    created_at_ms              BIGINT NOT NULL,
    updated_at_ms              BIGINT NOT NULL
);

CREATE TABLE group_labels (
    group_id TEXT NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    label    TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, label)
);
CREATE INDEX group_labels_by_value ON group_labels (label, value);

-- path is kind/parent/id in one text: one column to find many resources by, which both databases do by
-- the primary key even without statistics. parent is '' for a resource without one.
CREATE TABLE resources (
    group_id      TEXT   NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    path          TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    parent        TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    service_id    TEXT,
    labels        TEXT   NOT NULL,
    body          BYTEA  NOT NULL,
    revision      BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    PRIMARY KEY (group_id, path)
);
CREATE INDEX resources_by_service ON resources (group_id, kind, service_id);
CREATE INDEX resources_by_update ON resources (group_id, kind, updated_at_ms);

-- Refers to the group, not to the resource: PostgreSQL would check that row by row, on a table without
-- statistics by the wrong index. The commit removes labels together with their resource.
CREATE TABLE resource_labels (
    group_id TEXT NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    path     TEXT NOT NULL,
    label    TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, path, label)
);
CREATE INDEX resource_labels_by_value ON resource_labels (group_id, label, value);

CREATE TABLE revisions (
    group_id      TEXT   NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    revision      BIGINT NOT NULL,
    digest        BYTEA  NOT NULL,
    signature     BYTEA  NOT NULL,
    author        TEXT   NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (group_id, revision)
);

-- A put has an after, a delete has none; what did not exist has no before.
CREATE TABLE changes (
    group_id    TEXT   NOT NULL,
    revision    BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    parent      TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    before_body BYTEA,
    after_body  BYTEA,
    PRIMARY KEY (group_id, revision, position),
    FOREIGN KEY (group_id, revision) REFERENCES revisions (group_id, revision) ON DELETE CASCADE
);
CREATE INDEX changes_by_resource ON changes (group_id, kind, parent, id, revision);

CREATE TABLE instances (
    id                     TEXT   NOT NULL PRIMARY KEY,
    group_id               TEXT   NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    hostname               TEXT   NOT NULL,
    version                TEXT   NOT NULL,
    address                TEXT   NOT NULL,
    certificate_expires_at BIGINT NOT NULL,
    applied_revision       BIGINT,
    applied_digest         BYTEA,
    nack                   TEXT,
    counters               TEXT   NOT NULL,
    last_heartbeat         BIGINT NOT NULL,
    revoked_at             BIGINT,
    created_at_ms          BIGINT NOT NULL
);
CREATE INDEX instances_by_group ON instances (group_id);

CREATE TABLE join_tokens (
    id            TEXT   NOT NULL PRIMARY KEY,
    group_id      TEXT   NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    hash          BYTEA  NOT NULL UNIQUE,
    expires_at    BIGINT,
    max_uses      BIGINT,
    uses          BIGINT NOT NULL,
    revoked_at    BIGINT,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX join_tokens_by_group ON join_tokens (group_id);

CREATE TABLE admin_keys (
    group_id      TEXT   NOT NULL PRIMARY KEY REFERENCES gateway_groups (id) ON DELETE CASCADE,
    hash          BYTEA  NOT NULL UNIQUE,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    username      TEXT   NOT NULL UNIQUE,
    password_hash TEXT   NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash          BYTEA  NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at    BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE tokens (
    id            TEXT   NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name          TEXT   NOT NULL,
    hash          BYTEA  NOT NULL UNIQUE,
    expires_at    BIGINT,
    last_used_at  BIGINT,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id);

-- No reference to the group: what was done to it stays on record when it is gone.
CREATE TABLE audit_log (
    id            TEXT   NOT NULL PRIMARY KEY,
    at_ms         BIGINT NOT NULL,
    actor         TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    group_id      TEXT,
    revision      BIGINT,
    resource_kind TEXT   NOT NULL,
    resource_id   TEXT   NOT NULL,
    resource_name TEXT   NOT NULL,
    source        TEXT   NOT NULL,
    detail        TEXT   NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (at_ms);
CREATE INDEX audit_log_by_group ON audit_log (group_id, at_ms);
