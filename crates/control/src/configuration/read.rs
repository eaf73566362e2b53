//! Reading a group's configuration.

use model::{GroupId, ResourceKey, Revision};
use store::Listed;
use store::config::{ResourceFilter, StoredResource};

use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{self, Action, Actor};

impl Control {
    /// One resource, and the head of its group for `If-Match`.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_resource(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: &ResourceKey,
    ) -> Result<(StoredResource, Revision), ControlError> {
        let permit = iam::authorise(actor, Action::ReadConfiguration, group)?;
        // The head first: should a commit come between, the head is too old and a write against it is refused.
        let head = self.within(self.inner.store.config().head(permit.group())).await?;
        let stored = self.within(self.inner.store.config().get(permit.group(), key)).await?;
        Ok((stored.ok_or_else(|| ControlError::not_found(key))?, head.revision))
    }

    /// The resources of a group that meet the filter.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] when there is no such group, [`ControlError::Forbidden`],
    /// [`ControlError::Unavailable`].
    pub async fn list_resources(
        &self,
        actor: &Actor,
        group: &GroupId,
        filter: &ResourceFilter,
    ) -> Result<Listed<StoredResource>, ControlError> {
        let permit = iam::authorise(actor, Action::ReadConfiguration, group)?;
        let listed = self.within(self.inner.store.config().list(permit.group(), filter)).await?;
        if listed.total == 0 {
            self.within(self.inner.store.config().head(permit.group())).await?;
        }
        Ok(listed)
    }
}
