-- Ways to log in beside name and password. `config` is sealed with the master key; `version` goes up with every change.
CREATE TABLE login_options (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    kind          TEXT   NOT NULL,
    logo          TEXT   NOT NULL,
    enabled       BIGINT NOT NULL,
    config        BYTEA  NOT NULL,
    mapping       TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    last_used_at  BIGINT,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

-- Sign-ins whose callback has come, until they would end by themselves: none is answered twice, by whichever replica.
CREATE TABLE used_sign_ins (
    hash       BYTEA  NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
