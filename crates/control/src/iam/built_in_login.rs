//! Login by name and password, and the switch that turns it off where all are to come by login options.

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, Object};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

const OPTION_IS_OFF: &str = "the login option that you came by is disabled";

/// Whether users may log in by name and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltInLogin {
    /// What is set.
    pub enabled: bool,
    /// Whether it works whatever is set, by the operator's word.
    pub forced: bool,
}

impl BuiltInLogin {
    /// Whether it works.
    pub fn works(self) -> bool {
        self.enabled || self.forced
    }
}

impl Control {
    /// Whether users may log in by name and password. Everybody may know: login pages show it.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn built_in_login(&self) -> Result<BuiltInLogin, ControlError> {
        let forced = self.inner.settings.force_built_in_login;
        let enabled = self.within(self.inner.store.login_options().built_in()).await?;
        Ok(BuiltInLogin { enabled, forced })
    }

    /// The same for those who may see how it is set.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_built_in_login(&self, actor: &Actor) -> Result<BuiltInLogin, ControlError> {
        self.authorise(actor, Action::GetLoginOption, &Object::Organization, Coming::default()).await?;
        self.built_in_login().await
    }

    /// Switches login by name and password on or off. Off needs proof that another way leads in: a Super Admin who
    /// came by a login option that is enabled.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] without that proof, [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn set_built_in_login(&self, actor: &Actor, enabled: bool) -> Result<(), ControlError> {
        self.authorise(actor, Action::UpdateLoginOption, &Object::Organization, Coming::default()).await?;
        let other = if enabled { None } else { Some(self.other_way_in(actor).await?) };
        let entry = audit::entry(actor, Action::UpdateLoginOption.short_name()).of("setting", "built_in_login");
        let (options, entry) = (self.inner.store.login_options(), entry.into());
        match self.within(options.set_built_in(enabled, other.as_deref(), &entry)).await? {
            true => Ok(()),
            false => Err(refused(OPTION_IS_OFF)),
        }
    }

    /// The login option by which the actor proves that another way leads in.
    async fn other_way_in(&self, actor: &Actor) -> Result<String, ControlError> {
        let Some(id) = actor.user_id() else { return Err(refused("you are no user")) };
        if !actor.is_super_admin() || !actor.access().is_unlimited() {
            return Err(refused("you are no Super Admin, or something limits you"));
        }
        let Some(external) = self.user(id).await?.external else {
            return Err(refused(
                "you came by name and password yourself, so nothing proves that there is another way in",
            ));
        };
        let option = self.within(self.inner.store.login_options().get(&external.login_option)).await?;
        if option.spec.enabled { Ok(option.id) } else { Err(refused(OPTION_IS_OFF)) }
    }

    pub(super) async fn check_built_in_login(&self) -> Result<(), ControlError> {
        if self.built_in_login().await?.works() {
            return Ok(());
        }
        Err(ControlError::Unauthenticated("login by name and password is switched off; use a login option"))
    }
}

fn refused(why: &str) -> ControlError {
    ControlError::Conflict(format!(
        "built-in login stays on: {why}; log in as a Super Admin by an enabled login option"
    ))
}
