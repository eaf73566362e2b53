-- Provisioning by SCIM 2.0.

-- Apart from external_id, which is the id in a sign-on: who is provisioned here and signs in there is one user.
-- scim_attributes holds as JSON what SCIM clients alone set and ask for.
ALTER TABLE users ADD COLUMN scim_external_id TEXT;
ALTER TABLE users ADD COLUMN scim_display_name TEXT;
ALTER TABLE users ADD COLUMN scim_attributes TEXT NOT NULL DEFAULT '{}';
CREATE INDEX users_by_scim_external_id ON users (scim_external_id);
ALTER TABLE roles ADD COLUMN scim_external_id TEXT;
CREATE INDEX roles_by_scim_external_id ON roles (scim_external_id);

-- Mail addresses of users beyond the one in users.email, to find them by.
CREATE TABLE user_further_emails (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email   TEXT NOT NULL,
    PRIMARY KEY (user_id, email)
);

-- One row, for the organization. Without a hash there is no token.
CREATE TABLE scim_settings (
    enabled            BIGINT NOT NULL,
    token_hash         BYTEA,
    token_expires_at   BIGINT,
    token_created_at   BIGINT,
    token_last_used_at BIGINT
);
INSERT INTO scim_settings (enabled) VALUES (0);
