//! Reading a group's configuration.

use model::{GroupId, ResourceKey, Revision};
use store::Listed;
use store::config::{ResourceFilter, StoredResource};

use super::permission;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::Actor;

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
        let permit = self.permit_to_read(actor, group, key).await?;
        // The head first: should a commit come between, the head is too old and a write against it is refused.
        let head = self.within(self.inner.store.config().head(permit.group())).await?;
        let stored = self.within(self.inner.store.config().get(permit.group(), key)).await?;
        Ok((stored.ok_or_else(|| ControlError::not_found(key))?, head.revision))
    }

    /// The resources of a group that meet the filter and that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] when there is no such group, [`ControlError::Unavailable`].
    pub async fn list_resources(
        &self,
        actor: &Actor,
        group: &GroupId,
        filter: &ResourceFilter,
    ) -> Result<Listed<StoredResource>, ControlError> {
        let (action, rows) = permission::of_list(group, filter.kind);
        let Some((permit, scope)) = self.permit_list(actor, action, group, &rows).await? else {
            if actor.own_group().is_some_and(|own| own != group) {
                // A key is good for its group alone, and whoever uses it elsewhere should hear so.
                self.permit(actor, action, group).await?;
            }
            // Whoever may see nothing of it does not learn whether the group is there.
            return Ok(Listed { list: Vec::new(), total: 0 });
        };
        let listed = self.within(self.inner.store.config().list(permit.group(), filter, &scope)).await?;
        if listed.total == 0 {
            self.within(self.inner.store.config().head(permit.group())).await?;
        }
        Ok(listed)
    }
}
