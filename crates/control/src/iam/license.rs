//! Licences: clients of API7 put one. Nothing here needs one, so none is kept; who put it is on record.

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, Object};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

impl Control {
    /// Notes that a licence was put.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn put_license(&self, actor: &Actor) -> Result<(), ControlError> {
        self.authorise(actor, Action::UpdateLicense, &Object::Organization, Coming::default()).await?;
        let entry = audit::entry(actor, Action::UpdateLicense.short_name()).of("license", "");
        self.within(self.inner.store.audit().record(&entry.into())).await
    }
}
