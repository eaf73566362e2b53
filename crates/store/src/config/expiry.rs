//! Resources that go by themselves after a while.

use model::{GroupId, ResourceKey, Revision};

use super::Config;
use super::rows::{key_parts, path, read_key};
use crate::db::{Query, args};
use crate::error::StoreError;

/// When a resource goes, unless it is put anew before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Its group.
    pub group: GroupId,
    /// Which resource.
    pub key: ResourceKey,
    /// The revision that put it.
    pub revision: Revision,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Config<'_> {
    /// Notes when a resource goes; what was noted of it before no longer holds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_expiry(&self, expiry: &Expiry) -> Result<(), StoreError> {
        let [kind, parent, id] = key_parts(&expiry.key);
        let (path, revision) = (path(&expiry.key), expiry.revision.cast_signed());
        let query = Query::new(
            "INSERT INTO expirations (group_id, path, kind, parent, id, revision, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (group_id, path) \
             DO UPDATE SET revision = excluded.revision, expires_at = excluded.expires_at",
            args![&expiry.group, path, kind, parent, id, revision, expiry.expires_at],
        );
        self.store.db().execute(query).await.map(drop)
    }

    /// What was to go by `now`, the earliest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due(&self, now: i64) -> Result<Vec<Expiry>, StoreError> {
        const AT_ONCE: i64 = 256;
        let text = "SELECT * FROM expirations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
        let rows = self.store.db().fetch_all(Query::new(text, args![now, AT_ONCE])).await?;
        let read = |row: &crate::db::Row| {
            Ok(Expiry {
                group: row.parse("group_id")?,
                key: read_key(row)?,
                revision: row.unsigned("revision")?,
                expires_at: row.get("expires_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what was noted, unless it was noted anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_expiry(&self, expiry: &Expiry) -> Result<(), StoreError> {
        let text = "DELETE FROM expirations WHERE group_id = $1 AND path = $2 AND revision = $3 AND expires_at = $4";
        let revision = expiry.revision.cast_signed();
        let query = Query::new(text, args![&expiry.group, path(&expiry.key), revision, expiry.expires_at]);
        self.store.db().execute(query).await.map(drop)
    }
}
