//! The admin key of a group: it decides the group by itself.

use model::GroupId;
use store::SecretHash;

use super::actor::Actor;
use super::authorise::{Action, authorise};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;

pub(super) const ADMIN_KEY_PREFIX: &str = "a7adm-";

impl Control {
    /// Gives a group a new admin key and returns it, this once; the one before it ends.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn regenerate_admin_key(&self, actor: &Actor, group: &GroupId) -> Result<String, ControlError> {
        let permit = authorise(actor, Action::UpdateGatewayGroupAdminKey, group)?;
        let key = secret::generate(ADMIN_KEY_PREFIX)?;
        let entry = audit::entry(permit.actor(), Action::UpdateGatewayGroupAdminKey.name())
            .of("admin_key", group.as_str())
            .within(permit.group());
        self.within(self.inner.store.admin_keys().put(permit.group(), &SecretHash::of(&key), &entry.into())).await?;
        Ok(key)
    }

    /// When a group was given its admin key, in unix seconds; `None` when it has none.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn admin_key_created_at(&self, actor: &Actor, group: &GroupId) -> Result<Option<i64>, ControlError> {
        let permit = authorise(actor, Action::ReadGatewayGroup, group)?;
        self.within(self.inner.store.groups().get(permit.group())).await?;
        self.within(self.inner.store.admin_keys().created_at(permit.group())).await
    }
}
