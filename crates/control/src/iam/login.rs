//! Name and password: login, logout, Basic authentication, change of password.

use std::time::Duration;

use model::Fault;
use store::SecretHash;
use store::iam::login_failures::{LockRule, LoginFailure};
use store::iam::sessions::NewSession;
use store::iam::users::{Identity, User};

use super::RequestContext;
use super::actor::{Actor, ActorKind};
use super::throttle::Subject;
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;
use crate::settings::seconds;

const WRONG: ControlError = ControlError::Unauthenticated("wrong username or password");
/// Longer than any name or address that is anybody's (RFC 5321 has 254 for addresses).
const MAX_LOGIN_CHARACTERS: usize = 256;
const MIN_PASSWORD_CHARACTERS: usize = 8;
pub(super) const MAX_PASSWORD_BYTES: usize = 1024;
/// What a client calls itself is cut off here.
const MAX_USER_AGENT_CHARACTERS: usize = 256;
/// The last use is written down at most this often.
const TOUCH_EVERY_SECONDS: i64 = 60;

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
    /// Begins a session of the user who logs in with this name or mail address; `code` is one of its second factor, if
    /// it has one.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::TooManyAttempts`], [`ControlError::Locked`],
    /// [`ControlError::Unavailable`].
    pub async fn login(
        &self,
        login: &str,
        password: &str,
        code: Option<&str>,
        request: &RequestContext,
    ) -> Result<Session, ControlError> {
        let identity = self.user_with(login, password, request).await?;
        if let Err(refused) = self.check_second_factor(&identity.user, code).await {
            // Codes are guessed no faster than passwords.
            if code.is_some() {
                self.note_failure(&Tried::user(&identity.user, request), request).await?;
            }
            return Err(refused);
        }
        self.forget_failures(&Tried::user(&identity.user, request)).await?;
        self.begin_session(&identity, None, request).await
    }

    /// Begins a session of a user who has proved to be it: by this login option, or by its password.
    pub(super) async fn begin_session(
        &self,
        identity: &Identity,
        login_option: Option<&str>,
        request: &RequestContext,
    ) -> Result<Session, ControlError> {
        let user = &identity.user;
        let by = if login_option.is_some() { "sign_on" } else { "password" };
        let actor = self.actor_of(identity, None).await?.by(by, "", "").in_request(request.clone());
        let token = secret::generate("")?;
        let (now, max_age_seconds) = (self.now(), seconds(self.inner.settings.session_life));
        let new = NewSession {
            id: uuid::Uuid::now_v7().to_string(),
            hash: SecretHash::of(&token),
            user: user.id.clone(),
            login_option: login_option.map(str::to_owned),
            address: request.address.clone(),
            user_agent: request.user_agent.chars().take(MAX_USER_AGENT_CHARACTERS).collect(),
            expires_at: now.saturating_add(max_age_seconds),
            ends_others: self.inner.settings.one_session_per_user,
        };
        let entry = audit::entry(&actor, "Login").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.sessions().create(&new, now, &entry.into())).await?;
        Ok(Session { token, max_age_seconds, actor })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn logout(&self, actor: &Actor, session: &str) -> Result<(), ControlError> {
        let entry = audit::entry(actor, "Logout").of("user", actor.user_id().unwrap_or_default());
        self.within(self.inner.store.sessions().delete(&SecretHash::of(session), &entry.into())).await
    }

    /// Whose session it is.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], which says why when it ended before its time; [`ControlError::Unavailable`].
    pub async fn authenticate_session(&self, session: &str) -> Result<Actor, ControlError> {
        let now = self.now();
        let found = self.within(self.inner.store.sessions().find(&SecretHash::of(session), now)).await?;
        let ended = ControlError::Unauthenticated("the session has ended; log in again");
        let Some((session, identity)) = found.filter(|(_, identity)| identity.user.active) else { return Err(ended) };
        if let Some(reason) = session.ended_by {
            return Err(ControlError::SessionEnded(reason));
        }
        if now - session.last_used_at >= TOUCH_EVERY_SECONDS {
            self.within(self.inner.store.sessions().touch(&session.id, now)).await?;
        }
        Ok(self.actor_of(&identity, None).await?.by("session", &session.id, ""))
    }

    /// Who logs in with this name and password, without a session.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::TooManyAttempts`], [`ControlError::Locked`],
    /// [`ControlError::Unavailable`].
    pub async fn authenticate_password(
        &self,
        login: &str,
        password: &str,
        request: &RequestContext,
    ) -> Result<Actor, ControlError> {
        let identity = self.user_with(login, password, request).await?;
        if identity.user.has_second_factor {
            // A password alone is not enough, and there is no place for a code.
            return Err(ControlError::SecondFactorNeeded);
        }
        self.forget_failures(&Tried::user(&identity.user, request)).await?;
        Ok(self.actor_of(&identity, None).await?.by("password", "", ""))
    }

    /// Gives the calling user another password; all its sessions end.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`] when the old one is wrong or the caller is no user,
    /// [`ControlError::Invalid`] when the new one will not do, [`ControlError::Unavailable`].
    pub async fn change_password(&self, actor: &Actor, old: &str, new: &str) -> Result<(), ControlError> {
        let ActorKind::User { id, username, .. } = actor.kind() else {
            return Err(ControlError::Unauthenticated("only users have passwords"));
        };
        check_new(new, username)?;
        if new == old {
            return Err(ControlError::fault("/new_password", "must differ from the old one"));
        }
        let identity = self.user_with(username, old, actor.request()).await?;
        self.forget_failures(&Tried::user(&identity.user, actor.request())).await?;
        let hash = self.inner.passwords.hash(new.to_owned()).await?;
        let entry = audit::entry(actor, "ChangePassword").of("user", id).named(username);
        self.within(self.inner.store.users().set_password(id, &hash, false, &entry.into())).await
    }

    async fn user_with(&self, login: &str, password: &str, request: &RequestContext) -> Result<Identity, ControlError> {
        check_login(login)?;
        self.check_built_in_login().await?;
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(WRONG);
        }
        let found = self.within(self.inner.store.users().by_login(login)).await?;
        let tried = match &found {
            Some(found) => Tried::user(&found.user, request),
            None => Tried::nobody(login),
        };
        self.may_try(&tried).await?;
        let hash =
            found.as_ref().filter(|found| has_password(&found.user)).map(|found| found.user.password_hash.clone());
        let right = self.inner.passwords.verify(password.to_owned(), hash).await?;
        // Of many that are tried at once all came past the first question before any of them had failed.
        self.may_try(&tried).await?;
        match found {
            // The throttle forgets when the second factor is right, too.
            Some(identity) if right => Ok(identity),
            _ => {
                self.note_failure(&tried, request).await?;
                Err(WRONG)
            }
        }
    }

    pub(super) async fn may_try(&self, tried: &Tried) -> Result<(), ControlError> {
        let now = self.now();
        if self.inner.settings.login_lock_after > 0 {
            let failures = self.inner.store.login_failures();
            if let Some(until) = self.within(failures.locked_until(tried.locked.hash(), now)).await? {
                let left = u64::try_from(until.saturating_sub(now)).unwrap_or_default();
                return Err(ControlError::Locked { retry_after: Duration::from_secs(left) });
            }
        }
        match self.inner.passwords.throttle.wait(tried.slowed, now) {
            Some(retry_after) => Err(ControlError::TooManyAttempts { retry_after }),
            None => Ok(()),
        }
    }

    /// Counts a wrong password, or a wrong code after a right one.
    async fn note_failure(&self, tried: &Tried, request: &RequestContext) -> Result<(), ControlError> {
        self.slow_down(tried);
        self.count_to_lock(tried, request).await
    }

    pub(super) fn slow_down(&self, tried: &Tried) {
        self.inner.passwords.throttle.failed(tried.slowed, self.now());
    }

    pub(super) async fn count_to_lock(&self, tried: &Tried, request: &RequestContext) -> Result<(), ControlError> {
        let (settings, now) = (&self.inner.settings, self.now());
        if settings.login_lock_after == 0 {
            return Ok(());
        }
        let (user, username) = tried.user.clone().unzip();
        let entry = audit::entry(&Actor::system().in_request(request.clone()), "LockLogin")
            .of("user", user.as_deref().unwrap_or_default())
            .named(username.as_deref().unwrap_or_default());
        let failure = LoginFailure { subject: *tried.locked.hash(), user, at: now };
        let rule = LockRule { after: settings.login_lock_after, seconds: seconds(settings.login_lock_life) };
        self.within(self.inner.store.login_failures().count(&failure, rule, &entry.into())).await.map(drop)
    }

    pub(super) async fn forget_failures(&self, tried: &Tried) -> Result<(), ControlError> {
        self.inner.passwords.throttle.succeeded(tried.slowed);
        self.within(self.inner.store.login_failures().forget(tried.locked.hash())).await
    }
}

