//! Admin keys of gateway groups: each decides its group by itself. Only hashes are kept.

use model::GroupId;
use serde_json::{Value, json};

use crate::access::GroupAccess;
use crate::audit::{self, AuditEntry, MASK};
use crate::clock::now_ms;
use crate::db::{Query, Row, Tx, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::Store;

const WHAT: &str = "admin key";

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewGroupKey {
    /// Unique.
    pub id: String,
    /// The one group it is good for.
    pub group: GroupAccess,
    /// Unique in the group.
    pub name: String,
    /// Of its text.
    pub hash: SecretHash,
    /// What it is narrowed to: a policy document as JSON. `None`: all that a key may.
    pub document: Option<String>,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
}

/// A key as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    /// Its id.
    pub id: String,
    /// The one group it is good for.
    pub group: GroupId,
    /// Its name.
    pub name: String,
    /// See [`NewGroupKey::document`].
    pub document: Option<String>,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// Unix seconds; `None`: not yet.
    pub last_used_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

/// The groups' admin keys.
pub struct GroupKeys<'a> {
    pub(crate) store: &'a Store,
}

impl GroupKeys<'_> {
    /// Makes a key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group, [`StoreError::Duplicate`] of `name`,
    /// [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewGroupKey, entry: &AuditEntry) -> Result<(), StoreError> {
        self.insert(new, "", entry).await
    }

    /// Makes a key, or replaces the group's key of the same name, whose text ends by it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group, [`StoreError::Unavailable`].
    pub async fn put(&self, new: &NewGroupKey, entry: &AuditEntry) -> Result<(), StoreError> {
        let replace = " ON CONFLICT (group_id, name) DO UPDATE SET id = excluded.id, hash = excluded.hash, \
                       document = excluded.document, expires_at = excluded.expires_at, last_used_at = NULL, \
                       created_at_ms = excluded.created_at_ms";
        self.insert(new, replace, entry).await
    }

    /// The key with this hash, if it has not ended by `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn find(&self, hash: &SecretHash, now: i64) -> Result<Option<GroupKey>, StoreError> {
        let text = "SELECT * FROM group_keys WHERE hash = $1 AND (expires_at IS NULL OR expires_at > $2)";
        self.store.db().fetch_optional(Query::new(text, args![hash, now])).await?.as_ref().map(read).transpose()
    }

    /// A group's keys by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, group: &GroupAccess) -> Result<Vec<GroupKey>, StoreError> {
        let query = Query::new("SELECT * FROM group_keys WHERE group_id = $1 ORDER BY name", args![group]);
        self.store.db().fetch_all(query).await?.iter().map(read).collect()
    }

    /// Notes that a key was used. Callers do this now and then, not on every request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn touch(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let query = Query::new("UPDATE group_keys SET last_used_at = $2 WHERE id = $1", args![id, now]);
        self.store.db().execute(query).await.map(drop)
    }

    /// Ends a key of a group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(&self, group: &GroupAccess, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = "DELETE FROM group_keys WHERE group_id = $1 AND id = $2 RETURNING *";
        let removed = tx.fetch_optional(Query::new(text, args![group, id])).await?;
        let key = read(&removed.ok_or_else(|| StoreError::not_found(WHAT, id))?)?;
        let entry = AuditEntry { resource_name: key.name.clone(), ..entry.between(told(&key), Value::Null) };
        audit::record(&mut tx, &entry, None).await?;
        tx.commit().await
    }

    async fn insert(&self, new: &NewGroupKey, ending: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        // Holds the group, so that of two keys of one name the second is shown after the first.
        tx.execute(Query::new("UPDATE gateway_groups SET id = id WHERE id = $1", args![&new.group])).await?;
        let before = named(&mut tx, new).await?;
        let text = format!(
            "INSERT INTO group_keys (id, group_id, name, hash, document, expires_at, created_at_ms) \
             SELECT $1, id, $3, $4, $5, $6, $7 FROM gateway_groups WHERE id = $2{ending}"
        );
        let args = args![&new.id, &new.group, &new.name, &new.hash, new.document.clone(), new.expires_at, now_ms()];
        let made = tx.execute(Query::new(text, args)).await;
        if made.map_err(|error| error.or_duplicate(WHAT, &["name"]))? == 0 {
            return Err(StoreError::not_found("gateway group", &new.group));
        }
        let after = named(&mut tx, new).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await
    }
}

/// What the audit log shows of the group's key of the same name; null when there is none.
async fn named(tx: &mut Tx, new: &NewGroupKey) -> Result<Value, StoreError> {
    let text = "SELECT * FROM group_keys WHERE group_id = $1 AND name = $2";
    let row = tx.fetch_optional(Query::new(text, args![&new.group, &new.name])).await?;
    Ok(row.map(|row| read(&row)).transpose()?.map_or(Value::Null, |key| told(&key)))
}

/// What the audit log shows of a key.
fn told(key: &GroupKey) -> Value {
    let document = key.document.as_deref().and_then(|document| serde_json::from_str::<Value>(document).ok());
    json!({ "id": key.id, "name": key.name, "key": MASK, "policy_document": document, "expires_at": key.expires_at })
}

fn read(row: &Row) -> Result<GroupKey, StoreError> {
    Ok(GroupKey {
        id: row.get("id")?,
        group: row.parse("group_id")?,
        name: row.get("name")?,
        document: row.get("document")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        created_at: row.seconds("created_at_ms")?,
    })
}
