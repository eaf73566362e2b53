//! Sessions of users who logged in. Only hashes of the cookie's secret are kept.

use crate::clock::now_ms;
use crate::db::{Query, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

/// The sessions.
pub struct Sessions<'a> {
    pub(crate) store: &'a Store,
}

impl Sessions<'_> {
    /// Begins a session of a user that ends at `expires_at` (unix seconds).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user, [`StoreError::Unavailable`].
    pub async fn create(&self, hash: &SecretHash, user: &str, expires_at: i64) -> Result<(), StoreError> {
        let made = self.store.db().execute(Query::new(
            "INSERT INTO sessions (hash, user_id, expires_at, created_at_ms) \
             SELECT $1, id, $3, $4 FROM users WHERE id = $2",
            args![hash, user, expires_at, now_ms()],
        ));
        if made.await? == 0 {
            return Err(StoreError::not_found("user", user));
        }
        Ok(())
    }

    /// The id of the user whose session this is, if it has not ended by `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn user_of(&self, hash: &SecretHash, now: i64) -> Result<Option<String>, StoreError> {
        let text = "SELECT user_id FROM sessions WHERE hash = $1 AND expires_at > $2";
        let row = self.store.db().fetch_optional(Query::new(text, args![hash, now])).await?;
        row.map(|row| row.get("user_id")).transpose()
    }

    /// Ends a session; ending what has ended is no error.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete(&self, hash: &SecretHash) -> Result<(), StoreError> {
        self.store.db().execute(Query::new("DELETE FROM sessions WHERE hash = $1", args![hash])).await.map(drop)
    }

    /// Removes what has ended by `now`; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_expired(&self, now: i64) -> Result<u64, StoreError> {
        self.store.db().execute(Query::new("DELETE FROM sessions WHERE expires_at <= $1", args![now])).await
    }
}
