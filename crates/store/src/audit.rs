//! Who did what to what. Entries of writes are made inside the writing transaction, so that no write
//! goes without one.

use model::{GroupId, Revision};
use serde_json::Value;

use crate::clock::now_ms;
use crate::db::{Query, Row, Select, Tx, args};
use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::store::Store;

/// What an audited action was. Secrets in `detail` are masked by the caller.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditEntry {
    /// Who: `user:admin`, `admin-key:<group>`, `system`.
    pub actor: String,
    /// What: the action's name as in permission policies (`CreateGatewayGroup`).
    pub action: String,
    /// The group it was done in.
    pub group: Option<GroupId>,
    /// The kind of what it was done to: `route`, `gateway_group`.
    pub resource_kind: String,
    /// Its id.
    pub resource_id: String,
    /// Its name.
    pub resource_name: String,
    /// The client's address.
    pub source: String,
    /// Request and response, as far as they may be kept.
    pub detail: Value,
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Unique, and ascending with time.
    pub id: String,
    /// When, in unix seconds.
    pub at: i64,
    /// The revision that the action made, if it was a commit.
    pub revision: Option<Revision>,
    /// What was done.
    pub entry: AuditEntry,
}

/// Which entries are wanted; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Done in this group.
    pub group: Option<GroupId>,
    /// Done by this actor.
    pub actor: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// Done to this kind.
    pub resource_kind: Option<String>,
    /// Done to this one.
    pub resource_id: Option<String>,
    /// At or after, in unix seconds.
    pub since: Option<i64>,
    /// Before, in unix seconds.
    pub until: Option<i64>,
}

/// The audit log.
pub struct AuditLog<'a> {
    pub(crate) store: &'a Store,
}

impl AuditLog<'_> {
    /// Records what touched no other table: a login, a refusal.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.store.db().execute(insert(entry, None)).await.map(drop)
    }

    /// Entries, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &AuditFilter, page: Option<Page>) -> Result<Listed<AuditRow>, StoreError> {
        let mut select = Select::new("*", "audit_log AS t", Vec::new());
        select
            .and_if("t.group_id = ?", filter.group.as_ref())
            .and_if("t.actor = ?", filter.actor.as_ref())
            .and_if("t.action = ?", filter.action.as_ref())
            .and_if("t.resource_kind = ?", filter.resource_kind.as_ref())
            .and_if("t.resource_id = ?", filter.resource_id.as_ref())
            .and_if("t.at_ms >= ?", filter.since.map(|at| at.saturating_mul(1000)))
            .and_if("t.at_ms < ?", filter.until.map(|at| at.saturating_mul(1000)))
            .order_by("t.at_ms DESC, t.id DESC");
        let (rows, total) = select.run(self.store.db(), page).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }
}

/// Records an action in the transaction that does it.
pub(crate) async fn record(tx: &mut Tx, entry: &AuditEntry, revision: Option<Revision>) -> Result<(), StoreError> {
    tx.execute(insert(entry, revision)).await.map(drop)
}

fn insert(entry: &AuditEntry, revision: Option<Revision>) -> Query {
    Query::new(
        "INSERT INTO audit_log (id, at_ms, actor, action, group_id, revision, resource_kind, resource_id, \
         resource_name, source, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        args![
            uuid::Uuid::now_v7().to_string(),
            now_ms(),
            &entry.actor,
            &entry.action,
            entry.group.clone().map(String::from),
            revision.and_then(|revision| i64::try_from(revision).ok()),
            &entry.resource_kind,
            &entry.resource_id,
            &entry.resource_name,
            &entry.source,
            entry.detail.to_string(),
        ],
    )
}

fn read(row: &Row) -> Result<AuditRow, StoreError> {
    let group: Option<String> = row.get("group_id")?;
    let revision: Option<i64> = row.get("revision")?;
    Ok(AuditRow {
        id: row.get("id")?,
        at: row.seconds("at_ms")?,
        revision: revision.and_then(|revision| revision.try_into().ok()),
        entry: AuditEntry {
            actor: row.get("actor")?,
            action: row.get("action")?,
            group: group.and_then(|group| group.parse().ok()),
            resource_kind: row.get("resource_kind")?,
            resource_id: row.get("resource_id")?,
            resource_name: row.get("resource_name")?,
            source: row.get("source")?,
            detail: row.json("detail")?,
        },
    })
}
