//! Keys in `X-API-KEY`: users' personal tokens, and which group an admin key belongs to.
//!
//! Keys are 256 random bits and are looked up by their SHA-256, so the time of a look-up tells nothing of them.

use model::GroupId;
use serde_json::json;
use store::SecretHash;
use store::tokens::{NewToken, Token};

use super::actor::{Actor, ActorKind};
use super::admin_keys::ADMIN_KEY_PREFIX;
use super::login::actor_of;
use crate::audit;
use crate::bootstrap::DEFAULT_GROUP;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;

const TOKEN_PREFIX: &str = "a7ee-";
/// The last use is written down at most this often.
const TOUCH_EVERY_SECONDS: i64 = 60;
const WRONG: ControlError = ControlError::Unauthenticated("the key in X-API-KEY is not good");

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
            return Ok(Actor::new(ActorKind::GroupAdminKey { group }).by("admin_key", "", "setting"));
        }
        if key.starts_with(ADMIN_KEY_PREFIX) {
            let group = self.within(self.inner.store.admin_keys().group_of(&hash)).await?;
            let holder = |group| Actor::new(ActorKind::GroupAdminKey { group }).by("admin_key", "", "");
            return group.map(holder).ok_or(WRONG);
        }
        let token = self.within(self.inner.store.tokens().find(&hash, self.now())).await?.ok_or(WRONG)?;
        let user = self.within(self.inner.store.users().get(&token.user)).await?.ok_or(WRONG)?;
        self.note_use(&token).await?;
        Ok(actor_of(&user).by("token", &token.id, &token.name))
    }

    /// Makes a personal token of the calling user.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`] when the caller is no user, [`ControlError::Invalid`] for an empty name
    /// or an end in the past, [`ControlError::Unavailable`].
    pub async fn create_token(
        &self,
        actor: &Actor,
        name: &str,
        expires_at: Option<i64>,
    ) -> Result<IssuedToken, ControlError> {
        let user = user_id(actor)?;
        if name.is_empty() || name.chars().count() > 256 {
            return Err(ControlError::fault("/name", "must have 1 to 256 characters"));
        }
        if expires_at.is_some_and(|at| at <= self.now()) {
            return Err(ControlError::fault("/expires_at", "must be in the future, or 0 for never"));
        }
        let (id, token) = (uuid::Uuid::now_v7().to_string(), secret::generate(TOKEN_PREFIX)?);
        let new = NewToken { id, user, name: name.to_owned(), hash: SecretHash::of(&token), expires_at };
        let entry = audit::entry(actor, "CreateToken")
            .of("token", &new.id)
            .named(name)
            .detail(json!({ "before": null, "after": { "name": name, "expires_at": expires_at } }));
        self.within(self.inner.store.tokens().create(&new, &entry.into())).await?;
        Ok(IssuedToken { id: new.id, name: new.name, token, expires_at })
    }

    /// The calling user's tokens, newest first.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn list_tokens(&self, actor: &Actor) -> Result<Vec<Token>, ControlError> {
        self.within(self.inner.store.tokens().list(&user_id(actor)?)).await
    }

    /// Ends a token of the calling user.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn delete_token(&self, actor: &Actor, id: &str) -> Result<(), ControlError> {
        let entry = audit::entry(actor, "DeleteToken").of("token", id);
        self.within(self.inner.store.tokens().delete(&user_id(actor)?, id, &entry.into())).await
    }

    /// Replaces a token of the calling user by one of the same name and end; it has another id.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn regenerate_token(&self, actor: &Actor, id: &str) -> Result<IssuedToken, ControlError> {
        let tokens = self.list_tokens(actor).await?;
        let old = tokens.into_iter().find(|token| token.id == id);
        let old = old.ok_or_else(|| ControlError::NotFound { what: "token", id: id.to_owned() })?;
        // The new one first: when the second step fails, the user has two tokens rather than none.
        let new = self.create_token(actor, &old.name, old.expires_at).await?;
        self.delete_token(actor, id).await?;
        Ok(new)
    }

    async fn note_use(&self, token: &Token) -> Result<(), ControlError> {
        let now = self.now();
        if token.last_used_at.is_some_and(|at| now - at < TOUCH_EVERY_SECONDS) {
            return Ok(());
        }
        self.within(self.inner.store.tokens().touch(&token.id, now)).await
    }
}

fn user_id(actor: &Actor) -> Result<String, ControlError> {
    let id = actor.user_id().map(str::to_owned);
    id.ok_or(ControlError::Unauthenticated("only users have personal tokens"))
}
