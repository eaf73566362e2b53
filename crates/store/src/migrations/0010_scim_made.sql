-- Users whom SCIM made, and not only found: a sign-in may be tied to them where its login option says so. Of those from
-- before, the ones that nobody can log in as by any other way.
ALTER TABLE users ADD COLUMN scim_made BIGINT NOT NULL DEFAULT 0;
UPDATE users SET scim_made = 1
    WHERE scim_external_id IS NOT NULL AND password_hash = '' AND login_option_id IS NULL AND root = 0;
