//! Roles: named bundles of permission policies that users are given.

use std::collections::BTreeMap;

use model::Labels;
use model::policy::Scope;
use serde_json::{Value, json};

use super::{labels, next_version, users};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::label_table::{self, LabelTable};
use crate::db::{Query, Row, Select, Tx, args, contains};
use crate::error::StoreError;
use crate::page::{Listed, Order, Page};
use crate::store::Store;
use crate::visible;

pub(crate) const KIND: &str = "role";

/// A role to be made, or what one is to be changed into.
#[derive(Debug, Clone, Default)]
pub struct RoleSpec {
    /// Unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
}

/// A role as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
    /// Whether it came with the product; such a role cannot be changed.
    pub built_in: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// Which roles or policies are wanted.
#[derive(Debug, Clone, Default)]
pub struct NamedFilter {
    /// The name contains this, in any case.
    pub search: Option<String>,
    /// The name is exactly this.
    pub name: Option<String>,
    /// The labels meet this.
    pub labels: model::LabelSelector,
    /// `None`: all of them.
    pub page: Option<Page>,
    /// In which order.
    pub order: Order,
}

/// The roles.
pub struct Roles<'a> {
    pub(crate) store: &'a Store,
}

impl Roles<'_> {
    /// Makes a role with these policies.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `name`, [`StoreError::NotFound`] of a policy, [`StoreError::Unavailable`].
    pub async fn create(
        &self,
        id: &str,
        spec: &RoleSpec,
        policies: &[String],
        entry: &AuditEntry,
    ) -> Result<Role, StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let now = now_ms();
        let made = tx.execute(Query::new(
            "INSERT INTO roles (id, name, description, labels, built_in, created_at_ms, updated_at_ms) \
             VALUES ($1, $2, $3, $4, 0, $5, $6)",
            args![id, &spec.name, &spec.description, labels::text(&spec.labels)?, now, now],
        ));
        made.await.map_err(|error| error.or_duplicate(KIND, &["name"]))?;
        labels::write(&mut tx, KIND, id, &spec.labels).await?;
        attach(&mut tx, id, policies).await?;
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(Value::Null, after), None).await?;
        tx.commit().await?;
        self.get(id).await
    }

    /// One role.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn get(&self, id: &str) -> Result<Role, StoreError> {
        let query = Query::new("SELECT * FROM roles WHERE id = $1", args![id]);
        let row = self.store.db().fetch_optional(query).await?;
        read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)
    }

    /// The roles that meet the filter, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &NamedFilter, scope: &Scope) -> Result<Listed<Role>, StoreError> {
        let mut select = Select::new("*", "roles AS t", Vec::new());
        filter.add_to(&mut select, &label_table::OF_ROLES);
        select.and_visible(&visible::ROLES, scope);
        let (rows, total) = select.run(self.store.db(), filter.page).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// Gives a role another name, description and labels.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Duplicate`] of `name`, [`StoreError::Unavailable`].
    pub async fn update(&self, id: &str, spec: &RoleSpec, entry: &AuditEntry) -> Result<Role, StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let before = told(&mut tx, id).await?;
        let text = "UPDATE roles SET name = $2, description = $3, labels = $4, updated_at_ms = $5 WHERE id = $1 AND built_in = 0";
        let query = Query::new(text, args![id, &spec.name, &spec.description, labels::text(&spec.labels)?, now_ms()]);
        if tx.execute(query).await.map_err(|error| error.or_duplicate(KIND, &["name"]))? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        labels::write(&mut tx, KIND, id, &spec.labels).await?;
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await?;
        self.get(id).await
    }

    /// Removes a role that nobody has.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::InUse`] while users have it, [`StoreError::Unavailable`].
    pub async fn delete(&self, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let before = told(&mut tx, id).await?;
        let removed = tx.execute(Query::new("DELETE FROM roles WHERE id = $1 AND built_in = 0", args![id])).await;
        if removed.map_err(|error| error.or_in_use(KIND, id, "users have it"))? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        labels::remove(&mut tx, KIND, id).await?;
        audit::record(&mut tx, &entry.between(before, Value::Null), None).await?;
        tx.commit().await
    }

    /// Adds policies to a role and takes others away.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the role or a policy, [`StoreError::Unavailable`].
    pub async fn change_policies(
        &self,
        id: &str,
        add: &[String],
        remove: &[String],
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let text = "UPDATE roles SET updated_at_ms = $2 WHERE id = $1 AND built_in = 0";
        if tx.execute(Query::new(text, args![id, now_ms()])).await? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        let before = told(&mut tx, id).await?;
        for policy in remove {
            let text = "DELETE FROM role_policies WHERE role_id = $1 AND policy_id = $2";
            tx.execute(Query::new(text, args![id, policy])).await?;
        }
        attach(&mut tx, id, add).await?;
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await
    }

    /// Roles of these users, by user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn of_users(&self, users: &[String]) -> Result<BTreeMap<String, Vec<Role>>, StoreError> {
        let mut roles: BTreeMap<String, Vec<Role>> = BTreeMap::new();
        for users in users.chunks(500) {
            let mut select =
                Select::new("t.*, ur.user_id", "roles AS t JOIN user_roles AS ur ON ur.role_id = t.id", Vec::new());
            select.and_in("ur.user_id", users).order_by("t.name");
            for row in select.run(self.store.db(), None).await?.0 {
                roles.entry(row.get("user_id")?).or_default().push(read(&row)?);
            }
        }
        Ok(roles)
    }
}

impl NamedFilter {
    pub(super) fn add_to(&self, select: &mut Select, labels: &LabelTable) {
        select
            .and_if("t.name = ?", self.name.as_ref())
            .and_if(r"LOWER(t.name) LIKE LOWER(?) ESCAPE '\'", self.search.as_deref().map(contains))
            .and_labels(labels, &self.labels)
            .order_by(self.order.sql("t.id"));
    }
}

async fn attach(tx: &mut Tx, role: &str, policies: &[String]) -> Result<(), StoreError> {
    for policy in policies {
        let text = "INSERT INTO role_policies (role_id, policy_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let attached = tx.execute(Query::new(text, args![role, policy])).await;
        attached.map_err(|error| error.or_missing(super::policies::KIND, policy))?;
    }
    Ok(())
}

/// What the audit log shows of a role as it stands in this transaction; null when it is not there. Who has it is left out:
/// that may be thousands, and is told by those who give and take it.
pub(super) async fn told(tx: &mut Tx, id: &str) -> Result<Value, StoreError> {
    let Some(row) = tx.fetch_optional(Query::new("SELECT * FROM roles WHERE id = $1", args![id])).await? else {
        return Ok(Value::Null);
    };
    let (role, external_id) = (read(&row)?, row.get::<Option<String>>("scim_external_id")?);
    let text = "SELECT policy_id AS id FROM role_policies WHERE role_id = $1 ORDER BY policy_id";
    Ok(json!({
        "name": role.name,
        "description": role.description,
        "labels": role.labels,
        "permission_policies": users::ids(tx, text, id).await?,
        "external_id": external_id,
    }))
}

/// Reads the columns of `roles`, whatever else the row has.
pub(super) fn read(row: &Row) -> Result<Role, StoreError> {
    Ok(Role {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        labels: row.json("labels")?,
        built_in: row.flag("built_in")?,
        created_at: row.seconds("created_at_ms")?,
        updated_at: row.seconds("updated_at_ms")?,
    })
}
