//! Login options: the providers and directories that users may come by, each with what it takes to ask there, sealed.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::next_version;
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Query, Row, Tx, args};
use crate::error::StoreError;
use crate::seal::Place;
use crate::settings;
use crate::store::Store;

pub(crate) const KIND: &str = "login option";

/// The switch of login by name and password in the settings; off only where [`OFF`] stands.
const BUILT_IN: &str = "built-in-login";
const OFF: &[u8] = b"off";

/// For the users whom SCIM made, in this order.
const RELEASE_PROVISIONED: [&str; 3] = [
    "DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE login_option_id = $1 AND scim_made = 1)",
    "DELETE FROM tokens WHERE user_id IN (SELECT id FROM users WHERE login_option_id = $1 AND scim_made = 1)",
    "UPDATE users SET login_option_id = NULL, external_id = NULL WHERE login_option_id = $1 AND scim_made = 1",
];

/// How a login option proves who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginKind {
    /// OpenID Connect.
    Oidc,
    /// An LDAP directory.
    Ldap,
}

impl LoginKind {
    /// As in the API: `oidc`.
    pub fn name(self) -> &'static str {
        match self {
            LoginKind::Oidc => "oidc",
            LoginKind::Ldap => "ldap",
        }
    }
}

impl std::str::FromStr for LoginKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "oidc" => Ok(LoginKind::Oidc),
            "ldap" => Ok(LoginKind::Ldap),
            _ => Err("must be oidc or ldap"),
        }
    }
}

/// A login option to be made, or what one is to be changed into.
#[derive(Clone, PartialEq)]
pub struct LoginOptionSpec {
    /// Unique.
    pub name: String,
    /// How it proves who somebody is.
    pub kind: LoginKind,
    /// Address of a picture; may be empty.
    pub logo: String,
    /// Whether anybody can log in by it.
    pub enabled: bool,
    /// The provider's or directory's configuration, with its secrets.
    pub config: Value,
    /// Which attributes give which roles and boundaries.
    pub mapping: Value,
}

impl std::fmt::Debug for LoginOptionSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration holds secrets.
        f.debug_struct("LoginOptionSpec").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A login option as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginOption {
    /// Its id.
    pub id: String,
    /// What it is.
    pub spec: LoginOptionSpec,
    /// Goes up with every change.
    pub version: u64,
    /// Unix seconds of the last login by it; `None`: never.
    pub last_used_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// What became of a change of a login option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Done,
    /// Nothing: somebody else changed it before.
    Stale,
    /// Nothing: nobody could log in any more.
    LastWayIn,
}

/// Whether name and password lead in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// As it is set.
    AsSet,
    /// Whatever is set.
    Forced,
}

/// The login options.
pub struct LoginOptions<'a> {
    pub(crate) store: &'a Store,
}

