//! Keys in `X-API-KEY`: users' personal tokens, and which group an admin key belongs to.
//!
//! Keys are 256 random bits and are looked up by their SHA-256, so the time of a look-up tells nothing of them.

use model::GroupId;
use model::policy::PolicyDocument;
use store::SecretHash;
use store::iam::group_keys::GroupKey;
use store::iam::tokens::{NewToken, Token};

use super::actor::{Actor, ActorKind};
use super::group_keys::ADMIN_KEY_PREFIX;
use super::policies::within_pointer;
use super::rules::Narrowing;
use crate::audit;
use crate::bootstrap::DEFAULT_GROUP;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;

const TOKEN_PREFIX: &str = "a7ee-";
/// The last use is written down at most this often.
const TOUCH_EVERY_SECONDS: i64 = 60;
const MAX_NAME_CHARACTERS: usize = 256;
const WRONG: ControlError = ControlError::Unauthenticated("the key in X-API-KEY is not good");

/// What a new token is given.
#[derive(Debug, Clone, Default)]
pub struct TokenSpec {
    /// Unique among the user's; 1 to 256 characters.
    pub name: String,
    /// What it is narrowed to: a policy document. `None`: all that its user may.
    pub document: Option<serde_json::Value>,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
}

/// A personal token with its secret, told this once.
pub struct IssuedToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The secret: `a7ee-...`.
    pub token: String,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
}

impl Control {
    /// Whose key it is: a personal token or a group's admin key.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn authenticate_key(&self, key: &str) -> Result<Actor, ControlError> {
        let hash = SecretHash::of(key);
        // Hashes are compared, so that the time it takes tells nothing of the key.
        if self.inner.settings.apisix_admin_key.as_deref().is_some_and(|own| SecretHash::of(own) == hash) {
            let group = GroupId::new(DEFAULT_GROUP).map_err(ControlError::internal)?;
            return Ok(self.holder_of_key(group, None)?.by("admin_key", "", "setting"));
        }
        if key.starts_with(ADMIN_KEY_PREFIX) {
            let key = self.within(self.inner.store.group_keys().find(&hash, self.now())).await?.ok_or(WRONG)?;
            self.note_use_of_key(&key).await?;
            return Ok(self.holder_of_key(key.group.clone(), Some(&key))?.by("admin_key", &key.id, &key.name));
        }
        let found = self.within(self.inner.store.tokens().find(&hash, self.now())).await?;
        let (token, identity) = found.filter(|(_, identity)| identity.user.active).ok_or(WRONG)?;
        self.note_use(&token).await?;
        let narrowing =
            token.document.as_deref().map(|document| Narrowing { id: &token.id, name: &token.name, document });
        Ok(self.actor_of(&identity, narrowing).await?.by("token", &token.id, &token.name))
    }

    fn holder_of_key(&self, group: GroupId, key: Option<&GroupKey>) -> Result<Actor, ControlError> {
        let narrowing = key.and_then(|key| {
            let document = key.document.as_deref()?;
            Some(Narrowing { id: &key.id, name: &key.name, document })
        });
        let access = self.access_of_group_key(group.as_str(), narrowing)?;
        Ok(Actor::new(ActorKind::GroupAdminKey { group }, access.into()))
    }

    /// Makes a personal token of the calling user.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`] when the caller is no user, [`ControlError::Invalid`] for an empty name,
    /// a wrong document or an end in the past, [`ControlError::Conflict`] when another of the user's has the name,
    /// [`ControlError::Forbidden`] with a token that is itself narrowed,
    /// [`ControlError::Unavailable`].
    pub async fn create_token(&self, actor: &Actor, spec: TokenSpec) -> Result<IssuedToken, ControlError> {
        let user = self.own_account(actor, "make personal tokens")?;
        let TokenSpec { name, document, expires_at } = spec;
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARACTERS {
            return Err(ControlError::fault("/name", format!("must have 1 to {MAX_NAME_CHARACTERS} characters")));
        }
        self.check_end(expires_at)?;
        let document = self.check_document(document.as_ref())?;
        let (id, token) = (uuid::Uuid::now_v7().to_string(), secret::generate(TOKEN_PREFIX)?);
        let entry = audit::entry(actor, "CreateToken").of("token", &id).named(&name);
        let new = NewToken { id, user, name, hash: SecretHash::of(&token), document, expires_at };
        self.within(self.inner.store.tokens().create(&new, &entry.into())).await?;
        Ok(IssuedToken { id: new.id, name: new.name, token, expires_at })
    }

    pub(super) fn check_end(&self, expires_at: Option<i64>) -> Result<(), ControlError> {
        if expires_at.is_some_and(|at| at <= self.now()) {
            return Err(ControlError::fault("/expires_at", "must be in the future, or 0 for never"));
        }
        Ok(())
    }

    /// The document that a token or key is narrowed to, as it is to be stored.
    pub(super) fn check_document(&self, document: Option<&serde_json::Value>) -> Result<Option<String>, ControlError> {
        let Some(document) = document else { return Ok(None) };
        let parsed = PolicyDocument::parse(document).map_err(|faults| within_pointer("/policy_document", faults))?;
        Ok(Some(parsed.to_value().to_string()))
    }

    /// The calling user's tokens, newest first.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn list_tokens(&self, actor: &Actor) -> Result<Vec<Token>, ControlError> {
        let user = self.own_account(actor, "see personal tokens")?;
        self.within(self.inner.store.tokens().list(&user)).await
    }

    /// Ends a token of the calling user.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn delete_token(&self, actor: &Actor, id: &str) -> Result<(), ControlError> {
        let user = self.own_account(actor, "end personal tokens")?;
        let entry = audit::entry(actor, "DeleteToken").of("token", id);
        self.within(self.inner.store.tokens().delete(&user, id, &entry.into())).await
    }

    /// Replaces a token of the calling user by one of the same name, narrowing and end; it has another id.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Invalid`] for one that has ended, [`ControlError::Unauthenticated`],
    /// [`ControlError::Unavailable`].
    pub async fn regenerate_token(&self, actor: &Actor, id: &str) -> Result<IssuedToken, ControlError> {
        let tokens = self.list_tokens(actor).await?;
        let old = tokens.into_iter().find(|token| token.id == id);
        let old = old.ok_or_else(|| ControlError::NotFound { what: "token", id: id.to_owned() })?;
        self.check_end(old.expires_at)?;
        let (new_id, token) = (uuid::Uuid::now_v7().to_string(), secret::generate(TOKEN_PREFIX)?);
        let entry = audit::entry(actor, "RegenerateToken").of("token", &new_id);
        let (tokens, hash) = (self.inner.store.tokens(), SecretHash::of(&token));
        let new = self.within(tokens.replace(&old.user, id, &new_id, &hash, &entry.into())).await?;
        Ok(IssuedToken { id: new.id, name: new.name, token, expires_at: new.expires_at })
    }

    async fn note_use(&self, token: &Token) -> Result<(), ControlError> {
        let now = self.now();
        if token.last_used_at.is_some_and(|at| now - at < TOUCH_EVERY_SECONDS) {
            return Ok(());
        }
        self.within(self.inner.store.tokens().touch(&token.id, now)).await
    }

    async fn note_use_of_key(&self, key: &GroupKey) -> Result<(), ControlError> {
        let now = self.now();
        if key.last_used_at.is_some_and(|at| now - at < TOUCH_EVERY_SECONDS) {
            return Ok(());
        }
        self.within(self.inner.store.group_keys().touch(&key.id, now)).await
    }
}
