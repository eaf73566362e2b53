//! Users. The store never sees a password, only the hash that the caller made of it.

use std::collections::BTreeSet;

use model::Labels;
use model::policy::Scope;
use serde_json::{Value, json};

use super::{labels, next_version};
use crate::audit::{self, AuditEntry, MASK};
use crate::clock::now_ms;
use crate::db::{Arg, Query, Row, Select, Tx, args, contains, insert};
use crate::error::StoreError;
use crate::page::{Direction, Listed, Page};
use crate::store::Store;
use crate::visible;

pub(crate) const KIND: &str = "user";

/// A user to be made.
#[derive(Clone, Default)]
pub struct NewUser {
    /// Unique.
    pub id: String,
    /// Unique.
    pub username: String,
    /// What names that look alike share; unique.
    pub username_key: String,
    /// In PHC form (argon2); `None` for users who come by sign-on.
    pub password_hash: Option<String>,
    /// Where the user can be written to.
    pub email: Option<String>,
    /// Labels to select by.
    pub labels: Labels,
    /// The sign-on the user comes by, and its id there.
    pub external: Option<External>,
    /// Whether it is the first admin, who can be neither removed nor robbed of a role.
    pub root: bool,
    /// Whether the password is good for one thing alone: choosing another.
    pub must_change_password: bool,
    /// The roles it begins with.
    pub roles: Vec<String>,
    /// The boundaries it begins with: ids of policies.
    pub boundaries: Vec<String>,
}

/// A user's place in a sign-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// Id of the login option.
    pub login_option: String,
    /// Id of the user there.
    pub id: String,
}

/// A user as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: String,
    /// The name it logs in with.
    pub username: String,
    /// In PHC form (argon2); empty when it has none.
    pub password_hash: String,
    /// Where the user can be written to.
    pub email: Option<String>,
    /// Labels to select by.
    pub labels: Labels,
    /// The sign-on it comes by.
    pub external: Option<External>,
    /// Whether it is the first admin.
    pub root: bool,
    /// Whether it may come in at all.
    pub active: bool,
    /// Whether its password is good for one thing alone: choosing another.
    pub must_change_password: bool,
    /// Whether a login takes a one-time code, too.
    pub has_second_factor: bool,
    /// Whether SCIM made it.
    pub provisioned: bool,
    /// Unix seconds; `None`: never.
    pub last_login_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("username", &self.username).finish_non_exhaustive()
    }
}

/// A user who proved to be it, and the version of the rules that stood then.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user.
    pub user: User,
    /// See [`crate::iam`].
    pub version: u64,
}

/// What to change in a user; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// See [`User::email`]; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// See [`User::labels`].
    pub labels: Option<Labels>,
    /// See [`User::active`]; a user that is made inactive loses its sessions.
    pub active: Option<bool>,
    /// Whether a lock for wrong passwords ends, and the count of them.
    pub unlock: bool,
}

/// Which users are wanted.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Name or address contains this, in any case.
    pub search: Option<String>,
    /// Those who have this role.
    pub role: Option<String>,
    /// By name; the other way when descending.
    pub direction: Direction,
    /// `None`: all of them.
    pub page: Option<Page>,
}

/// The users.
pub struct Users<'a> {
    pub(crate) store: &'a Store,
}

