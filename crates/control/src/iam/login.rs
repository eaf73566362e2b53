//! Name and password: login, logout, Basic authentication, change of password.

use store::SecretHash;
use store::users::User;

use super::RequestContext;
use super::actor::{Actor, ActorKind};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;
use crate::settings::seconds;

const WRONG: ControlError = ControlError::Unauthenticated("wrong username or password");
const MIN_PASSWORD_CHARACTERS: usize = 8;
const MAX_PASSWORD_BYTES: usize = 1024;

/// A session that has just begun.
pub struct Session {
    /// The secret that the cookie carries.
    pub token: String,
    /// How long it lasts.
    pub max_age_seconds: i64,
    /// Whose it is.
    pub actor: Actor,
}

impl Control {
    /// Begins a session.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::TooManyAttempts`], [`ControlError::Unavailable`].
    pub async fn login(
        &self,
        username: &str,
        password: &str,
        request: &RequestContext,
    ) -> Result<Session, ControlError> {
        let user = self.user_with(username, password).await?;
        let actor = actor_of(&user).by("password", "", "").in_request(request.clone());
        let token = secret::generate("")?;
        let max_age_seconds = seconds(self.inner.settings.session_life);
        let ends = self.now().saturating_add(max_age_seconds);
        self.within(self.inner.store.sessions().create(&SecretHash::of(&token), &user.id, ends)).await?;
        let entry = audit::entry(&actor, "Login").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.audit().record(&entry.into())).await?;
        Ok(Session { token, max_age_seconds, actor })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn logout(&self, actor: &Actor, session: &str) -> Result<(), ControlError> {
        self.within(self.inner.store.sessions().delete(&SecretHash::of(session))).await?;
        let entry = audit::entry(actor, "Logout").of("user", actor.user_id().unwrap_or_default());
        self.within(self.inner.store.audit().record(&entry.into())).await
    }

    /// Whose session it is.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn authenticate_session(&self, session: &str) -> Result<Actor, ControlError> {
        let user = self.within(self.inner.store.sessions().user_of(&SecretHash::of(session), self.now())).await?;
        let ended = ControlError::Unauthenticated("the session has ended; log in again");
        let Some(user) = user else { return Err(ended) };
        let user = self.within(self.inner.store.users().get(&user)).await?;
        user.as_ref().map(|user| actor_of(user).by("session", "", "")).ok_or(ended)
    }

    /// Who logs in with this name and password, without a session.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::TooManyAttempts`], [`ControlError::Unavailable`].
    pub async fn authenticate_password(&self, username: &str, password: &str) -> Result<Actor, ControlError> {
        self.user_with(username, password).await.map(|user| actor_of(&user).by("password", "", ""))
    }

    /// Gives the calling user another password; all its sessions end.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`] when the old one is wrong or the caller is no user,
    /// [`ControlError::Invalid`] when the new one is too short or too long, [`ControlError::Unavailable`].
    pub async fn change_password(&self, actor: &Actor, old: &str, new: &str) -> Result<(), ControlError> {
        let ActorKind::User { id, username } = actor.kind() else {
            return Err(ControlError::Unauthenticated("only users have passwords"));
        };
        check_new(new)?;
        self.user_with(username, old).await?;
        let hash = self.inner.passwords.hash(new.to_owned()).await?;
        let entry = audit::entry(actor, "ChangePassword").of("user", id).named(username);
        self.within(self.inner.store.users().set_password(id, &hash, &entry.into())).await
    }

    async fn user_with(&self, username: &str, password: &str) -> Result<User, ControlError> {
        let throttle = &self.inner.passwords.throttle;
        if let Some(retry_after) = throttle.wait(username, self.now()) {
            return Err(ControlError::TooManyAttempts { retry_after });
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(WRONG);
        }
        let user = self.within(self.inner.store.users().by_username(username)).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.inner.passwords.verify(password.to_owned(), hash).await?;
        match user {
            Some(user) if right => {
                throttle.succeeded(username);
                Ok(user)
            }
            _ => {
                throttle.failed(username, self.now());
                Err(WRONG)
            }
        }
    }
}

pub(super) fn actor_of(user: &User) -> Actor {
    Actor::new(ActorKind::User { id: user.id.clone(), username: user.username.clone() })
}

fn check_new(password: &str) -> Result<(), ControlError> {
    let fits = password.chars().count() >= MIN_PASSWORD_CHARACTERS && password.len() <= MAX_PASSWORD_BYTES;
    let wanted =
        format!("must have at least {MIN_PASSWORD_CHARACTERS} characters and at most {MAX_PASSWORD_BYTES} bytes");
    if fits { Ok(()) } else { Err(ControlError::fault("/new_password", wanted)) }
}
