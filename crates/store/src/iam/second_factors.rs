//! Keys of users' second factors (RFC 6238). They are sealed: a copy of the database gives no codes.

use zeroize::Zeroizing;

use super::users;
use crate::audit::{self, AuditEntry};
use crate::db::{Query, args};
use crate::error::StoreError;
use crate::seal::Place;
use crate::store::Store;

/// A key's bytes, wiped when dropped.
pub type Key = Zeroizing<Vec<u8>>;

/// The second factors.
pub struct SecondFactors<'a> {
    pub(crate) store: &'a Store,
}

impl SecondFactors<'_> {
    /// Keeps a key that its owner has yet to confirm; one that was pending before is forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn begin(&self, user: &str, key: &[u8]) -> Result<(), StoreError> {
        let sealed = self.store.master().seal(&Place::second_factor(user), key)?;
        let query = Query::new("UPDATE users SET totp_pending = $2 WHERE id = $1", args![user, sealed]);
        found(user, self.store.db().execute(query).await?)
    }

    /// The key that is yet to be confirmed.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn pending(&self, user: &str) -> Result<Option<Key>, StoreError> {
        self.key(user, "SELECT totp_pending AS key FROM users WHERE id = $1").await
    }

    /// The key in force.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn in_force(&self, user: &str) -> Result<Option<Key>, StoreError> {
        self.key(user, "SELECT totp_key AS key FROM users WHERE id = $1").await
    }

    /// Puts the pending key in force; `step` is that of the code shown.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when none is pending, [`StoreError::Unavailable`].
    pub async fn confirm(&self, user: &str, step: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        let text = "UPDATE users SET totp_key = totp_pending, totp_pending = NULL, totp_step = $2 \
                    WHERE id = $1 AND totp_pending IS NOT NULL";
        self.change(user, Query::new(text, args![user, step]), entry).await
    }

    /// Takes a code of this step, once: whether it was not taken before, nor a later one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take(&self, user: &str, step: i64) -> Result<bool, StoreError> {
        let text = "UPDATE users SET totp_step = $2 WHERE id = $1 AND COALESCE(totp_step, -1) < $2";
        Ok(self.store.db().execute(Query::new(text, args![user, step])).await? > 0)
    }

    /// Removes a user's second factor, and one that is pending.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn remove(&self, user: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let text = "UPDATE users SET totp_key = NULL, totp_pending = NULL, totp_step = NULL WHERE id = $1";
        self.change(user, Query::new(text, args![user]), entry).await
    }

    async fn key(&self, user: &str, text: &'static str) -> Result<Option<Key>, StoreError> {
        let row = self.store.db().fetch_optional(Query::new(text, args![user])).await?;
        let sealed: Option<Vec<u8>> = row.map(|row| row.get("key")).transpose()?.flatten();
        let Some(sealed) = sealed else { return Ok(None) };
        let plain = self.store.master().open(&Place::second_factor(user), &sealed);
        let plain = plain.map_err(|error| StoreError::corrupt(format!("second factor of user {user}"), error))?;
        Ok(Some(Zeroizing::new(plain)))
    }

    async fn change(&self, user: &str, query: Query, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        found(user, tx.execute(query).await?)?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }
}

fn found(user: &str, rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::not_found(users::KIND, user)) } else { Ok(()) }
}