impl Users<'_> {
    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `username`, [`StoreError::NotFound`] of a role, [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewUser, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let made = tx.execute(insert_user(new)?).await;
        made.map_err(|error| error.or_duplicate(KIND, &["external_id", "username"]))?;
        labels::write(&mut tx, KIND, &new.id, &new.labels).await?;
        attach(&mut tx, Attached::Roles, &new.id, &new.roles).await?;
        attach(&mut tx, Attached::Boundaries, &new.id, &new.boundaries).await?;
        let after = told(&mut tx, &new.id).await?;
        audit::record(&mut tx, &entry.between(Value::Null, after), None).await?;
        tx.commit().await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn get(&self, id: &str) -> Result<Option<User>, StoreError> {
        self.one(Query::new("SELECT * FROM users WHERE id = $1", args![id])).await
    }

    /// The user who logs in with this name or, when no name is so, with this address.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        let text = "SELECT *, (SELECT version FROM iam_version) AS version FROM users \
                    WHERE username = $1 OR (email = $1 AND login_option_id IS NULL) \
                    ORDER BY CASE WHEN username = $1 THEN 0 ELSE 1 END LIMIT 2";
        let rows = self.store.db().fetch_all(Query::new(text, args![login])).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let user = read(first)?;
        // An address that several share names nobody.
        if user.username != login && rows.len() > 1 {
            return Ok(None);
        }
        Ok(Some(Identity { user, version: first.unsigned("version")? }))
    }

    /// The user with this id in a sign-on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn by_external(&self, external: &External) -> Result<Option<User>, StoreError> {
        let text = "SELECT * FROM users WHERE login_option_id = $1 AND external_id = $2";
        self.one(Query::new(text, args![&external.login_option, &external.id])).await
    }

    /// The users that meet the filter, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &UserFilter, scope: &Scope) -> Result<Listed<User>, StoreError> {
        let mut select = Select::new("*", "users AS t", Vec::new());
        if let Some(text) = filter.search.as_deref().map(contains) {
            let condition = r"LOWER(t.username) LIKE LOWER(?) ESCAPE '\' OR LOWER(t.email) LIKE LOWER(?) ESCAPE '\'";
            select.and(condition, args![&text, &text]);
        }
        let has_role = "EXISTS (SELECT 1 FROM user_roles AS r WHERE r.user_id = t.id AND r.role_id = ?)";
        select
            .and_if(has_role, filter.role.as_ref())
            .and_visible(&visible::USERS, scope)
            .order_by(format!("t.username {}, t.id", filter.direction.sql()));
        let (rows, total) = select.run(self.store.db(), filter.page).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn update(&self, id: &str, patch: &UserPatch, entry: &AuditEntry) -> Result<User, StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let row = row_of(&mut tx, id).await?.ok_or_else(|| StoreError::not_found(KIND, id))?;
        let mut user = read(&row)?;
        let before = told_of(&mut tx, &user, &row).await?;
        let UserPatch { email, labels, active, unlock } = patch.clone();
        user.email = email.unwrap_or(user.email);
        user.labels = labels.unwrap_or(user.labels);
        user.active = active.unwrap_or(user.active);
        let text = "UPDATE users SET email = $2, labels = $3, active = $4, updated_at_ms = $5 WHERE id = $1";
        let labels_text = labels::text(&user.labels)?;
        tx.execute(Query::new(text, args![id, user.email.clone(), labels_text, user.active, now_ms()])).await?;
        labels::write(&mut tx, KIND, id, &user.labels).await?;
        if !user.active {
            tx.execute(Query::new("DELETE FROM sessions WHERE user_id = $1", args![id])).await?;
        }
        if unlock {
            tx.execute(Query::new("DELETE FROM login_failures WHERE user_id = $1", args![id])).await?;
        }
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Removes a user with its sessions and tokens.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(&self, id: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let before = told(&mut tx, id).await?;
        if tx.execute(Query::new("DELETE FROM users WHERE id = $1", args![id])).await? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        labels::remove(&mut tx, KIND, id).await?;
        audit::record(&mut tx, &entry.between(before, Value::Null), None).await?;
        tx.commit().await
    }

    /// Gives a user another password, for one login alone if `must_change`, ends all its sessions, and a lock for wrong
    /// passwords.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn set_password(
        &self,
        id: &str,
        password_hash: &str,
        must_change: bool,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        hold(&mut tx, id).await?;
        let before = told(&mut tx, id).await?;
        let text = "UPDATE users SET password_hash = $2, must_change_password = $3, updated_at_ms = $4 WHERE id = $1";
        tx.execute(Query::new(text, args![id, password_hash, must_change, now_ms()])).await?;
        tx.execute(Query::new("DELETE FROM sessions WHERE user_id = $1", args![id])).await?;
        // They were of the password before.
        tx.execute(Query::new("DELETE FROM login_failures WHERE user_id = $1", args![id])).await?;
        let after = told(&mut tx, id).await?;
        audit::record(&mut tx, &entry.between(before, after), None).await?;
        tx.commit().await
    }

    /// The first admin; `None` before the first start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn first_admin(&self) -> Result<Option<User>, StoreError> {
        self.one(Query::new("SELECT * FROM users WHERE root = 1", Vec::new())).await
    }

    /// Gives a user another password, removes its second factor, lets it in again should it have been shut out or locked, and ends
    /// all its sessions; returns how many.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn recover(&self, id: &str, password_hash: &str, entry: &AuditEntry) -> Result<u64, StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let text = "UPDATE users SET password_hash = $2, must_change_password = 0, active = 1, totp_key = NULL, \
                    totp_pending = NULL, totp_step = NULL, updated_at_ms = $3 WHERE id = $1";
        if tx.execute(Query::new(text, args![id, password_hash, now_ms()])).await? == 0 {
            return Err(StoreError::not_found(KIND, id));
        }
        tx.execute(Query::new("DELETE FROM login_failures WHERE user_id = $1", args![id])).await?;
        let ended = tx.execute(Query::new("DELETE FROM sessions WHERE user_id = $1", args![id])).await?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Replaces the roles of a user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the user or a role, [`StoreError::Unavailable`].
    pub async fn set_roles(&self, id: &str, roles: &[String], entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        replace(tx, Attached::Roles, id, roles, entry).await
    }

    /// Replaces the roles of a user who has those of `before`.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when it has others, [`StoreError::NotFound`] of the user or a role,
    /// [`StoreError::Unavailable`].
    pub async fn replace_roles(
        &self,
        id: &str,
        before: &BTreeSet<String>,
        roles: &BTreeSet<String>,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        let has: BTreeSet<String> = ids(&mut tx, ROLES_OF, id).await?.into_iter().collect();
        if has != *before {
            return Err(StoreError::Changed { what: KIND, id: id.to_owned() });
        }
        let roles: Vec<String> = roles.iter().cloned().collect();
        replace(tx, Attached::Roles, id, &roles, entry).await
    }

    /// Replaces the boundaries of a user: the policies of which at least one must allow what it does. None: no boundary.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the user or a policy, [`StoreError::Unavailable`].
    pub async fn set_boundaries(&self, id: &str, policies: &[String], entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        next_version(&mut tx).await?;
        replace(tx, Attached::Boundaries, id, policies, entry).await
    }

    /// Notes a login.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_login(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let query = Query::new("UPDATE users SET last_login_at = $2 WHERE id = $1", args![id, now]);
        self.store.db().execute(query).await.map(drop)
    }

    /// Users whose key is not filled in yet: those of an older version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn without_key(&self) -> Result<Vec<User>, StoreError> {
        let query = Query::new("SELECT * FROM users WHERE username_key = ''", Vec::new());
        self.store.db().fetch_all(query).await?.iter().map(read).collect()
    }

    /// Fills in a user's key.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when another's is the same, [`StoreError::Unavailable`].
    pub async fn set_key(&self, id: &str, key: &str) -> Result<(), StoreError> {
        let query = Query::new("UPDATE users SET username_key = $2 WHERE id = $1", args![id, key]);
        let set = self.store.db().execute(query).await.map(drop);
        set.map_err(|error| error.or_duplicate(KIND, &["username"]))
    }

    async fn one(&self, query: Query) -> Result<Option<User>, StoreError> {
        self.store.db().fetch_optional(query).await?.as_ref().map(read).transpose()
    }
}

