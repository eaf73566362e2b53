-- Wrong passwords in a row, until they are forgotten or a right one comes. `subject` is a hash of whom they were tried for:
-- a user, or a name that is nobody's, which is counted and locked alike so that a lock does not tell who exists.
CREATE TABLE login_failures (
    subject      BYTEA  NOT NULL PRIMARY KEY,
    user_id      TEXT   REFERENCES users (id) ON DELETE CASCADE,
    failures     BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    locked_until BIGINT
);
CREATE INDEX login_failures_by_user ON login_failures (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX login_failures_by_time ON login_failures (last_at);
