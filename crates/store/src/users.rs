//! Users. The store never sees a password, only the hash that the caller made of it.

use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, args};
use crate::error::StoreError;
use crate::store::Store;

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    /// Unique.
    pub id: String,
    /// Unique.
    pub username: String,
    /// In PHC form (argon2).
    pub password_hash: String,
}

/// A user as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: String,
    /// The name it logs in with.
    pub username: String,
    /// In PHC form (argon2).
    pub password_hash: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("username", &self.username).finish_non_exhaustive()
    }
}

/// The users.
pub struct Users<'a> {
    pub(crate) store: &'a Store,
}

impl Users<'_> {
    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `username`, [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewUser, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let now = now_ms();
        let made = tx.execute(Query::new(
            "INSERT INTO users (id, username, password_hash, created_at_ms, updated_at_ms) \
             VALUES ($1, $2, $3, $4, $5)",
            args![&new.id, &new.username, &new.password_hash, now, now],
        ));
        made.await.map_err(|error| error.or_duplicate("user", &["username"]))?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn get(&self, id: &str) -> Result<Option<User>, StoreError> {
        self.one(Query::new("SELECT * FROM users WHERE id = $1", args![id])).await
    }

    /// The user who logs in with this name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn by_username(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.one(Query::new("SELECT * FROM users WHERE username = $1", args![username])).await
    }

    /// All users by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self) -> Result<Vec<User>, StoreError> {
        let query = Query::new("SELECT * FROM users ORDER BY username", Vec::new());
        self.store.db().fetch_all(query).await?.iter().map(read).collect()
    }

    /// Gives a user another password and ends all its sessions.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn set_password(&self, id: &str, password_hash: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = "UPDATE users SET password_hash = $2, updated_at_ms = $3 WHERE id = $1";
        if tx.execute(Query::new(text, args![id, password_hash, now_ms()])).await? == 0 {
            return Err(StoreError::not_found("user", id));
        }
        tx.execute(Query::new("DELETE FROM sessions WHERE user_id = $1", args![id])).await?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    async fn one(&self, query: Query) -> Result<Option<User>, StoreError> {
        self.store.db().fetch_optional(query).await?.as_ref().map(read).transpose()
    }
}

fn read(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.get("id")?,
        username: row.get("username")?,
        password_hash: row.get("password_hash")?,
        created_at: row.seconds("created_at_ms")?,
        updated_at: row.seconds("updated_at_ms")?,
    })
}
