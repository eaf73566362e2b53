//! Logins by a login option: the user is found or made, and given what the option's mapping says, in one transaction.

use std::collections::BTreeSet;

use serde_json::Value;

use super::users::{self, Attached, External, Identity, NewUser};
use super::{next_version, roles};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, Tx, args};
use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::seal::Place;
use crate::store::Store;

/// Somebody who has proved to be a user of a login option.
#[derive(Clone)]
pub struct SignIn {
    /// The login option, and the user's id there.
    pub external: External,
    /// The version of the login option by which the proof was made and the mapping evaluated.
    pub version: u64,
    /// Which user that SCIM made it is, if it comes for the first time. `None`: none is looked for.
    pub provisioned: Option<Provisioned>,
    /// Id, name and the name's key of the user to be made if it comes for the first time and SCIM made none.
    pub newcomer: Newcomer,
    /// The address that the option tells.
    pub email: Option<String>,
    /// Ids of roles in place of those it has; those that are not there any more give nothing. `None`: no mapping.
    pub roles: Option<BTreeSet<String>>,
    /// Ids of the policies that bound it, in place of those that do. `None`: no mapping.
    pub boundaries: Option<BTreeSet<String>>,
}

/// By what a user that SCIM made is known.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// What of the user is compared.
    pub by: ProvisionedBy,
    /// What it must be, letter by letter.
    pub value: String,
    /// Who has this role is not joined.
    pub beyond: &'static str,
}

/// What of a user that SCIM made is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionedBy {
    /// The id that the SCIM client has for it.
    ExternalId,
    /// Its name.
    Username,
    /// Its address.
    Email,
}

/// What a user gets at its first login.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Unique.
    pub id: String,
    /// Unique.
    pub username: String,
    /// See [`NewUser::username_key`].
    pub username_key: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum SignedIn {
    /// The user.
    As(Box<Identity>),
    /// The user may not come in.
    Inactive,
    /// SCIM made an account that is meant, but it is not free to be joined: see [`Provisioned`].
    NotJoined,
    /// The login option was changed, disabled or removed since.
    OptionChanged,
}

/// Logins by login options.
pub struct SignIns<'a> {
    pub(crate) store: &'a Store,
}

impl SignIns<'_> {
    /// Finds, joins or makes the user. `made` is the entry for a new one, `changed` for one that was there.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `username` when another account has the name, [`StoreError::NotFound`] of a policy
    /// that should bound the user, [`StoreError::Unavailable`].
    pub async fn sign_in(
        &self,
        sign_in: &SignIn,
        now: i64,
        made: &AuditEntry,
        changed: &AuditEntry,
    ) -> Result<SignedIn, StoreError> {
        let mut tx = self.store.db().write().await?;
        // Holds the row until the end: the option can be neither changed nor removed meanwhile, and of two first logins
        // of one user the second finds what the first made.
        let text = "UPDATE login_options SET last_used_at = $3 WHERE id = $1 AND version = $2 AND enabled = 1";
        let option = &sign_in.external.login_option;
        if tx.execute(Query::new(text, args![option, sign_in.version, now])).await? == 0 {
            return Ok(SignedIn::OptionChanged);
        }
        let mut known = find(&mut tx, &sign_in.external).await?;
        if let (None, Some(provisioned)) = (&known, &sign_in.provisioned) {
            match join(&mut tx, &sign_in.external, provisioned, changed).await? {
                Joined::Nobody => {}
                Joined::Refused => return Ok(SignedIn::NotJoined),
                Joined::User => known = find(&mut tx, &sign_in.external).await?,
            }
        }
        match known {
            None => make(&mut tx, sign_in, made).await?,
            Some(identity) if !identity.user.active => return Ok(SignedIn::Inactive),
            Some(identity) => refresh(&mut tx, sign_in, &identity, changed).await?,
        }
        let identity = find(&mut tx, &sign_in.external).await?;
        let identity = identity.ok_or_else(|| StoreError::not_found(users::KIND, &sign_in.external.id))?;
        tx.commit().await?;
        Ok(SignedIn::As(Box::new(identity)))
    }

    /// Notes that a sign-in came to its end; whether it had not before. `expires_at` is when it would end by itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_once(&self, state: &SecretHash, expires_at: i64) -> Result<bool, StoreError> {
        let text = "INSERT INTO used_sign_ins (hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        Ok(self.store.db().execute(Query::new(text, args![state, expires_at])).await? > 0)
    }

    /// Forgets the used sign-ins that have ended by `now`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_expired(&self, now: i64) -> Result<u64, StoreError> {
        self.store.db().execute(Query::new("DELETE FROM used_sign_ins WHERE expires_at <= $1", args![now])).await
    }

    /// Seals what a browser keeps of a sign-in by this login option until it comes back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn seal(&self, option: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.store.master().seal(&Place::sign_in(option), plain)
    }

    /// Opens what was sealed for this login option; none when it is anything else.
    pub fn open(&self, option: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.store.master().open(&Place::sign_in(option), sealed).ok()
    }
}

async fn find(tx: &mut Tx, external: &External) -> Result<Option<Identity>, StoreError> {
    let text = "SELECT *, (SELECT version FROM iam_version) AS version FROM users \
                WHERE login_option_id = $1 AND external_id = $2";
    let row = tx.fetch_optional(Query::new(text, args![&external.login_option, &external.id])).await?;
    let read = |row: Row| Ok(Identity { user: users::read(&row)?, version: row.unsigned("version")? });
    row.map(read).transpose()
}

