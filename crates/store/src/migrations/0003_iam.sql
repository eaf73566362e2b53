-- Who may do what: roles carry permission policies, users carry roles and boundaries.

-- username_key is what two names that look alike share; '' until the control plane has filled it in.
-- login_option_id names the sign-on that the user comes by; NULL for users with a password of their own.
ALTER TABLE users ADD COLUMN username_key TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN login_option_id TEXT;
ALTER TABLE users ADD COLUMN external_id TEXT;
ALTER TABLE users ADD COLUMN root BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN active BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN must_change_password BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN last_login_at BIGINT;
CREATE UNIQUE INDEX users_by_username_key ON users (username_key) WHERE username_key <> '';
CREATE UNIQUE INDEX users_by_external_id ON users (login_option_id, external_id);

CREATE TABLE roles (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    description   TEXT   NOT NULL,
    labels        TEXT   NOT NULL,
    built_in      BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

CREATE TABLE permission_policies (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    description   TEXT   NOT NULL,
    labels        TEXT   NOT NULL,
    document      TEXT   NOT NULL,
    built_in      BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

-- Labels of users, roles and policies, to select by; `kind` is user, role or permission_policy.
CREATE TABLE iam_labels (
    kind  TEXT NOT NULL,
    id    TEXT NOT NULL,
    label TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id, label)
);
CREATE INDEX iam_labels_by_value ON iam_labels (kind, label, value);

-- What is attached cannot be removed: taking a policy away might take a denial away.
CREATE TABLE role_policies (
    role_id   TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    policy_id TEXT NOT NULL REFERENCES permission_policies (id),
    PRIMARY KEY (role_id, policy_id)
);
CREATE INDEX role_policies_by_policy ON role_policies (policy_id);

CREATE TABLE user_roles (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_by_role ON user_roles (role_id);

CREATE TABLE user_boundaries (
    user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    policy_id TEXT NOT NULL REFERENCES permission_policies (id),
    PRIMARY KEY (user_id, policy_id)
);
CREATE INDEX user_boundaries_by_policy ON user_boundaries (policy_id);

-- One row: goes up with every change of the tables above, so that what a replica keeps compiled is known to be stale.
CREATE TABLE iam_version (version BIGINT NOT NULL);
INSERT INTO iam_version (version) VALUES (1);

-- The rights of a token or key are those of its user or group, narrowed to its own document if it has one.
ALTER TABLE tokens ADD COLUMN document TEXT;

CREATE TABLE group_keys (
    id            TEXT   NOT NULL PRIMARY KEY,
    group_id      TEXT   NOT NULL REFERENCES gateway_groups (id) ON DELETE CASCADE,
    name          TEXT   NOT NULL,
    hash          BYTEA  NOT NULL UNIQUE,
    document      TEXT,
    expires_at    BIGINT,
    last_used_at  BIGINT,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (group_id, name)
);
INSERT INTO group_keys (id, group_id, name, hash, created_at_ms)
    SELECT 'admin-key-' || group_id, group_id, 'admin-key', hash, created_at_ms FROM admin_keys;
DROP TABLE admin_keys;

-- Sessions get an id to be listed and ended by. Those from before end: their owners log in again.
DROP TABLE sessions;
CREATE TABLE sessions (
    id            TEXT   NOT NULL PRIMARY KEY,
    hash          BYTEA  NOT NULL UNIQUE,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address       TEXT   NOT NULL,
    user_agent    TEXT   NOT NULL,
    expires_at    BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL,
    ended_by      TEXT,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

-- The built-in roles and their policies; nobody can change or remove them. The users from before had all rights and
-- keep them, the first of them for good.
INSERT INTO permission_policies (id, name, description, labels, document, built_in, created_at_ms, updated_at_ms) VALUES
    ('super-admin-permission-policy', 'super-admin-permission-policy', 'Everything', '{}',
     '{"statement":[{"effect":"allow","resources":["<.*>"],"actions":["<.*>"]}]}', 1, 0, 0),
    ('viewer-permission-policy', 'viewer-permission-policy', 'Read everything, change nothing', '{}',
     '{"statement":[{"effect":"allow","resources":["<.*>"],"actions":["<[^:]*>:Get<.*>"]}]}', 1, 0, 0);
INSERT INTO roles (id, name, description, labels, built_in, created_at_ms, updated_at_ms) VALUES
    ('super_admin_id', 'Super Admin', 'May do everything', '{}', 1, 0, 0),
    ('viewer_id', 'Viewer', 'May read everything', '{}', 1, 0, 0);
INSERT INTO role_policies (role_id, policy_id) VALUES
    ('super_admin_id', 'super-admin-permission-policy'),
    ('viewer_id', 'viewer-permission-policy');
INSERT INTO user_roles (user_id, role_id) SELECT id, 'super_admin_id' FROM users;
UPDATE users SET root = 1 WHERE username = 'admin';
