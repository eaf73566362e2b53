//! Tokens with which instances join a group. Only hashes are kept.

use model::GroupId;

use crate::access::GroupAccess;
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

/// A join token to be made.
#[derive(Debug, Clone)]
pub struct NewJoinToken {
    /// Unique.
    pub id: String,
    /// The group whose instances may join with it.
    pub group: GroupAccess,
    /// Of its secret.
    pub hash: SecretHash,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// How many instances may join with it; `None`: any number.
    pub max_uses: Option<u32>,
}

/// A join token as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Its id.
    pub id: String,
    /// The group whose instances may join with it.
    pub group: GroupId,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// How many instances may join with it; `None`: any number.
    pub max_uses: Option<u64>,
    /// How many have.
    pub uses: u64,
    /// Since when it is revoked, in unix seconds.
    pub revoked_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

/// What became of an attempt to use a join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenUse {
    /// One use is taken; this is the token after it.
    Accepted(JoinToken),
    /// There is no such token.
    Unknown,
    /// Its time is over.
    Expired,
    /// As many instances as it allows have joined.
    UsedUp,
    /// It was revoked.
    Revoked,
}

/// The join tokens.
pub struct JoinTokens<'a> {
    pub(crate) store: &'a Store,
}

impl JoinTokens<'_> {
    /// Makes a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group, [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewJoinToken, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        // SELECT instead of VALUES: a group that does not exist gives no row rather than an error.
        let made = tx.execute(Query::new(
            "INSERT INTO join_tokens (id, group_id, hash, expires_at, max_uses, uses, created_at_ms) \
             SELECT $1, id, $3, $4, $5, 0, $6 FROM gateway_groups WHERE id = $2",
            args![&new.id, &new.group, &new.hash, new.expires_at, new.max_uses.map(i64::from), now_ms()],
        ));
        if made.await.map_err(|error| error.or_duplicate("join token", &["hash"]))? == 0 {
            return Err(StoreError::not_found("gateway group", &new.group));
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// Takes one use of a token at the time `now`; of many attempts at once no more succeed than it allows.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_once(&self, hash: &SecretHash, now: i64) -> Result<TokenUse, StoreError> {
        let mut tx = self.store.db().write().await?;
        let taken = tx.fetch_optional(Query::new(
            "UPDATE join_tokens SET uses = uses + 1 WHERE hash = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2) AND (max_uses IS NULL OR uses < max_uses) RETURNING *",
            args![hash, now],
        ));
        if let Some(row) = taken.await? {
            let token = read(&row)?;
            tx.commit().await?;
            return Ok(TokenUse::Accepted(token));
        }
        let stands = tx.fetch_optional(Query::new("SELECT * FROM join_tokens WHERE hash = $1", args![hash])).await?;
        Ok(match stands.as_ref().map(read).transpose()? {
            None => TokenUse::Unknown,
            Some(token) if token.revoked_at.is_some() => TokenUse::Revoked,
            Some(token) if token.expires_at.is_some_and(|at| at <= now) => TokenUse::Expired,
            Some(_) => TokenUse::UsedUp,
        })
    }

    /// The tokens of a group, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, group: &GroupAccess) -> Result<Vec<JoinToken>, StoreError> {
        let text = "SELECT * FROM join_tokens WHERE group_id = $1 ORDER BY created_at_ms DESC, id";
        self.store.db().fetch_all(Query::new(text, args![group])).await?.iter().map(read).collect()
    }

    /// Revokes a token of a group from `now` on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn revoke(&self, group: &GroupAccess, id: &str, now: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = "UPDATE join_tokens SET revoked_at = COALESCE(revoked_at, $3) WHERE group_id = $1 AND id = $2";
        if tx.execute(Query::new(text, args![group, id, now])).await? == 0 {
            return Err(StoreError::not_found("join token", id));
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }
}

fn read(row: &Row) -> Result<JoinToken, StoreError> {
    let max_uses: Option<i64> = row.get("max_uses")?;
    Ok(JoinToken {
        id: row.get("id")?,
        group: row.parse("group_id")?,
        expires_at: row.get("expires_at")?,
        max_uses: max_uses.and_then(|uses| uses.try_into().ok()),
        uses: row.unsigned("uses")?,
        revoked_at: row.get("revoked_at")?,
        created_at: row.seconds("created_at_ms")?,
    })
}
