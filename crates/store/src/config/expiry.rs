//! Resources that go by themselves after a while.

use model::{GroupId, ResourceKey, Revision};

use super::Config;
use super::rows::{key_parts, path, read_key};
use crate::access::GroupAccess;
use crate::db::{Query, args};
use crate::error::StoreError;

/// When a resource of a group goes, unless it is put anew before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Which resource.
    pub key: ResourceKey,
    /// The revision that put it.
    pub revision: Revision,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Config<'_> {
    /// Notes when a resource of a group goes; what was noted of it before no longer holds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_expiry(&self, group: &GroupAccess, expiry: &Expiry) -> Result<(), StoreError> {
        let [kind, parent, id] = key_parts(&expiry.key);
        let (path, revision) = (path(&expiry.key), expiry.revision.cast_signed());
        let query = Query::new(
            "INSERT INTO expirations (group_id, path, kind, parent, id, revision, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (group_id, path) \
             DO UPDATE SET revision = excluded.revision, expires_at = excluded.expires_at",
            args![group, path, kind, parent, id, revision, expiry.expires_at],
        );
        self.store.db().execute(query).await.map(drop)
    }

    /// What was to go by `now`, each with its group, the earliest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due(&self, now: i64) -> Result<Vec<(GroupId, Expiry)>, StoreError> {
        const AT_ONCE: i64 = 256;
        let text = "SELECT * FROM expirations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
        let rows = self.store.db().fetch_all(Query::new(text, args![now, AT_ONCE])).await?;
        let read = |row: &crate::db::Row| {
            let (revision, expires_at) = (row.unsigned("revision")?, row.get("expires_at")?);
            Ok((row.parse("group_id")?, Expiry { key: read_key(row)?, revision, expires_at }))
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what was noted, unless it was noted anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_expiry(&self, group: &GroupAccess, expiry: &Expiry) -> Result<(), StoreError> {
        let text = "DELETE FROM expirations WHERE group_id = $1 AND path = $2 AND revision = $3 AND expires_at = $4";
        let revision = expiry.revision.cast_signed();
        let query = Query::new(text, args![group, path(&expiry.key), revision, expiry.expires_at]);
        self.store.db().execute(query).await.map(drop)
    }
}