impl LoginOptions<'_> {
    /// Makes a login option.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `name`, [`StoreError::Unavailable`].
    pub async fn create(&self, id: &str, spec: &LoginOptionSpec, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let (now, config) = (now_ms(), self.sealed(id, &spec.config)?);
        let made = tx.execute(Query::new(
            "INSERT INTO login_options (id, name, kind, logo, enabled, config, mapping, version, created_at_ms, \
             updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9)",
            args![
                id,
                &spec.name,
                spec.kind.name(),
                &spec.logo,
                spec.enabled,
                config,
                spec.mapping.to_string(),
                now,
                now
            ],
        ));
        made.await.map_err(|error| error.or_duplicate(KIND, &["name"]))?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// One login option.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn get(&self, id: &str) -> Result<LoginOption, StoreError> {
        let query = Query::new("SELECT * FROM login_options WHERE id = $1", args![id]);
        let row = self.store.db().fetch_optional(query).await?;
        self.read(&row.ok_or_else(|| StoreError::not_found(KIND, id))?)
    }

    /// All of them by name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn list(&self) -> Result<Vec<LoginOption>, StoreError> {
        let query = Query::new("SELECT * FROM login_options ORDER BY name, id", Vec::new());
        self.store.db().fetch_all(query).await?.iter().map(|row| self.read(row)).collect()
    }

    /// Changes a login option that is still at `version`. When it is not enabled after this, the sessions that were opened
    /// by it end; the last way in stays enabled.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Duplicate`] of `name`, [`StoreError::Unavailable`].
    pub async fn update(
        &self,
        id: &str,
        version: u64,
        spec: &LoginOptionSpec,
        built_in: BuiltIn,
        entry: &AuditEntry,
    ) -> Result<Changed, StoreError> {
        let mut tx = self.store.db().write().await?;
        let Some(was_enabled) = hold(&mut tx, id, version).await? else { return Ok(Changed::Stale) };
        if was_enabled && !spec.enabled {
            next_version(&mut tx).await?;
            if !self.has_another_way_in(&mut tx, id, built_in).await? {
                return Ok(Changed::LastWayIn);
            }
        }
        let config = self.sealed(id, &spec.config)?;
        let changed = tx.execute(Query::new(
            "UPDATE login_options SET name = $3, logo = $4, enabled = $5, config = $6, mapping = $7, \
             version = version + 1, updated_at_ms = $8 WHERE id = $1 AND version = $2",
            args![id, version, &spec.name, &spec.logo, spec.enabled, config, spec.mapping.to_string(), now_ms()],
        ));
        changed.await.map_err(|error| error.or_duplicate(KIND, &["name"]))?;
        if !spec.enabled {
            end_sessions(&mut tx, id).await?;
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await.map(|()| Changed::Done)
    }

    /// Removes a login option that is still at `version`, and the users who come by it, with their sessions and tokens.
    /// Users whom SCIM made lose sessions and tokens and are as they were before their first sign-in. The last way in stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(
        &self,
        id: &str,
        version: u64,
        built_in: BuiltIn,
        entry: &AuditEntry,
    ) -> Result<Changed, StoreError> {
        let mut tx = self.store.db().write().await?;
        // The option's row first, as in a login by it: then none can make a user of it after this.
        let Some(was_enabled) = hold(&mut tx, id, version).await? else { return Ok(Changed::Stale) };
        next_version(&mut tx).await?;
        if was_enabled && !self.has_another_way_in(&mut tx, id, built_in).await? {
            return Ok(Changed::LastWayIn);
        }
        tx.execute(Query::new("DELETE FROM login_options WHERE id = $1", args![id])).await?;
        for text in RELEASE_PROVISIONED {
            tx.execute(Query::new(text, args![id])).await?;
        }
        let of_its_users = "DELETE FROM iam_labels WHERE kind = 'user' \
                            AND id IN (SELECT id FROM users WHERE login_option_id = $1)";
        tx.execute(Query::new(of_its_users, args![id])).await?;
        let gone = "DELETE FROM users WHERE login_option_id = $1 RETURNING username";
        let gone = tx.fetch_all(Query::new(gone, args![id])).await?;
        let gone: Vec<String> = gone.iter().map(|row| row.get("username")).collect::<Result<_, _>>()?;
        let mut entry = entry.clone();
        entry.detail["users_removed"] = json!(gone);
        audit::record(&mut tx, &entry, None).await?;
        tx.commit().await.map(|()| Changed::Done)
    }

    /// Whether login by name and password is switched on.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn built_in(&self) -> Result<bool, StoreError> {
        let set = self.store.settings().get(BUILT_IN).await?;
        Ok(set.is_none_or(|value| value.as_slice() != OFF))
    }

    /// Switches login by name and password on, or, while this login option is enabled, off; whether that could be done.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn set_built_in(
        &self,
        enabled: bool,
        while_enabled: Option<&str>,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let mut tx = self.store.db().write().await?;
        if let Some(option) = while_enabled {
            // Holds the row: it is neither disabled nor removed before this is through, and then it is the last one.
            let text = "UPDATE login_options SET last_used_at = last_used_at WHERE id = $1 AND enabled = 1";
            if tx.execute(Query::new(text, args![option])).await? == 0 {
                return Ok(false);
            }
        }
        next_version(&mut tx).await?;
        let before = self.built_in_within(&mut tx).await?;
        let value = if enabled { b"on".as_slice() } else { OFF };
        settings::put_within(&mut tx, self.store.master(), BUILT_IN, value).await?;
        let entry = entry.between(json!({ "enabled": before }), json!({ "enabled": enabled }));
        audit::record(&mut tx, &entry, None).await?;
        tx.commit().await.map(|()| true)
    }

    async fn built_in_within(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let set = settings::get_within(tx, self.store.master(), BUILT_IN).await?;
        Ok(set.is_none_or(|value| value.as_slice() != OFF))
    }

    /// Whether somebody can come in but by this option. Asked after [`next_version`]: of two who shut different ways at
    /// once the second finds the first one shut.
    async fn has_another_way_in(&self, tx: &mut Tx, id: &str, built_in: BuiltIn) -> Result<bool, StoreError> {
        if built_in == BuiltIn::Forced || self.built_in_within(tx).await? {
            return Ok(true);
        }
        let query = Query::new("SELECT id FROM login_options WHERE enabled = 1 AND id <> $1 LIMIT 1", args![id]);
        Ok(tx.fetch_optional(query).await?.is_some())
    }

    /// Whether a user who comes by the login option has the role.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn has_holder_of(&self, id: &str, role: &str) -> Result<bool, StoreError> {
        let text = "SELECT u.id FROM users AS u JOIN user_roles AS r ON r.user_id = u.id \
                    WHERE u.login_option_id = $1 AND r.role_id = $2 LIMIT 1";
        Ok(self.store.db().fetch_optional(Query::new(text, args![id, role])).await?.is_some())
    }

    fn sealed(&self, id: &str, config: &Value) -> Result<Vec<u8>, StoreError> {
        let plain = Zeroizing::new(config.to_string());
        self.store.master().seal(&Place::login_option(id), plain.as_bytes())
    }

    fn read(&self, row: &Row) -> Result<LoginOption, StoreError> {
        let id: String = row.get("id")?;
        let corrupt = |cause: String| StoreError::corrupt(format!("login option {id}"), cause);
        let sealed: Vec<u8> = row.get("config")?;
        let plain = self.store.master().open(&Place::login_option(&id), &sealed);
        let plain = Zeroizing::new(plain.map_err(|error| corrupt(error.to_string()))?);
        let spec = LoginOptionSpec {
            name: row.get("name")?,
            kind: row.parse("kind")?,
            logo: row.get("logo")?,
            enabled: row.flag("enabled")?,
            config: serde_json::from_slice(&plain).map_err(|error| corrupt(error.to_string()))?,
            mapping: row.json("mapping")?,
        };
        Ok(LoginOption {
            spec,
            version: row.unsigned("version")?,
            last_used_at: row.get("last_used_at")?,
            created_at: row.seconds("created_at_ms")?,
            updated_at: row.seconds("updated_at_ms")?,
            id,
        })
    }
}

/// Holds an option's row until the transaction ends; whether it is enabled, none when it is not at `version`.
async fn hold(tx: &mut Tx, id: &str, version: u64) -> Result<Option<bool>, StoreError> {
    let text = "UPDATE login_options SET version = version WHERE id = $1 RETURNING version, enabled";
    let row = tx.fetch_optional(Query::new(text, args![id])).await?;
    let row = row.ok_or_else(|| StoreError::not_found(KIND, id))?;
    Ok(if row.unsigned("version")? == version { Some(row.flag("enabled")?) } else { None })
}

async fn end_sessions(tx: &mut Tx, option: &str) -> Result<(), StoreError> {
    let text = "UPDATE sessions SET ended_by = $2 WHERE login_option_id = $1 AND ended_by IS NULL";
    tx.execute(Query::new(text, args![option, "the login option was disabled"])).await.map(drop)
}
