//! Login by name and password, and the switch that turns it off where all are to come by login options.

use serde_json::json;

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, Object};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

/// Its name in the settings; off only where this stands.
pub(super) const SETTING: &str = "built-in-login";
pub(super) const OFF: &[u8] = b"off";

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
        let set = self.within(self.inner.store.settings().get(SETTING)).await?;
        Ok(BuiltInLogin { enabled: set.is_none_or(|value| value.as_slice() != OFF), forced })
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
        if !enabled {
            self.check_other_way_in(actor).await?;
        }
        let value = if enabled { b"on".as_slice() } else { OFF };
        self.within(self.inner.store.settings().put(SETTING, value)).await?;
        let entry = audit::entry(actor, Action::UpdateLoginOption.short_name()).of("setting", "built_in_login");
        self.within(self.inner.store.audit().record(&entry.detail(json!({ "enabled": enabled })).into())).await
    }

    async fn check_other_way_in(&self, actor: &Actor) -> Result<(), ControlError> {
        let refused = |why: &str| {
            let text = format!("built-in login stays on: {why}; log in as a Super Admin by an enabled login option");
            ControlError::Conflict(text)
        };
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
        if option.spec.enabled { Ok(()) } else { Err(refused("the login option that you came by is disabled")) }
    }

    pub(super) async fn check_built_in_login(&self) -> Result<(), ControlError> {
        if self.built_in_login().await?.works() {
            return Ok(());
        }
        Err(ControlError::Unauthenticated("login by name and password is switched off; use a login option"))
    }
}
