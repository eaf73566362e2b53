//! A user's second factor: set up, asked for at login, removed.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::iam::users::User;

use super::action::Action;
use super::actor::Actor;
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
        self.within(self.inner.store.second_factors().begin(&user.id, key.as_slice())).await?;
        let secret = totp::written(key.as_slice());
        let name = utf8_percent_encode(&user.username, NON_ALPHANUMERIC);
        let uri = format!("otpauth://totp/{ISSUER}:{name}?secret={secret}&issuer={ISSUER}");
        Ok(NewSecondFactor { secret, uri })
    }

    /// Puts the key in force of which the calling user shows a code.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for a wrong code, [`ControlError::Conflict`] when none was begun,
    /// [`ControlError::OwnAccount`], [`ControlError::Unavailable`].
    pub async fn confirm_second_factor(&self, actor: &Actor, code: &str) -> Result<(), ControlError> {
        let user = self.own_account(actor, "set up a second factor")?;
        let pending = self.within(self.inner.store.second_factors().pending(&user)).await?;
        let pending = pending.ok_or_else(|| ControlError::Conflict("no second factor was begun".to_owned()))?;
        let step = totp::step_of(&pending, code.trim(), self.now()).ok_or_else(wrong_code)?;
        let entry = audit::entry(actor, "SetSecondFactor").of("user", &user);
        self.within(self.inner.store.second_factors().confirm(&user, step, &entry.into())).await
    }

    /// Removes the calling user's second factor, of which it shows a code.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for a wrong code, [`ControlError::OwnAccount`], [`ControlError::Unavailable`].
    pub async fn remove_second_factor(&self, actor: &Actor, code: &str) -> Result<(), ControlError> {
        let user = self.user(&self.own_account(actor, "remove a second factor")?).await?;
        let checked = self.check_second_factor(&user, Some(code)).await;
        checked
            .map_err(|error| if matches!(error, ControlError::Unauthenticated(_)) { wrong_code() } else { error })?;
        let entry = audit::entry(actor, "RemoveSecondFactor").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.second_factors().remove(&user.id, &entry.into())).await
    }

    /// Removes the second factor of a user who lost it.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn remove_second_factor_of(&self, actor: &Actor, user: &str) -> Result<(), ControlError> {
        let user = self.user_for(actor, Action::ResetPassword, user).await?;
        let entry = audit::entry(actor, "RemoveSecondFactor").of("user", &user.id).named(&user.username);
        self.within(self.inner.store.second_factors().remove(&user.id, &entry.into())).await
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
fn wrong_code() -> ControlError {
    ControlError::fault("/code", "is wrong, or was used before")
}
