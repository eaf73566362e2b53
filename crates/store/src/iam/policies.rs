//! Permission policies. Their documents are kept as texts; what they mean is `model::policy`'s to say.

use model::Labels;
use model::policy::Scope;
use serde_json::{Value, json};

use super::roles::NamedFilter;
use super::{labels, next_version};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, Select, Tx, args, label_table};
use crate::error::StoreError;
use crate::page::Listed;
use crate::store::Store;
use crate::visible;

pub(crate) const KIND: &str = "permission policy";

/// A policy to be made, or what one is to be changed into.
#[derive(Debug, Clone, Default)]
pub struct PolicySpec {
    /// Unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
    /// Its document as JSON.
    pub document: String,
}

/// A policy as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
    /// Its document as JSON.
    pub document: String,
    /// Whether it came with the product; such a policy cannot be changed.
    pub built_in: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// The permission policies.
pub struct Policies<'a> {
    pub(crate) store: &'a Store,
}

impl Policies<'_> {
    /// Makes a policy.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `name`, [`StoreError::Unavailable`].
    pub async fn create(&self, id: &str, spec: &PolicySpec, entry: &AuditEntry) -> Result<Policy, StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let now = now_ms();
        let labels_text = labels::text(&spec.labels)?;
        let made = tx.execute(Query::new(
            "INSERT INTO permission_policies (id, name, description, labels, document, built_in, created_at_ms, \
             updated_at_ms) VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
            args![id, &spec.name, &spec.description, labels_text, &spec.document, now, now],
        ));
        made.await.map_err(|error| error.or_duplicate(KIND, &["name"]))?;
        labels::write(&mut tx, "permission_policy", id, &spec.labels).await?;
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(Value::Null, after), None).await?;
        tx.commit().await?;
        self.get(id).await
    }

    /// One policy.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn get(&self, id: &str) -> Result<Policy, StoreError> {
        let query = Query::new("SELECT * FROM permission_policies WHERE id = $1", args![id]);
        let row = self.store.db().fetch_optional(query).await?;
        read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)
    }

    /// The policies that meet the filter, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &NamedFilter, scope: &Scope) -> Result<Listed<Policy>, StoreError> {
        let mut select = Select::new("*", "permission_policies AS t", Vec::new());
        filter.add_to(&mut select, &label_table::OF_POLICIES);
        select.and_visible(&visible::POLICIES, scope);
        let (rows, total) = select.run(self.store.db(), filter.page).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// The policies of a role by name, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn of_role(&self, role: &str, scope: &Scope) -> Result<Vec<Policy>, StoreError> {
        let source = "permission_policies AS t JOIN role_policies AS rp ON rp.policy_id = t.id";
        let mut select = Select::new("t.*", source, Vec::new());
        select.and("rp.role_id = ?", args![role]);
        self.visible_by_name(select, scope).await
    }

    /// The boundaries of a user by name, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn boundaries_of(&self, user: &str, scope: &Scope) -> Result<Vec<Policy>, StoreError> {
        let source = "permission_policies AS t JOIN user_boundaries AS ub ON ub.policy_id = t.id";
        let mut select = Select::new("t.*", source, Vec::new());
        select.and("ub.user_id = ?", args![user]);
        self.visible_by_name(select, scope).await
    }

    async fn visible_by_name(&self, mut select: Select, scope: &Scope) -> Result<Vec<Policy>, StoreError> {
        select.and_visible(&visible::POLICIES, scope).order_by("t.name");
        select.run(self.store.db(), None).await?.0.iter().map(read).collect()
    }

    /// The ids of the policies that bound a user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn boundary_ids(&self, user: &str) -> Result<Vec<String>, StoreError> {
        let text = "SELECT policy_id AS id FROM user_boundaries WHERE user_id = $1 ORDER BY policy_id";
        self.store.db().fetch_all(Query::new(text, args![user])).await?.iter().map(|row| row.get("id")).collect()
    }

    /// Changes a policy.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Duplicate`] of `name`, [`StoreError::Unavailable`].
    pub async fn update(&self, id: &str, spec: &PolicySpec, entry: &AuditEntry) -> Result<Policy, StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let before = told(&mut tx, id).await?;
        let labels_text = labels::text(&spec.labels)?;
        let changed = tx.execute(Query::new(
            "UPDATE permission_policies SET name = $2, description = $3, labels = $4, document = $5, \
             updated_at_ms = $6 WHERE id = $1 AND built_in = 0",
            args![id, &spec.name, &spec.description, labels_text, &spec.document, now_ms()],
        ));
        if changed.await.map_err(|error| error.or_duplicate(KIND, &["name"]))? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        labels::write(&mut tx, "permission_policy", id, &spec.labels).await?;
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await?;
        self.get(id).await
    }

    /// Removes a policy that is attached to nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::InUse`] while roles have it or it bounds users,
    /// [`StoreError::Unavailable`].
    pub async fn delete(&self, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let before = told(&mut tx, id).await?;
        let text = "DELETE FROM permission_policies WHERE id = $1 AND built_in = 0";
        let removed = tx.execute(Query::new(text, args![id])).await;
        if removed.map_err(|error| error.or_in_use(KIND, id, "roles have it or it bounds users"))? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        labels::remove(&mut tx, "permission_policy", id).await?;
        audit::record(&mut tx, &entry.between(before, Value::Null), None).await?;
        tx.commit().await
    }
}

/// What the audit log shows of a policy as it stands in this transaction; null when it is not there.
async fn told(tx: &mut Tx, id: &str) -> Result<Value, StoreError> {
    let query = Query::new("SELECT * FROM permission_policies WHERE id = $1", args![id]);
    let Some(row) = tx.fetch_optional(query).await? else { return Ok(Value::Null) };
    let policy = read(&row)?;
    Ok(json!({
        "name": policy.name,
        "description": policy.description,
        "labels": policy.labels,
        "policy_document": serde_json::from_str(&policy.document).unwrap_or(Value::Null),
    }))
}

fn read(row: &Row) -> Result<Policy, StoreError> {
    Ok(Policy {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        labels: row.json("labels")?,
        document: row.get("document")?,
        built_in: row.flag("built_in")?,
        created_at: row.seconds("created_at_ms")?,
        updated_at: row.seconds("updated_at_ms")?,
    })
}
