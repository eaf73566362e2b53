//! Personal tokens with which users' programs authenticate. Only hashes are kept.

use serde_json::{Value, json};

use super::users::{self, Identity};
use crate::audit::{self, AuditEntry, MASK};
use crate::clock::now_ms;
use crate::db::{Query, Row, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

const WHAT: &str = "token";
const COLUMNS: &str =
    "id AS token_id, user_id, name, document, expires_at, last_used_at, created_at_ms AS issued_at_ms";

/// A personal token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Unique.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What it is for; unique among the user's.
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
    /// [`StoreError::NotFound`] when there is no such user, [`StoreError::Duplicate`] of `name`,
    /// [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewToken, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        // Of two of the same name the second waits here and finds the first. No index says so: tokens from before may
        // share a name.
        users::hold(&mut tx, &new.user).await?;
        let same = Query::new("SELECT id FROM tokens WHERE user_id = $1 AND name = $2", args![&new.user, &new.name]);
        if tx.fetch_optional(same).await?.is_some() {
            return Err(StoreError::Duplicate { what: WHAT, field: "name" });
        }
        let made = tx.execute(Query::new(
            "INSERT INTO tokens (id, user_id, name, hash, document, expires_at, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![&new.id, &new.user, &new.name, &new.hash, new.document.clone(), new.expires_at, now_ms()],
        ));
        made.await.map_err(|error| error.or_duplicate(WHAT, &["hash"]))?;
        let after = told(&new.id, &new.name, new.document.as_deref(), new.expires_at);
        audit::record(&mut tx, &entry.between(Value::Null, after), None).await?;
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
        let text = format!("SELECT {COLUMNS} FROM tokens WHERE user_id = $1 ORDER BY created_at_ms DESC, id");
        self.store.db().fetch_all(Query::new(text, args![user])).await?.iter().map(read).collect()
    }

    /// Gives a user's token another id and text; name, narrowing and end stay, and the text before ends by it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn replace(
        &self,
        user: &str,
        id: &str,
        new_id: &str,
        hash: &SecretHash,
        entry: &AuditEntry,
    ) -> Result<Token, StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = format!(
            "UPDATE tokens SET id = $3, hash = $4, last_used_at = NULL, created_at_ms = $5 \
             WHERE user_id = $1 AND id = $2 RETURNING {COLUMNS}"
        );
        let row = tx.fetch_optional(Query::new(text, args![user, id, new_id, hash, now_ms()])).await?;
        let token = read(&row.ok_or_else(|| StoreError::not_found(WHAT, id))?)?;
        let told = |id| told(id, &token.name, token.document.as_deref(), token.expires_at);
        let entry = AuditEntry { resource_name: token.name.clone(), ..entry.between(told(id), told(new_id)) };
        audit::record(&mut tx, &entry, None).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Removes a user's token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(&self, user: &str, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = format!("DELETE FROM tokens WHERE user_id = $1 AND id = $2 RETURNING {COLUMNS}");
        let removed = tx.fetch_optional(Query::new(text, args![user, id])).await?;
        let token = read(&removed.ok_or_else(|| StoreError::not_found(WHAT, id))?)?;
        let before = told(id, &token.name, token.document.as_deref(), token.expires_at);
        let entry = AuditEntry { resource_name: token.name, ..entry.between(before, Value::Null) };
        audit::record(&mut tx, &entry, None).await?;
        tx.commit().await
    }
}

/// What the audit log shows of a token.
fn told(id: &str, name: &str, document: Option<&str>, expires_at: Option<i64>) -> Value {
    let document = document.and_then(|document| serde_json::from_str::<Value>(document).ok());
    json!({ "id": id, "name": name, "token": MASK, "policy_document": document, "expires_at": expires_at })
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