/// What users are given.
#[derive(Clone, Copy)]
pub(super) enum Attached {
    Roles,
    Boundaries,
}

impl Attached {
    pub(super) fn clear(self) -> &'static str {
        match self {
            Attached::Roles => "DELETE FROM user_roles WHERE user_id = $1",
            Attached::Boundaries => "DELETE FROM user_boundaries WHERE user_id = $1",
        }
    }

    fn add(self) -> (&'static str, [&'static str; 2], &'static str) {
        match self {
            Attached::Roles => ("user_roles", ["user_id", "role_id"], super::roles::KIND),
            Attached::Boundaries => ("user_boundaries", ["user_id", "policy_id"], super::policies::KIND),
        }
    }
}

/// Ends the transaction.
async fn replace(mut tx: Tx, what: Attached, user: &str, ids: &[String], entry: &AuditEntry) -> Result<(), StoreError> {
    let text = "UPDATE users SET updated_at_ms = $2 WHERE id = $1";
    if tx.execute(Query::new(text, args![user, now_ms()])).await? == 0 {
        return Err(StoreError::not_found(KIND, user));
    }
    let before = told(&mut tx, user).await?;
    tx.execute(Query::new(what.clear(), args![user])).await?;
    attach(&mut tx, what, user, ids).await?;
    let after = told(&mut tx, user).await?;
    audit::record(&mut tx, &entry.between(before, after), None).await?;
    tx.commit().await
}

pub(super) async fn attach(tx: &mut Tx, what: Attached, user: &str, ids: &[String]) -> Result<(), StoreError> {
    let (table, columns, kind) = what.add();
    for id in ids {
        let row: Vec<Arg> = args![user, id];
        for statement in insert(table, &columns, vec![row], " ON CONFLICT DO NOTHING") {
            tx.execute(statement).await.map_err(|error| error.or_missing(kind, id))?;
        }
    }
    Ok(())
}

