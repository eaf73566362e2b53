//! Wrong passwords in a row, and the locks that come of them, for all replicas.
//!
//! There is a row for each subject, also for names that are nobody's. What bounds them is that each row costs its maker the
//! verification of a password, of which few are done at once, and that rows are swept when they are forgotten.

use std::collections::BTreeMap;

use crate::audit::{self, AuditEntry};
use crate::db::{Query, Select, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

/// A wrong password.
#[derive(Debug, Clone)]
pub struct LoginFailure {
    /// Of whom it was tried for, and from where, if that is counted apart.
    pub subject: SecretHash,
    /// The user, if there is one.
    pub user: Option<String>,
    /// Unix seconds.
    pub at: i64,
}

/// After how many wrong passwords in a row there is a lock, and how long.
#[derive(Debug, Clone, Copy)]
pub struct LockRule {
    /// So many.
    pub after: u32,
    /// Seconds; failures are forgotten after as many seconds without another.
    pub seconds: i64,
}

/// The wrong passwords.
pub struct LoginFailures<'a> {
    pub(crate) store: &'a Store,
}

impl LoginFailures<'_> {
    /// Until when a subject is locked, in unix seconds, if it is at `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn locked_until(&self, subject: &SecretHash, now: i64) -> Result<Option<i64>, StoreError> {
        let text = "SELECT locked_until FROM login_failures WHERE subject = $1 AND locked_until > $2";
        let row = self.store.db().fetch_optional(Query::new(text, args![subject, now])).await?;
        Ok(row.map(|row| row.get("locked_until")).transpose()?.flatten())
    }

    /// Until when each of these users is locked, from wherever, in unix seconds; who is not at `now` is left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn of_users(&self, users: &[String], now: i64) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut locked: BTreeMap<String, i64> = BTreeMap::new();
        for users in users.chunks(500) {
            let mut select = Select::new("t.user_id, t.locked_until", "login_failures AS t", Vec::new());
            select.and_in("t.user_id", users).and("t.locked_until > ?", args![now]).order_by("t.locked_until");
            for row in select.run(self.store.db(), None).await?.0 {
                locked.insert(row.get("user_id")?, row.get("locked_until")?);
            }
        }
        Ok(locked)
    }

    /// Counts a wrong password; until when the subject is locked, if this one locked it. `entry` is recorded then, if it is a
    /// user's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count(
        &self,
        failure: &LoginFailure,
        rule: LockRule,
        entry: &AuditEntry,
    ) -> Result<Option<i64>, StoreError> {
        let LoginFailure { subject, user, at } = failure;
        let (forgotten, until) = (at.saturating_sub(rule.seconds), at.saturating_add(rule.seconds));
        let mut tx = self.store.db().write().await?;
        // A lock that has ended begins the count anew.
        let text = "INSERT INTO login_failures (subject, user_id, failures, last_at) VALUES ($1, $2, 1, $3) \
                    ON CONFLICT (subject) DO UPDATE SET last_at = excluded.last_at, \
                    locked_until = CASE WHEN login_failures.locked_until <= $3 THEN NULL \
                    ELSE login_failures.locked_until END, \
                    failures = CASE WHEN login_failures.last_at <= $4 OR login_failures.locked_until <= $3 \
                    THEN 1 ELSE login_failures.failures + 1 END RETURNING failures, locked_until";
        let counted = tx.fetch_optional(Query::new(text, args![subject, user.clone(), *at, forgotten])).await?;
        let counted = counted.ok_or_else(|| StoreError::corrupt("login_failures", "nothing was counted"))?;
        let (failures, locked): (u64, Option<i64>) = (counted.unsigned("failures")?, counted.get("locked_until")?);
        // One that was under way when another locked the subject makes the lock no longer.
        if failures < u64::from(rule.after) || locked.is_some() {
            tx.commit().await?;
            return Ok(None);
        }
        let text = "UPDATE login_failures SET locked_until = $2 WHERE subject = $1";
        tx.execute(Query::new(text, args![subject, until])).await?;
        if user.is_some() {
            let detail = serde_json::json!({ "failures": failures, "locked_until": until });
            audit::record(&mut tx, &AuditEntry { detail, ..entry.clone() }, None).await?;
        }
        tx.commit().await.map(|()| Some(until))
    }

    /// Forgets the wrong passwords of a subject after a right one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget(&self, subject: &SecretHash) -> Result<(), StoreError> {
        let found = Query::new("SELECT failures FROM login_failures WHERE subject = $1", args![subject]);
        // Most logins have nothing to forget, and reading is cheaper than writing.
        if self.store.db().fetch_optional(found).await?.is_none() {
            return Ok(());
        }
        let query = Query::new("DELETE FROM login_failures WHERE subject = $1", args![subject]);
        self.store.db().execute(query).await.map(drop)
    }

    /// Removes what is forgotten: failures that came last at `before` or earlier; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_older(&self, before: i64) -> Result<u64, StoreError> {
        self.store.db().execute(Query::new("DELETE FROM login_failures WHERE last_at <= $1", args![before])).await
    }
}
