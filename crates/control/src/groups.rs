//! Gateway groups.

use std::collections::BTreeMap;

use model::group::{GatewayGroup, GroupType};
use model::policy::Scope;
use model::{Digest, GroupId, Kind, Labels};
use store::Listed;
use store::config::{HeadRow, RevisionRow};
use store::groups::NewGroup;
pub use store::groups::{GroupFilter, GroupPatch};
use store::instances::{InstanceFilter, InstanceStatus};

use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor, Coming, Object, Rows};
use crate::names;

const MAX_NAME_CHARACTERS: usize = 1024;
const MAX_REVISIONS: u32 = 1000;

/// What a new group is given.
#[derive(Debug, Clone, Default)]
pub struct GroupSpec {
    /// Unique; 1 to 1,024 characters.
    pub name: String,
    /// What it is for; at most 64 KiB.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
    /// Where its configuration comes from.
    pub group_type: GroupType,
    /// Home region of its instances.
    pub region: Option<String>,
    /// Values for `$group://NAME`.
    pub variables: BTreeMap<String, String>,
    /// Services enter by publishing only.
    pub enforce_service_publishing: bool,
}

/// Where a group stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub group: GatewayGroup,
    /// Its head.
    pub head: HeadRow,
    /// How many instances are in each state; every state is named.
    pub instances: BTreeMap<InstanceStatus, u64>,
}

impl Control {
    /// Makes a group with an empty configuration; its id is a UUID.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken, [`ControlError::Forbidden`],
    /// [`ControlError::Unavailable`].
    pub async fn create_group(&self, actor: &Actor, spec: GroupSpec) -> Result<GatewayGroup, ControlError> {
        self.authorise(actor, Action::CreateGatewayGroup, &Object::NewGroup, Coming::with(&spec.labels)).await?;
        names::check(Some(&spec.name), Some(&spec.description), MAX_NAME_CHARACTERS)?;
        let id = GroupId::new(uuid::Uuid::new_v4().to_string()).map_err(ControlError::internal)?;
        let new = NewGroup {
            signature: self.inner.signer.sign(&id, 0, &Digest::default()),
            id,
            name: spec.name,
            description: spec.description,
            labels: spec.labels,
            group_type: spec.group_type,
            region: spec.region,
            variables: spec.variables,
            enforce_service_publishing: spec.enforce_service_publishing,
        };
        let entry = entry(actor, "CreateGatewayGroup", &new.id).named(&new.name);
        self.within(self.inner.store.groups().create(&new, &entry.into())).await
    }

    /// One group.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_group(&self, actor: &Actor, id: &GroupId) -> Result<GatewayGroup, ControlError> {
        let permit = self.permit(actor, Action::GetGatewayGroup, id).await?;
        self.within(self.inner.store.groups().get(permit.group())).await
    }

    /// The groups that meet the filter and that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn list_groups(&self, actor: &Actor, filter: &GroupFilter) -> Result<Listed<GatewayGroup>, ControlError> {
        let scope = self.scope(actor, Action::GetGatewayGroup, &Rows::Groups).await?;
        self.within(self.inner.store.groups().list(filter, &scope)).await
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::NotFound`], [`ControlError::Conflict`] when the name is taken,
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn update_group(
        &self,
        actor: &Actor,
        id: &GroupId,
        patch: &GroupPatch,
    ) -> Result<GatewayGroup, ControlError> {
        let permit = self.permit(actor, Action::UpdateGatewayGroup, id).await?;
        names::check(patch.name.as_deref(), patch.description.as_deref(), MAX_NAME_CHARACTERS)?;
        let entry = entry(actor, "UpdateGatewayGroup", id).named(patch.name.as_deref().unwrap_or_default());
        self.within(self.inner.store.groups().update(permit.group(), patch, &entry.into())).await
    }

    /// Removes a group with its configuration, history, tokens and instances, whose streams are closed.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_group(&self, actor: &Actor, id: &GroupId) -> Result<(), ControlError> {
        let permit = self.permit(actor, Action::DeleteGatewayGroup, id).await?;
        let filter = InstanceFilter { group: Some(id.clone()), ..InstanceFilter::default() };
        let instances =
            self.within(self.inner.store.instances().list(&filter, &Scope::Everything, self.liveness())).await?;
        let entry = entry(actor, "DeleteGatewayGroup", id);
        self.within(self.inner.store.groups().delete(permit.group(), &entry.into())).await?;
        self.inner.heads.forget(id);
        for instance in instances.list {
            // No receiver: no instance is connected here.
            let _ = self.inner.revocations.send(instance.id);
        }
        Ok(())
    }

    /// A page of a group's revisions, newest first: page `number` (from 1) of `size` (at most 1,000) revisions each.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn list_revisions(
        &self,
        actor: &Actor,
        group: &GroupId,
        number: u32,
        size: u32,
    ) -> Result<Listed<RevisionRow>, ControlError> {
        let permit = self.permit(actor, Action::GetGatewayGroup, group).await?;
        let total = self.within(self.inner.store.config().head(permit.group())).await?.revision;
        let size = size.clamp(1, MAX_REVISIONS);
        // Revisions have no gaps, so a page is a range.
        let newest = total.saturating_sub(u64::from(number.max(1) - 1) * u64::from(size));
        let after = newest.saturating_sub(size.into());
        let limit = u32::try_from(newest - after).unwrap_or(size);
        let mut list = self.within(self.inner.store.config().revisions_after(permit.group(), after, limit)).await?;
        list.reverse();
        Ok(Listed { list, total })
    }

    /// A group with its head and its instances counted by status.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn group_status(&self, actor: &Actor, id: &GroupId) -> Result<GroupStatus, ControlError> {
        let permit = self.permit(actor, Action::GetGatewayGroup, id).await?;
        let group = self.within(self.inner.store.groups().get(permit.group())).await?;
        let head = self.within(self.inner.store.config().head(permit.group())).await?;
        let instances = self.inner.store.instances();
        let counted = instances.count_by_status(Some(id), &Scope::Everything, self.liveness());
        let instances = self.within(counted).await?;
        Ok(GroupStatus { group, head, instances })
    }

    /// How many resources of a kind each group has that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn count_resources_by_group(
        &self,
        actor: &Actor,
        kind: Kind,
    ) -> Result<BTreeMap<GroupId, u64>, ControlError> {
        let scope = self.scope(actor, Action::GetGatewayGroup, &Rows::Groups).await?;
        self.within(self.inner.store.config().count_by_group(kind, &scope)).await
    }

    /// How many instances each group has that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn count_instances_by_group(&self, actor: &Actor) -> Result<BTreeMap<GroupId, u64>, ControlError> {
        let scope = self.scope(actor, Action::GetGatewayInstance, &Rows::Groups).await?;
        self.within(self.inner.store.instances().count_by_group(&scope)).await
    }
}

fn entry(actor: &Actor, action: &str, id: &GroupId) -> audit::Entry {
    audit::entry(actor, action).of("gateway_group", id.as_str()).within(id)
}