enum Joined {
    Nobody,
    Refused,
    User,
}

/// Ties the one user that SCIM made and that is meant to its place in the sign-on. Only one that nobody can log in as yet:
/// what has a password, comes by a sign-on already, is the first admin or has the role beyond reach stays whose it is.
async fn join(
    tx: &mut Tx,
    external: &External,
    provisioned: &Provisioned,
    entry: &AuditEntry,
) -> Result<Joined, StoreError> {
    let column = match provisioned.by {
        ProvisionedBy::ExternalId => "scim_external_id",
        ProvisionedBy::Username => "username",
        ProvisionedBy::Email => "email",
    };
    let text = format!("SELECT id, username FROM users WHERE scim_made = 1 AND {column} = $1 LIMIT 2");
    let found = tx.fetch_all(Query::new(text, args![&provisioned.value])).await?;
    let user = match found.as_slice() {
        [] => return Ok(Joined::Nobody),
        [user] => user,
        // What several share names nobody.
        [..] => return Ok(Joined::Refused),
    };
    let id: String = user.get("id")?;
    let text = "UPDATE users SET login_option_id = $2, external_id = $3, updated_at_ms = $4 \
                WHERE id = $1 AND login_option_id IS NULL AND password_hash = '' AND root = 0 \
                AND NOT EXISTS (SELECT 1 FROM user_roles AS r WHERE r.user_id = users.id AND r.role_id = $5)";
    let before = users::told(tx, &id).await?;
    let args = args![&id, &external.login_option, &external.id, now_ms(), provisioned.beyond];
    if tx.execute(Query::new(text, args)).await? == 0 {
        return Ok(Joined::Refused);
    }
    let entry = entry.between(before, users::told(tx, &id).await?);
    let joined = AuditEntry { action: "JoinUser".to_owned(), resource_name: user.get("username")?, ..entry };
    audit::record(tx, &AuditEntry { resource_id: id, ..joined }, None).await?;
    Ok(Joined::User)
}

async fn make(tx: &mut Tx, sign_in: &SignIn, entry: &AuditEntry) -> Result<(), StoreError> {
    next_version(tx).await?;
    let Newcomer { id, username, username_key } = sign_in.newcomer.clone();
    let email = sign_in.email.clone();
    let external = Some(sign_in.external.clone());
    let new = NewUser { id, username, username_key, email, external, ..NewUser::default() };
    let made = tx.execute(users::insert_user(&new)?).await;
    made.map_err(|error| error.or_duplicate(users::KIND, &["external_id", "username"]))?;
    let roles = existing(tx, sign_in.roles.iter().flatten()).await?;
    users::attach(tx, Attached::Roles, &new.id, &roles).await?;
    let boundaries: Vec<_> = sign_in.boundaries.iter().flatten().cloned().collect();
    users::attach(tx, Attached::Boundaries, &new.id, &boundaries).await?;
    let after = users::told(tx, &new.id).await?;
    audit::record(tx, &entry.between(Value::Null, after), None).await
}

/// Writes only what differs: most logins change nothing, and then nobody's compiled rules are stale.
async fn refresh(tx: &mut Tx, sign_in: &SignIn, known: &Identity, entry: &AuditEntry) -> Result<(), StoreError> {
    let id = &known.user.id;
    let before = users::told(tx, id).await?;
    // Of a user that SCIM made, SCIM says the address.
    let has_moved = known.user.email != sign_in.email && !known.user.provisioned;
    if has_moved {
        let text = "UPDATE users SET email = $2, updated_at_ms = $3 WHERE id = $1";
        tx.execute(Query::new(text, args![id, sign_in.email.clone(), now_ms()])).await?;
    }
    let mut wanted = Vec::new();
    if let Some(roles) = &sign_in.roles {
        wanted.push((
            Attached::Roles,
            "SELECT role_id AS id FROM user_roles WHERE user_id = $1",
            existing(tx, roles).await?,
        ));
    }
    if let Some(boundaries) = &sign_in.boundaries {
        let text = "SELECT policy_id AS id FROM user_boundaries WHERE user_id = $1";
        wanted.push((Attached::Boundaries, text, boundaries.iter().cloned().collect()));
    }
    let mut has_changed = false;
    for (what, current, ids) in wanted {
        let rows = tx.fetch_all(Query::new(current, args![id])).await?;
        let current: BTreeSet<String> = rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
        if current.iter().eq(&ids) {
            continue;
        }
        if !has_changed {
            next_version(tx).await?;
        }
        has_changed = true;
        tx.execute(Query::new(what.clear(), args![id])).await?;
        users::attach(tx, what, id, &ids).await?;
    }
    if !has_changed && !has_moved {
        return Ok(());
    }
    let action = if has_changed { entry.action.clone() } else { "UpdateUser".to_owned() };
    let (resource_id, resource_name) = (id.clone(), known.user.username.clone());
    let entry = entry.between(before, users::told(tx, id).await?);
    audit::record(tx, &AuditEntry { action, resource_id, resource_name, ..entry }, None).await
}

/// Those of the roles that are there, in the same order.
async fn existing(tx: &mut Tx, ids: impl IntoIterator<Item = &String>) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for id in ids {
        let query = Query::new("SELECT id FROM roles WHERE id = $1", args![id]);
        if tx.fetch_optional(query).await?.is_some() {
            found.push(id.clone());
        } else {
            tracing::warn!(kind = roles::KIND, id, "a mapping names what is not there any more");
        }
    }
    Ok(found)
}
