//! Whether provisioning is on, and its token. Only the token's hash is kept.

use serde_json::{Value, json};

use super::Provisioning;
use crate::audit::{self, AuditEntry, MASK};
use crate::db::{Query, Row, Tx, args};
use crate::error::StoreError;
use crate::hash::SecretHash;

const ALL: &str = "SELECT * FROM scim_settings";

/// Whether and how provisioning is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimSettings {
    /// Whether anything is answered at all.
    pub enabled: bool,
    /// The token, if one was made.
    pub token: Option<ScimToken>,
}

/// The token as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimToken {
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// Unix seconds; `None`: not yet.
    pub last_used_at: Option<i64>,
}

impl Provisioning<'_> {
    /// The settings.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn settings(&self) -> Result<ScimSettings, StoreError> {
        let row = self.store.db().fetch_optional(Query::new(ALL, Vec::new())).await?;
        read(&row.ok_or_else(|| StoreError::corrupt("scim_settings", "its row is missing"))?)
    }

    /// Switches provisioning on or off. The token stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_enabled(&self, enabled: bool, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let before = told(&mut tx).await?;
        tx.execute(Query::new("UPDATE scim_settings SET enabled = $1", args![enabled])).await?;
        let after = told(&mut tx).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await
    }

    /// Replaces the token; the one before ends.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn put_token(
        &self,
        hash: &SecretHash,
        expires_at: Option<i64>,
        now: i64,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let before = told(&mut tx).await?;
        let text = "UPDATE scim_settings SET token_hash = $1, token_expires_at = $2, token_created_at = $3, \
                    token_last_used_at = NULL";
        tx.execute(Query::new(text, args![hash, expires_at, now])).await?;
        let after = told(&mut tx).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await
    }

    /// The settings, if this is the token's hash and it has not ended by `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn find_token(&self, hash: &SecretHash, now: i64) -> Result<Option<ScimSettings>, StoreError> {
        let text = "SELECT * FROM scim_settings WHERE token_hash = $1 \
                    AND (token_expires_at IS NULL OR token_expires_at > $2)";
        self.store.db().fetch_optional(Query::new(text, args![hash, now])).await?.as_ref().map(read).transpose()
    }

    /// Notes that the token was used. Callers do this now and then, not on every request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn touch_token(&self, now: i64) -> Result<(), StoreError> {
        let query = Query::new("UPDATE scim_settings SET token_last_used_at = $1", args![now]);
        self.store.db().execute(query).await.map(drop)
    }
}

/// What the audit log shows of the settings; from here on nobody else changes them in between.
async fn told(tx: &mut Tx) -> Result<Value, StoreError> {
    tx.execute(Query::new("UPDATE scim_settings SET enabled = enabled", Vec::new())).await?;
    let row = tx.fetch_optional(Query::new(ALL, Vec::new())).await?;
    let settings = row.map(|row| read(&row)).transpose()?;
    let token =
        |token: ScimToken| json!({ "token": MASK, "created_at": token.created_at, "expires_at": token.expires_at });
    Ok(settings.map_or(Value::Null, |stand| json!({ "enabled": stand.enabled, "token": stand.token.map(token) })))
}

fn read(row: &Row) -> Result<ScimSettings, StoreError> {
    let created_at: Option<i64> = row.get("token_created_at")?;
    let (expires_at, last_used_at) = (row.get("token_expires_at")?, row.get("token_last_used_at")?);
    let token = created_at.map(|created_at| ScimToken { created_at, expires_at, last_used_at });
    Ok(ScimSettings { enabled: row.flag("enabled")?, token })
}
