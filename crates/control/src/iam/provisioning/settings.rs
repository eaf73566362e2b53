//! The SCIM token, and whether provisioning is on.

use model::policy::Access;
use store::SecretHash;
use store::iam::provisioning::ScimSettings;

use super::super::action::Action;
use super::super::actor::{Actor, ActorKind};
use super::super::object::{Coming, Object};
use super::super::rules;
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;

const TOKEN_PREFIX: &str = "a7scim-";
/// The last use is written down at most this often.
const TOUCH_EVERY_SECONDS: i64 = 60;
const WRONG: ControlError = ControlError::Unauthenticated("the SCIM token is not good");
const OFF: ControlError = ControlError::Unauthenticated("provisioning by SCIM is switched off");

/// A SCIM token, told this once.
pub struct IssuedScimToken {
    /// The secret: `a7scim-...`.
    pub token: String,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
}

impl Control {
    /// Whether provisioning is on, and what is known of its token.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn scim_settings(&self, actor: &Actor) -> Result<ScimSettings, ControlError> {
        self.authorise(actor, Action::GetScimProvisioning, &Object::Organization, Coming::default()).await?;
        self.within(self.inner.store.provisioning().settings()).await
    }

    /// Switches provisioning on or off; the token stays.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn set_scim_enabled(&self, actor: &Actor, enabled: bool) -> Result<ScimSettings, ControlError> {
        self.authorise(actor, Action::UpdateScimProvisioning, &Object::Organization, Coming::default()).await?;
        let entry = audit::entry(actor, "UpdateSCIMProvisioning").of("scim", "settings");
        self.within(self.inner.store.provisioning().set_enabled(enabled, &entry.into())).await?;
        self.within(self.inner.store.provisioning().settings()).await
    }

    /// Makes the token; the one before ends at once.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for an end in the past, [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn make_scim_token(
        &self,
        actor: &Actor,
        expires_at: Option<i64>,
    ) -> Result<IssuedScimToken, ControlError> {
        self.authorise(actor, Action::UpdateScimProvisioning, &Object::Organization, Coming::default()).await?;
        self.check_end(expires_at)?;
        let token = secret::generate(TOKEN_PREFIX)?;
        let entry = audit::entry(actor, "CreateSCIMToken").of("scim", "token");
        let (hash, provisioning) = (SecretHash::of(&token), self.inner.store.provisioning());
        self.within(provisioning.put_token(&hash, expires_at, self.now(), &entry.into())).await?;
        Ok(IssuedScimToken { token, expires_at })
    }

    /// Whose SCIM token it is: the one identity provider's.
    ///
    /// # Errors
    /// [`ControlError::Unauthenticated`], [`ControlError::Unavailable`].
    pub async fn authenticate_scim(&self, token: &str) -> Result<Actor, ControlError> {
        let (now, provisioning) = (self.now(), self.inner.store.provisioning());
        let found = self.within(provisioning.find_token(&SecretHash::of(token), now)).await?.ok_or(WRONG)?;
        if !found.enabled {
            return Err(OFF);
        }
        let last_used_at = found.token.and_then(|token| token.last_used_at);
        if last_used_at.is_none_or(|at| now - at >= TOUCH_EVERY_SECONDS) {
            self.within(provisioning.touch_token(now)).await?;
        }
        let access: Access = rules::access_of_scim()?;
        Ok(Actor::new(ActorKind::Scim, access.into()))
    }
}
