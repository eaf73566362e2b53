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

/// A key that is yet to be confirmed.
pub struct PendingKey {
    /// The key.
    pub key: Key,
    sealed: Vec<u8>,
}

/// The second factors.
pub struct SecondFactors<'a> {
    pub(crate) store: &'a Store,
}

impl SecondFactors<'_> {
    /// Keeps a key that its owner has yet to confirm; one that was pending before is forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn begin(&self, user: &str, key: &[u8], entry: &AuditEntry) -> Result<(), StoreError> {
        let sealed = self.store.master().seal(&Place::second_factor(user), key)?;
        let text = "UPDATE users SET totp_pending = $2 WHERE id = $1";
        self.change(user, Query::new(text, args![user, sealed]), entry).await.map(drop)
    }

    /// The key that is yet to be confirmed.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn pending(&self, user: &str) -> Result<Option<PendingKey>, StoreError> {
        let sealed = self.sealed(user, "SELECT totp_pending AS key FROM users WHERE id = $1").await?;
        let open = |sealed: Vec<u8>| Ok(PendingKey { key: self.opened(user, &sealed)?, sealed });
        sealed.map(open).transpose()
    }

    /// The key in force.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn in_force(&self, user: &str) -> Result<Option<Key>, StoreError> {
        let sealed = self.sealed(user, "SELECT totp_key AS key FROM users WHERE id = $1").await?;
        sealed.map(|sealed| self.opened(user, &sealed)).transpose()
    }

    /// Puts this pending key in force, of which a code of `step` was shown; whether that could be done. It cannot when
    /// another key is pending by now, nor when one is in force though none was when `replaces` was found out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn confirm(
        &self,
        user: &str,
        pending: &PendingKey,
        step: i64,
        replaces: bool,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let text = "UPDATE users SET totp_key = totp_pending, totp_pending = NULL, totp_step = $2 \
                    WHERE id = $1 AND totp_pending = $3 AND (totp_key IS NULL OR $4 = 1)";
        let query = Query::new(text, args![user, step, pending.sealed.clone(), replaces]);
        self.change(user, query, entry).await
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
        self.change(user, Query::new(text, args![user]), entry).await.map(drop)
    }

    async fn sealed(&self, user: &str, text: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.store.db().fetch_optional(Query::new(text, args![user])).await?;
        Ok(row.map(|row| row.get("key")).transpose()?.flatten())
    }

    fn opened(&self, user: &str, sealed: &[u8]) -> Result<Key, StoreError> {
        let plain = self.store.master().open(&Place::second_factor(user), sealed);
        let plain = plain.map_err(|error| StoreError::corrupt(format!("second factor of user {user}"), error))?;
        Ok(Zeroizing::new(plain))
    }

    /// Whether the user's row met the condition; only then it is recorded.
    async fn change(&self, user: &str, query: Query, entry: &AuditEntry) -> Result<bool, StoreError> {
        let mut tx = self.store.db().write().await?;
        users::hold(&mut tx, user).await?;
        let before = users::told(&mut tx, user).await?;
        if tx.execute(query).await? == 0 {
            return Ok(false);
        }
        let after = users::told(&mut tx, user).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await.map(|()| true)
    }
}