pub(super) fn insert_user(new: &NewUser) -> Result<Query, StoreError> {
    let now = now_ms();
    let external = new.external.clone();
    Ok(Query::new(
        "INSERT INTO users (id, username, username_key, password_hash, email, labels, login_option_id, external_id, \
         root, must_change_password, created_at_ms, updated_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        args![
            &new.id,
            &new.username,
            &new.username_key,
            new.password_hash.clone().unwrap_or_default(),
            new.email.clone(),
            labels::text(&new.labels)?,
            external.as_ref().map(|external| external.login_option.clone()),
            external.map(|external| external.id),
            new.root,
            new.must_change_password,
            now,
            now,
        ],
    ))
}

/// Holds a user's row until the transaction ends, so that what is read of it still holds then.
pub(super) async fn hold(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let query = Query::new("UPDATE users SET updated_at_ms = updated_at_ms WHERE id = $1", args![id]);
    if tx.execute(query).await? == 0 { Err(StoreError::not_found(KIND, id)) } else { Ok(()) }
}

/// What the audit log shows of a user as it stands in this transaction; null when it is not there.
pub(super) async fn told(tx: &mut Tx, id: &str) -> Result<Value, StoreError> {
    match row_of(tx, id).await? {
        Some(row) => told_of(tx, &read(&row)?, &row).await,
        None => Ok(Value::Null),
    }
}

async fn row_of(tx: &mut Tx, id: &str) -> Result<Option<Row>, StoreError> {
    tx.fetch_optional(Query::new("SELECT * FROM users WHERE id = $1", args![id])).await
}

/// `user` is what the row, which has all columns, says.
async fn told_of(tx: &mut Tx, user: &User, row: &Row) -> Result<Value, StoreError> {
    let id = &user.id;
    let attributes: String = row.get("scim_attributes")?;
    let (external_id, display_name): (Option<String>, Option<String>) =
        (row.get("scim_external_id")?, row.get("scim_display_name")?);
    let roles = ids(tx, ROLES_OF, id).await?;
    let text = "SELECT policy_id AS id FROM user_boundaries WHERE user_id = $1 ORDER BY policy_id";
    let boundaries = ids(tx, text, id).await?;
    let text = "SELECT MAX(locked_until) AS locked_until FROM login_failures WHERE user_id = $1";
    let lock = tx.fetch_optional(Query::new(text, args![id])).await?;
    let locked_until: Option<i64> = lock.map(|row| row.get("locked_until")).transpose()?.flatten();
    Ok(json!({
        "username": user.username,
        "email": user.email,
        "labels": user.labels,
        "active": user.active,
        "password": (!user.password_hash.is_empty()).then_some(MASK),
        "must_change_password": user.must_change_password,
        "has_second_factor": user.has_second_factor,
        "locked_until": locked_until,
        "login_option": user.external.as_ref().map(|external| &external.login_option),
        "roles": roles,
        "permission_boundaries": boundaries,
        "external_id": external_id,
        "display_name": display_name,
        "attributes": serde_json::from_str(&attributes).unwrap_or(Value::Null),
    }))
}

/// The ids of a user's roles.
const ROLES_OF: &str = "SELECT role_id AS id FROM user_roles WHERE user_id = $1 ORDER BY role_id";

/// The ids that a text finds for one argument.
pub(super) async fn ids(tx: &mut Tx, text: &'static str, of: &str) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(Query::new(text, args![of])).await?.iter().map(|row| row.get("id")).collect()
}

/// Reads the columns of `users`, whatever else the row has.
pub(super) fn read(row: &Row) -> Result<User, StoreError> {
    let (login_option, external_id): (Option<String>, Option<String>) =
        (row.get("login_option_id")?, row.get("external_id")?);
    Ok(User {
        id: row.get("id")?,
        username: row.get("username")?,
        password_hash: row.get("password_hash")?,
        email: row.get("email")?,
        labels: row.json("labels")?,
        external: login_option.zip(external_id).map(|(login_option, id)| External { login_option, id }),
        root: row.flag("root")?,
        active: row.flag("active")?,
        must_change_password: row.flag("must_change_password")?,
        has_second_factor: row.get::<Option<Vec<u8>>>("totp_key")?.is_some(),
        provisioned: row.flag("scim_made")?,
        last_login_at: row.get("last_login_at")?,
        created_at: row.seconds("created_at_ms")?,
        updated_at: row.seconds("updated_at_ms")?,
    })
}
