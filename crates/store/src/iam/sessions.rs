//! Sessions of users who logged in. Only hashes of the cookie's secret are kept.

use serde_json::{Value, json};

use super::login_options;
use super::users::{self, Identity};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

/// A session to be begun.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Unique.
    pub id: String,
    /// Of the cookie's secret.
    pub hash: SecretHash,
    /// Whose it is.
    pub user: String,
    /// The login option that it is opened by; `None`: name and password.
    pub login_option: Option<String>,
    /// The client's address.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// Whether the user's other sessions end by it.
    pub ends_others: bool,
}

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The address it was begun from.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// Unix seconds.
    pub last_used_at: i64,
    /// Why it ended before its time, in words for its owner.
    pub ended_by: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
}

/// The sessions.
pub struct Sessions<'a> {
    pub(crate) store: &'a Store,
}

impl Sessions<'_> {
    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user, or no such login option that is enabled;
    /// [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewSession, now: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        if let Some(option) = &new.login_option {
            // Holds the row: who disables the option after this finds the session and ends it.
            let text = "UPDATE login_options SET last_used_at = last_used_at WHERE id = $1 AND enabled = 1";
            if tx.execute(Query::new(text, args![option])).await? == 0 {
                return Err(StoreError::not_found(login_options::KIND, option));
            }
        }
        if new.ends_others {
            let text = "UPDATE sessions SET ended_by = $2 WHERE user_id = $1 AND ended_by IS NULL";
            let reason = format!("you logged in again from {}", new.address);
            tx.execute(Query::new(text, args![&new.user, reason])).await?;
        }
        let made = tx.execute(Query::new(
            "INSERT INTO sessions (id, hash, user_id, address, user_agent, expires_at, last_used_at, created_at_ms, \
             login_option_id) SELECT $1, $2, id, $4, $5, $6, $7, $8, $9 FROM users WHERE id = $3",
            args![
                &new.id,
                &new.hash,
                &new.user,
                &new.address,
                &new.user_agent,
                new.expires_at,
                now,
                now_ms(),
                new.login_option.clone()
            ],
        ));
        if made.await? == 0 {
            return Err(StoreError::not_found(users::KIND, &new.user));
        }
        tx.execute(Query::new("UPDATE users SET last_login_at = $2 WHERE id = $1", args![&new.user, now])).await?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// The session with this hash and whose it is, if its time is not over by `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn find(&self, hash: &SecretHash, now: i64) -> Result<Option<(Session, Identity)>, StoreError> {
        let text = "SELECT u.*, (SELECT version FROM iam_version) AS version, s.id AS session_id, s.address, \
                    s.user_agent, s.expires_at, s.last_used_at, s.ended_by, s.created_at_ms AS began_at_ms \
                    FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE s.hash = $1 AND s.expires_at > $2";
        let Some(row) = self.store.db().fetch_optional(Query::new(text, args![hash, now])).await? else {
            return Ok(None);
        };
        let identity = Identity { user: users::read(&row)?, version: row.unsigned("version")? };
        Ok(Some((read(&row)?, identity)))
    }

    /// A user's sessions that have not ended by `now`, the latest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, user: &str, now: i64) -> Result<Vec<Session>, StoreError> {
        let text = "SELECT id AS session_id, address, user_agent, expires_at, last_used_at, ended_by, \
                    created_at_ms AS began_at_ms FROM sessions \
                    WHERE user_id = $1 AND expires_at > $2 AND ended_by IS NULL ORDER BY created_at_ms DESC, id";
        self.store.db().fetch_all(Query::new(text, args![user, now])).await?.iter().map(read).collect()
    }

    /// Notes that a session was used. Callers do this now and then, not on every request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn touch(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let query = Query::new("UPDATE sessions SET last_used_at = $2 WHERE id = $1", args![id, now]);
        self.store.db().execute(query).await.map(drop)
    }

    /// Ends the session with this hash; ending what has ended is no error.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete(&self, hash: &SecretHash, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        tx.execute(Query::new("DELETE FROM sessions WHERE hash = $1", args![hash])).await?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// Ends one session of a user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn end(&self, user: &str, id: &str, reason: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = "UPDATE sessions SET ended_by = $3 WHERE user_id = $1 AND id = $2 AND ended_by IS NULL \
                    RETURNING address, user_agent, expires_at";
        let ended = tx.fetch_optional(Query::new(text, args![user, id, reason])).await?;
        let ended = ended.ok_or_else(|| StoreError::not_found("session", id))?;
        let (address, user_agent): (String, String) = (ended.get("address")?, ended.get("user_agent")?);
        let expires_at: i64 = ended.get("expires_at")?;
        let before = json!({ "user_id": user, "address": address, "user_agent": user_agent, "expires_at": expires_at });
        audit::record(&mut tx, &entry.between(before, Value::Null), None).await?;
        tx.commit().await
    }

    /// Removes what has ended by `now`; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_expired(&self, now: i64) -> Result<u64, StoreError> {
        self.store.db().execute(Query::new("DELETE FROM sessions WHERE expires_at <= $1", args![now])).await
    }
}

fn read(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.get("session_id")?,
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        ended_by: row.get("ended_by")?,
        created_at: row.seconds("began_at_ms")?,
    })
}
