-- Sessions know the login option they were opened by, and end when it is disabled. NULL: name and password.
ALTER TABLE sessions ADD COLUMN login_option_id TEXT;
UPDATE sessions SET login_option_id = (SELECT u.login_option_id FROM users AS u WHERE u.id = sessions.user_id);
CREATE INDEX sessions_by_login_option ON sessions (login_option_id) WHERE login_option_id IS NOT NULL;
