//! A user's second factor: set up, asked for at login, removed.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::iam::users::User;

use super::action::Action;
use super::actor::Actor;
use super::login::Tried;
use super::totp;
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

/// What an authenticator app shows the product as.
const ISSUER: &str = "Flotilla";
const WRONG: ControlError = ControlError::Unauthenticated("the one-time code is wrong, or was used before");

/// A key for an authenticator app, told this once; it counts when a code of it was shown.
pub struct NewSecondFactor {
    /// In base32.
    pub secret: String,
    /// `otpauth://totp/...`, to be shown as a QR code.
    pub uri: String,
}

impl Control {
    /// Makes a key for the calling user's authenticator app. The second factor in force, if any, stays until the new one
    /// is confirmed.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] for users who come by sign-on, [`ControlError::OwnAccount`],
    /// [`ControlError::Unavailable`].
    pub async fn begin_second_factor(&self, actor: &Actor) -> Result<NewSecondFactor, ControlError> {
        let user = self.user(&self.own_account(actor, "set up a second factor")?).await?;
        if user.external.is_some() {
            return Err(ControlError::Conflict(
                "second factors of users who come by sign-on are their provider's".into(),
            ));
        }
        let mut key = zeroize::Zeroizing::new([0; totp::KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(ControlError::internal)?;
        let entry = audit::entry(actor, "BeginSecondFactor").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.second_factors().begin(&user.id, key.as_slice(), &entry.into())).await?;
        let secret = totp::written(key.as_slice());
        let name = utf8_percent_encode(&user.username, NON_ALPHANUMERIC);
        let uri = format!("otpauth://totp/{ISSUER}:{name}?secret={secret}&issuer={ISSUER}");
        Ok(NewSecondFactor { secret, uri })
    }

    /// Puts the key in force of which the calling user shows a code. Where one is in force already, it takes a code of
    /// that one, too: who has but a session or a token must not put its own in place of it.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for a wrong code, [`ControlError::TooManyAttempts`] and [`ControlError::Locked`] after too many wrong ones
    /// of the key in force, [`ControlError::Conflict`] when none was begun, [`ControlError::OwnAccount`], [`ControlError::Unavailable`].
    pub async fn confirm_second_factor(
        &self,
        actor: &Actor,
        code: &str,
        old_code: Option<&str>,
    ) -> Result<(), ControlError> {
        let user = self.user(&self.own_account(actor, "set up a second factor")?).await?;
        let factors = self.inner.store.second_factors();
        let not_begun = || ControlError::Conflict("no second factor was begun".to_owned());
        let pending = self.within(factors.pending(&user.id)).await?.ok_or_else(not_begun)?;
        let step = totp::step_of(&pending.key, code.trim(), self.now());
        let step = step.ok_or_else(|| wrong_code("/code"))?;
        self.take_shown_code(actor, &user, old_code.unwrap_or_default(), "/old_code").await?;
        let entry = audit::entry(actor, "SetSecondFactor").of("user", &user.id).named(&user.username).into();
        let confirmed = factors.confirm(&user.id, &pending, step, user.has_second_factor, &entry);
        if self.within(confirmed).await? { Ok(()) } else { Err(not_begun()) }
    }

    /// Removes the calling user's second factor, of which it shows a code.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for a wrong code, [`ControlError::TooManyAttempts`] and [`ControlError::Locked`] after too many of them,
    /// [`ControlError::OwnAccount`], [`ControlError::Unavailable`].
    pub async fn remove_second_factor(&self, actor: &Actor, code: &str) -> Result<(), ControlError> {
        let user = self.user(&self.own_account(actor, "remove a second factor")?).await?;
        self.take_shown_code(actor, &user, code, "/code").await?;
        let entry = audit::entry(actor, "RemoveSecondFactor").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.second_factors().remove(&user.id, &entry.into())).await
    }

    /// Removes the second factor of another user who lost it. One's own takes a code, whatever one may do to others.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] for one's own, [`ControlError::NotFound`], [`ControlError::Forbidden`],
    /// [`ControlError::Unavailable`].
    pub async fn remove_second_factor_of(&self, actor: &Actor, user: &str) -> Result<(), ControlError> {
        let user = self.user_for(actor, Action::ResetPassword, user).await?;
        if actor.user_id() == Some(user.id.as_str()) {
            let text = "your own second factor is removed with a code of it, or by another user";
            return Err(ControlError::Conflict(text.to_owned()));
        }
        let entry = audit::entry(actor, "RemoveSecondFactor").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.second_factors().remove(&user.id, &entry.into())).await
    }

    /// Takes a code of the key in force, if there is one, that the caller shows who is logged in as the user.
    async fn take_shown_code(&self, actor: &Actor, user: &User, code: &str, pointer: &str) -> Result<(), ControlError> {
        if !user.has_second_factor {
            return Ok(());
        }
        if code.is_empty() {
            return Err(ControlError::fault(pointer, "must be a code of the second factor in force"));
        }
        let tried = Tried::codes_of(user);
        self.may_try(&tried).await?;
        // Before it is looked at: of many that are sent at once only so few are.
        self.slow_down(&tried);
        match self.check_second_factor(user, Some(code)).await {
            Ok(()) => self.forget_failures(&tried).await,
            Err(ControlError::Unauthenticated(_)) => {
                self.count_to_lock(&tried, actor.request()).await?;
                Err(wrong_code(pointer))
            }
            Err(other) => Err(other),
        }
    }

    /// Whether the code is one of the user's second factor, if it has one. Each code counts once, on all replicas.
    pub(super) async fn check_second_factor(&self, user: &User, code: Option<&str>) -> Result<(), ControlError> {
        if !user.has_second_factor {
            return Ok(());
        }
        let code = code.filter(|code| !code.is_empty()).ok_or(ControlError::SecondFactorNeeded)?;
        let factors = self.inner.store.second_factors();
        let Some(key) = self.within(factors.in_force(&user.id)).await? else { return Ok(()) };
        let step = totp::step_of(&key, code.trim(), self.now()).ok_or(WRONG)?;
        if self.within(factors.take(&user.id, step)).await? { Ok(()) } else { Err(WRONG) }
    }
}

/// The caller is known; what it shows is wrong.
fn wrong_code(pointer: &str) -> ControlError {
    ControlError::fault(pointer, "is wrong, or was used before")
}
