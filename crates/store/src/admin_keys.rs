//! The admin key of each group: it decides the group by itself. Only hashes are kept.

use model::GroupId;

use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

/// The groups' admin keys.
pub struct AdminKeys<'a> {
    pub(crate) store: &'a Store,
}

impl AdminKeys<'_> {
    /// Gives a group its admin key; the one before it ends.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group, [`StoreError::Unavailable`].
    pub async fn put(&self, group: &GroupId, hash: &SecretHash, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let written = tx.execute(Query::new(
            "INSERT INTO admin_keys (group_id, hash, created_at_ms) SELECT id, $2, $3 FROM gateway_groups \
             WHERE id = $1 ON CONFLICT (group_id) \
             DO UPDATE SET hash = excluded.hash, created_at_ms = excluded.created_at_ms",
            args![group, hash, now_ms()],
        ));
        if written.await? == 0 {
            return Err(StoreError::not_found("gateway group", group));
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// The group whose admin key has this hash.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn group_of(&self, hash: &SecretHash) -> Result<Option<GroupId>, StoreError> {
        let query = Query::new("SELECT group_id FROM admin_keys WHERE hash = $1", args![hash]);
        self.store.db().fetch_optional(query).await?.map(|row| row.parse("group_id")).transpose()
    }

    /// When the group was given its admin key, in unix seconds; `None` when it has none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn created_at(&self, group: &GroupId) -> Result<Option<i64>, StoreError> {
        let query = Query::new("SELECT created_at_ms FROM admin_keys WHERE group_id = $1", args![group]);
        self.store.db().fetch_optional(query).await?.map(|row| row.seconds("created_at_ms")).transpose()
    }
}
