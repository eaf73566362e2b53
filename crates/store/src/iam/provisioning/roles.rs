//! Roles as SCIM's groups: their members are the users who have them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Condition, Provisioning, Sort};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Arg, Query, Row, Select, Tx, args, insert};
use crate::error::StoreError;
use crate::iam::next_version;
use crate::iam::roles::{self, KIND, Role};
use crate::iam::{labels, users};
use crate::page::{Listed, Page};

/// Ids in one statement.
const CHUNK: usize = 500;

/// A role with what SCIM keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedRole {
    /// The role.
    pub role: Role,
    /// The id that the SCIM client has for it.
    pub external_id: Option<String>,
}

/// A user who has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// Its name.
    pub username: String,
}

/// What a role is changed into.
#[derive(Debug, Clone, Default)]
pub struct RoleChange {
    /// Its name; `None` leaves it as it is.
    pub name: Option<String>,
    /// See [`ProvisionedRole::external_id`].
    pub external_id: Option<String>,
    /// Users who get it.
    pub add: Vec<String>,
    /// Users who lose it.
    pub remove: Vec<String>,
}

impl Provisioning<'_> {
    /// Makes a role that has no policies, and gives it to these users.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `name`, [`StoreError::NotFound`] of a user, [`StoreError::Unavailable`].
    pub async fn create_role(
        &self,
        id: &str,
        name: &str,
        external_id: Option<&str>,
        members: &[String],
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let (now, external_id) = (now_ms(), external_id.map(str::to_owned));
        let made = tx.execute(Query::new(
            "INSERT INTO roles (id, name, description, labels, built_in, scim_external_id, created_at_ms, \
             updated_at_ms) VALUES ($1, $2, '', '{}', 0, $3, $4, $5)",
            args![id, name, external_id, now, now],
        ));
        made.await.map_err(|error| error.or_duplicate(KIND, &["name"]))?;
        give(&mut tx, id, members).await?;
        let after = roles::told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(Value::Null, after), None).await?;
        tx.commit().await
    }

    /// One role.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn role(&self, id: &str) -> Result<ProvisionedRole, StoreError> {
        let query = Query::new("SELECT * FROM roles WHERE id = $1", args![id]);
        let row = self.store.db().fetch_optional(query).await?;
        read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)
    }

    /// The roles that meet the condition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn roles(
        &self,
        condition: Option<&Condition>,
        sort: Sort,
        page: Page,
    ) -> Result<Listed<ProvisionedRole>, StoreError> {
        let mut select = Select::new("*", "roles AS t", Vec::new());
        if let Some(condition) = condition {
            select.and_condition(condition);
        }
        select.order_by(sort.sql("t.name"));
        let (rows, total) = select.run(self.store.db(), Some(page)).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// The users who have these roles, by role, each by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn members(&self, roles: &[String]) -> Result<BTreeMap<String, Vec<GroupMember>>, StoreError> {
        let mut members: BTreeMap<String, Vec<GroupMember>> = BTreeMap::new();
        for roles in roles.chunks(CHUNK) {
            let source = "users AS t JOIN user_roles AS ur ON ur.user_id = t.id";
            let mut select = Select::new("t.id, t.username, ur.role_id", source, Vec::new());
            select.and_in("ur.role_id", roles).order_by("t.username, t.id");
            for row in select.run(self.store.db(), None).await?.0 {
                let member = GroupMember { id: row.get("id")?, username: row.get("username")? };
                members.entry(row.get("role_id")?).or_default().push(member);
            }
        }
        Ok(members)
    }

    /// Changes a role that is still as `before`. Who gets and loses it is a difference, so that two clients who
    /// change different members at once both succeed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the role or a user, [`StoreError::Changed`], [`StoreError::Duplicate`] of `name`,
    /// [`StoreError::Unavailable`].
    pub async fn update_role(
        &self,
        before: &ProvisionedRole,
        change: &RoleChange,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let id = &before.role.id;
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let row = tx.fetch_optional(Query::new("SELECT * FROM roles WHERE id = $1", args![id])).await?;
        let now = read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)?;
        if (&now.role.name, &now.external_id) != (&before.role.name, &before.external_id) {
            return Err(StoreError::Changed { what: KIND, id: id.clone() });
        }
        let stood = roles::told(&mut tx, id).await?;
        let name = change.name.as_ref().unwrap_or(&before.role.name);
        let text = "UPDATE roles SET name = $2, scim_external_id = $3, updated_at_ms = $4 WHERE id = $1";
        let renamed = tx.execute(Query::new(text, args![id, name, change.external_id.clone(), now_ms()])).await;
        renamed.map_err(|error| error.or_duplicate(KIND, &["name"]))?;
        take(&mut tx, id, &change.remove).await?;
        give(&mut tx, id, &change.add).await?;
        let stands = roles::told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(stood, stands), None).await?;
        tx.commit().await
    }

    /// Removes a role, whoever has it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for roles that came with the product; [`StoreError::Unavailable`].
    pub async fn delete_role(&self, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let before = roles::told(&mut tx, id).await?;
        let of_clients = "SELECT id FROM roles WHERE id = $1 AND built_in = 0";
        let text = format!("DELETE FROM user_roles WHERE role_id IN ({of_clients}) RETURNING user_id");
        let members = tx.fetch_all(Query::new(text, args![id])).await?;
        let members: Vec<String> = members.iter().map(|row| row.get("user_id")).collect::<Result<_, _>>()?;
        if tx.execute(Query::new("DELETE FROM roles WHERE id = $1 AND built_in = 0", args![id])).await? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        labels::remove(&mut tx, KIND, id).await?;
        let entry = AuditEntry { detail: json!({ "members_removed": members }), ..entry.clone() };
        audit::record(&mut tx, &entry.between(before, Value::Null), None).await?;
        tx.commit().await
    }
}

async fn give(tx: &mut Tx, role: &str, members: &[String]) -> Result<(), StoreError> {
    for member in members {
        let row: Vec<Arg> = args![member, role];
        for statement in insert("user_roles", &["user_id", "role_id"], vec![row], " ON CONFLICT DO NOTHING") {
            tx.execute(statement).await.map_err(|error| error.or_missing(users::KIND, member))?;
        }
    }
    Ok(())
}

async fn take(tx: &mut Tx, role: &str, members: &[String]) -> Result<(), StoreError> {
    for member in members {
        let text = "DELETE FROM user_roles WHERE role_id = $1 AND user_id = $2";
        tx.execute(Query::new(text, args![role, member])).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<ProvisionedRole, StoreError> {
    Ok(ProvisionedRole { role: roles::read(row)?, external_id: row.get("scim_external_id")? })
}
