-- Resources that go by themselves. revision is the one that put the resource: one that was put anew stays.
CREATE TABLE expirations (
    group_id   TEXT   NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    path       TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    parent     TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    revision   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (group_id, path)
);
CREATE INDEX expirations_by_time ON expirations (expires_at);
