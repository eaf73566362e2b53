-- Keys of second factors, sealed. A pending one counts once its owner has shown a code of it. totp_step is the time step
-- of the last code that was taken: each code counts once.
ALTER TABLE users ADD COLUMN totp_key BYTEA;
ALTER TABLE users ADD COLUMN totp_pending BYTEA;
ALTER TABLE users ADD COLUMN totp_step BIGINT;
