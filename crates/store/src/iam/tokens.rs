//! Personal tokens with which users' programs authenticate. Only hashes are kept.

use super::users::{self, Identity};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

/// A personal token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Unique.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// Of its text.
    pub hash: SecretHash,
    /// What it is narrowed to: a policy document as JSON. `None`: all that its user may.
    pub document: Option<String>,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
}

/// A personal token as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// See [`NewToken::document`].
    pub document: Option<String>,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// Unix seconds; `None`: not yet.
    pub last_used_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

/// The personal tokens.
pub struct Tokens<'a> {
    pub(crate) store: &'a Store,
}

impl Tokens<'_> {
    /// Makes a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user, [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewToken, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let made = tx.execute(Query::new(
            "INSERT INTO tokens (id, user_id, name, hash, document, expires_at, created_at_ms) \
             SELECT $1, id, $3, $4, $5, $6, $7 FROM users WHERE id = $2",
            args![&new.id, &new.user, &new.name, &new.hash, new.document.clone(), new.expires_at, now_ms()],
        ));
        if made.await.map_err(|error| error.or_duplicate("token", &["hash"]))? == 0 {
            return Err(StoreError::not_found("user", &new.user));
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// The token with this hash and whose it is, if it has not ended by `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn find(&self, hash: &SecretHash, now: i64) -> Result<Option<(Token, Identity)>, StoreError> {
        let text = "SELECT u.*, (SELECT version FROM iam_version) AS version, t.id AS token_id, t.user_id, t.name, \
                    t.document, t.expires_at, t.last_used_at, t.created_at_ms AS issued_at_ms \
                    FROM tokens AS t JOIN users AS u ON u.id = t.user_id \
                    WHERE t.hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2)";
        let Some(row) = self.store.db().fetch_optional(Query::new(text, args![hash, now])).await? else {
            return Ok(None);
        };
        let identity = Identity { user: users::read(&row)?, version: row.unsigned("version")? };
        Ok(Some((read(&row)?, identity)))
    }

    /// Notes that a token was used. Callers do this now and then, not on every request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn touch(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let query = Query::new("UPDATE tokens SET last_used_at = $2 WHERE id = $1", args![id, now]);
        self.store.db().execute(query).await.map(drop)
    }

    /// A user's tokens, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, user: &str) -> Result<Vec<Token>, StoreError> {
        let text = "SELECT id AS token_id, user_id, name, document, expires_at, last_used_at, \
                    created_at_ms AS issued_at_ms FROM tokens WHERE user_id = $1 ORDER BY created_at_ms DESC, id";
        self.store.db().fetch_all(Query::new(text, args![user])).await?.iter().map(read).collect()
    }

    /// Removes a user's token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(&self, user: &str, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let query = Query::new("DELETE FROM tokens WHERE user_id = $1 AND id = $2", args![user, id]);
        if tx.execute(query).await? == 0 {
            return Err(StoreError::not_found("token", id));
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }
}

fn read(row: &Row) -> Result<Token, StoreError> {
    Ok(Token {
        id: row.get("token_id")?,
        user: row.get("user_id")?,
        name: row.get("name")?,
        document: row.get("document")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        created_at: row.seconds("issued_at_ms")?,
    })
}