/// For whom a password or a code is tried.
pub(super) struct Tried {
    /// Who waits after wrong ones.
    slowed: Subject,
    /// Who is locked after too many.
    locked: Subject,
    /// Id and name, if there is such a user.
    user: Option<(String, String)>,
}

impl Tried {
    /// By whichever of its names a user is meant, the failures are counted together. Everybody knows the name of the first
    /// admin, so its failures lock it for the address that they come from alone: strangers never lock its owner out.
    fn user(user: &User, request: &RequestContext) -> Self {
        let slowed = Subject::user(&user.id);
        let locked = if user.root { Subject::user_from(&user.id, &request.address) } else { slowed };
        Self { slowed, locked, user: Some((user.id.clone(), user.username.clone())) }
    }

    /// Codes that somebody shows who is logged in as the user. They are counted apart, so that the thief of a session locks
    /// itself out and not its owner.
    pub(super) fn codes_of(user: &User) -> Self {
        let subject = Subject::codes_of(&user.id);
        Self { slowed: subject, locked: subject, user: Some((user.id.clone(), user.username.clone())) }
    }

    fn nobody(login: &str) -> Self {
        let subject = Subject::nobody(login);
        Self { slowed: subject, locked: subject, user: None }
    }
}

/// Refuses what can be nobody's name before anything is done with it. PostgreSQL takes no NUL into a text.
pub(super) fn check_login(login: &str) -> Result<(), ControlError> {
    let is_too_long = login.chars().nth(MAX_LOGIN_CHARACTERS).is_some();
    if is_too_long || login.contains('\0') { Err(WRONG) } else { Ok(()) }
}

fn has_password(user: &User) -> bool {
    user.active && !user.password_hash.is_empty()
}

/// Whether a password will do for a user of this name.
pub(super) fn check_new(password: &str, username: &str) -> Result<(), ControlError> {
    let fits = password.chars().count() >= MIN_PASSWORD_CHARACTERS && password.len() <= MAX_PASSWORD_BYTES;
    if !fits {
        let wanted =
            format!("must have at least {MIN_PASSWORD_CHARACTERS} characters and at most {MAX_PASSWORD_BYTES} bytes");
        return Err(ControlError::fault("/new_password", wanted));
    }
    if password.to_lowercase() == username.to_lowercase() {
        return Err(Fault::new("/new_password", "must not be the user name").into());
    }
    Ok(())
}
