//! Users with what SCIM keeps of them.

use serde_json::Value;

use super::{Condition, Provisioning, Sort};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Arg, Query, Row, Select, Tx, args, insert};
use crate::error::StoreError;
use crate::iam::users::{self, Attached, KIND, NewUser, User};
use crate::iam::{labels, next_version};
use crate::page::{Listed, Page};

/// A user with what SCIM keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedUser {
    /// The user.
    pub user: User,
    /// What SCIM keeps beside.
    pub profile: Profile,
}

/// What SCIM keeps of a user beside the product's own columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The id that the SCIM client has for it.
    pub external_id: Option<String>,
    /// What it is called.
    pub display_name: Option<String>,
    /// All other attributes as JSON.
    pub attributes: String,
    /// Its mail addresses but the first, to be found by; written, not read.
    pub further_emails: Vec<String>,
}

/// What a user is changed into.
#[derive(Clone)]
pub struct UserChange {
    /// The name it logs in with.
    pub username: String,
    /// What names that look alike share.
    pub username_key: String,
    /// Where it can be written to.
    pub email: Option<String>,
    /// Whether it may come in; its sessions end when not.
    pub active: bool,
    /// A new one-time password as a hash; its sessions end by it.
    pub password_hash: Option<String>,
    /// What SCIM keeps beside.
    pub profile: Profile,
}

impl Provisioning<'_> {
    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `username`, [`StoreError::Unavailable`].
    pub async fn create_user(
        &self,
        new: &NewUser,
        active: bool,
        profile: &Profile,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let made = tx.execute(users::insert_user(new)?).await;
        made.map_err(|error| error.or_duplicate(KIND, &["external_id", "username"]))?;
        labels::write(&mut tx, KIND, &new.id, &new.labels).await?;
        users::attach(&mut tx, Attached::Roles, &new.id, &new.roles).await?;
        tx.execute(Query::new("UPDATE users SET active = $2, scim_made = 1 WHERE id = $1", args![&new.id, active]))
            .await?;
        write_profile(&mut tx, &new.id, profile).await?;
        let after = users::told(&mut tx, &new.id).await?;
        audit::record(&mut tx, &entry.between(Value::Null, after), None).await?;
        tx.commit().await
    }

    /// One user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn user(&self, id: &str) -> Result<ProvisionedUser, StoreError> {
        let query = Query::new("SELECT * FROM users WHERE id = $1", args![id]);
        let row = self.store.db().fetch_optional(query).await?;
        read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)
    }

    /// The users that meet the condition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn users(
        &self,
        condition: Option<&Condition>,
        sort: Sort,
        page: Page,
    ) -> Result<Listed<ProvisionedUser>, StoreError> {
        let mut select = Select::new("*", "users AS t", Vec::new());
        if let Some(condition) = condition {
            select.and_condition(condition);
        }
        select.order_by(sort.sql("t.username"));
        let (rows, total) = select.run(self.store.db(), Some(page)).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// Changes a user that is still as `before`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Changed`], [`StoreError::Duplicate`] of `username`,
    /// [`StoreError::Unavailable`].
    pub async fn update_user(
        &self,
        before: &ProvisionedUser,
        change: &UserChange,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let id = &before.user.id;
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let row = tx.fetch_optional(Query::new("SELECT * FROM users WHERE id = $1", args![id])).await?;
        let now = read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)?;
        if !is_same(&now, before) {
            return Err(StoreError::Changed { what: KIND, id: id.clone() });
        }
        let stood = users::told(&mut tx, id).await?;
        let text = "UPDATE users SET username = $2, username_key = $3, email = $4, active = $5, updated_at_ms = $6 \
                    WHERE id = $1";
        let (username, key) = (&change.username, &change.username_key);
        let args = args![id, username, key, change.email.clone(), change.active, now_ms()];
        tx.execute(Query::new(text, args)).await.map_err(|error| error.or_duplicate(KIND, &["username"]))?;
        if let Some(hash) = &change.password_hash {
            let text = "UPDATE users SET password_hash = $2, must_change_password = 1 WHERE id = $1";
            tx.execute(Query::new(text, args![id, hash])).await?;
        }
        if change.password_hash.is_some() || !change.active {
            tx.execute(Query::new("DELETE FROM sessions WHERE user_id = $1", args![id])).await?;
        }
        write_profile(&mut tx, id, &change.profile).await?;
        let stands = users::told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(stood, stands), None).await?;
        tx.commit().await
    }
}

/// A login in between is no change.
fn is_same(now: &ProvisionedUser, before: &ProvisionedUser) -> bool {
    let last_login_at = before.user.last_login_at;
    let now = ProvisionedUser { user: User { last_login_at, ..now.user.clone() }, profile: now.profile.clone() };
    now == *before
}

async fn write_profile(tx: &mut Tx, id: &str, profile: &Profile) -> Result<(), StoreError> {
    let text = "UPDATE users SET scim_external_id = $2, scim_display_name = $3, scim_attributes = $4 WHERE id = $1";
    let Profile { external_id, display_name, attributes, further_emails } = profile.clone();
    tx.execute(Query::new(text, args![id, external_id, display_name, attributes])).await?;
    tx.execute(Query::new("DELETE FROM user_further_emails WHERE user_id = $1", args![id])).await?;
    let rows: Vec<Vec<Arg>> = further_emails.iter().map(|email| args![id, email]).collect();
    for statement in insert("user_further_emails", &["user_id", "email"], rows, " ON CONFLICT DO NOTHING") {
        tx.execute(statement).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<ProvisionedUser, StoreError> {
    let profile = Profile {
        external_id: row.get("scim_external_id")?,
        display_name: row.get("scim_display_name")?,
        attributes: row.get("scim_attributes")?,
        further_emails: Vec::new(),
    };
    Ok(ProvisionedUser { user: users::read(row)?, profile })
}
