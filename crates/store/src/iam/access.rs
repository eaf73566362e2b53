//! What users were given, all in one read: what the control plane compiles.

use std::collections::BTreeMap;

use model::Labels;

use crate::db::{Arg, Query, Row, args};
use crate::error::StoreError;
use crate::store::Store;

/// A policy that a user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role it comes by; `None` when it is one of the user's boundaries.
    pub role: Option<GrantingRole>,
    /// Id of the policy.
    pub policy: String,
    /// Its name.
    pub name: String,
    /// Its document as JSON.
    pub document: String,
}

/// A role that brings a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantingRole {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What users were given.
pub struct Grants<'a> {
    pub(crate) store: &'a Store,
}

impl Grants<'_> {
    /// A user's policies by its roles and its boundaries, at one moment, with the version they belong to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn of(&self, user: &str) -> Result<(u64, Vec<Grant>), StoreError> {
        let rows = self.store.db().fetch_all(Query::new(given("= $1"), args![user])).await?;
        let version = match rows.first() {
            Some(row) => row.unsigned("version")?,
            None => self.version().await?,
        };
        Ok((version, rows.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// The policies of several users, by user and at one moment; who has none is left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn of_all(&self, users: &[String]) -> Result<BTreeMap<String, Vec<Grant>>, StoreError> {
        let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
        if users.is_empty() {
            return Ok(grants);
        }
        let places: Vec<String> = (1..=users.len()).map(|place| format!("${place}")).collect();
        let text = given(&format!("IN ({})", places.join(", ")));
        let users: Vec<Arg> = users.iter().map(Arg::from).collect();
        for row in self.store.db().fetch_all(Query::new(text, users)).await? {
            grants.entry(row.get("user_id")?).or_default().push(read(&row)?);
        }
        Ok(grants)
    }

    /// The labels of a user, role or permission policy; `kind` is `user`, `role` or `permission_policy`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn labels(&self, kind: &'static str, id: &str) -> Result<Labels, StoreError> {
        let query = Query::new("SELECT label, value FROM iam_labels WHERE kind = $1 AND id = $2", args![kind, id]);
        let rows = self.store.db().fetch_all(query).await?;
        rows.iter().map(|row| Ok((row.get("label")?, row.get("value")?))).collect()
    }

    /// The version of all that is given to anybody.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn version(&self) -> Result<u64, StoreError> {
        let row = self.store.db().fetch_optional(Query::new("SELECT version FROM iam_version", Vec::new())).await?;
        row.ok_or_else(|| StoreError::corrupt("iam_version", "its row is missing"))?.unsigned("version")
    }
}

/// What the users that are so were given.
fn given(users: &str) -> String {
    format!(
        "SELECT (SELECT version FROM iam_version) AS version, ur.user_id, r.id AS role_id, r.name AS role_name, \
         p.id, p.name, p.document FROM user_roles AS ur JOIN roles AS r ON r.id = ur.role_id \
         JOIN role_policies AS rp ON rp.role_id = r.id \
         JOIN permission_policies AS p ON p.id = rp.policy_id WHERE ur.user_id {users} \
         UNION ALL SELECT (SELECT version FROM iam_version), b.user_id, NULL, NULL, p.id, p.name, p.document \
         FROM user_boundaries AS b JOIN permission_policies AS p ON p.id = b.policy_id \
         WHERE b.user_id {users}"
    )
}

fn read(row: &Row) -> Result<Grant, StoreError> {
    let (id, name): (Option<String>, Option<String>) = (row.get("role_id")?, row.get("role_name")?);
    Ok(Grant {
        role: id.zip(name).map(|(id, name)| GrantingRole { id, name }),
        policy: row.get("id")?,
        name: row.get("name")?,
        document: row.get("document")?,
    })
}
