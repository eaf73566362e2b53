//! Instances as they stand: what they report, lists, revocation.

use std::collections::BTreeMap;

use model::policy::Scope;
use model::{GroupId, InstanceId};
use store::Listed;
use store::instances::{Heartbeat, Instance, InstanceFilter, InstanceStatus, Liveness};
use tokio::sync::broadcast;

use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor, Rows};
use crate::settings::seconds;

impl Control {
    /// Writes down what instances said of themselves, all in one go. Returns those that do not belong to the fleet
    /// (any more); their streams must be closed.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn report(&self, heartbeats: &[Heartbeat]) -> Result<Vec<InstanceId>, ControlError> {
        if heartbeats.is_empty() {
            return Ok(Vec::new());
        }
        self.within(self.inner.store.instances().heartbeat(heartbeats)).await
    }

    /// Instances revoked or removed by this process from now on. Other replicas' are found by [`Control::report`].
    pub fn revocations(&self) -> broadcast::Receiver<InstanceId> {
        self.inner.revocations.subscribe()
    }

    /// The instances that meet the filter, of the groups whose instances the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn list_instances(
        &self,
        actor: &Actor,
        filter: &InstanceFilter,
    ) -> Result<Listed<Instance>, ControlError> {
        let scope = self.visible_instances(actor, filter.group.as_ref()).await?;
        self.within(self.inner.store.instances().list(filter, &scope, self.liveness())).await
    }

    /// How many instances are in each state, of one group or of all that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn count_instances_by_status(
        &self,
        actor: &Actor,
        group: Option<&GroupId>,
    ) -> Result<BTreeMap<InstanceStatus, u64>, ControlError> {
        let scope = self.visible_instances(actor, group).await?;
        self.within(self.inner.store.instances().count_by_status(group, &scope, self.liveness())).await
    }

    /// One instance of a group.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_instance(
        &self,
        actor: &Actor,
        group: &GroupId,
        id: &InstanceId,
    ) -> Result<Instance, ControlError> {
        self.instance_for(actor, Action::GetGatewayInstance, group, id).await
    }

    /// Shuts an instance out for good: its stream is closed at once and it cannot return with its certificate.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn revoke_instance(&self, actor: &Actor, group: &GroupId, id: &InstanceId) -> Result<(), ControlError> {
        let instance = self.instance_for(actor, Action::DeleteGatewayInstance, group, id).await?;
        let entry = entry(actor, "RevokeInstance", &instance);
        self.within(self.inner.store.instances().revoke(id, self.now(), &entry.into())).await?;
        // No receiver: no channel runs in this process.
        let _ = self.inner.revocations.send(id.clone());
        Ok(())
    }

    /// Removes an instance from the list. One that runs is shut out by this, for it is unknown then.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_instance(&self, actor: &Actor, group: &GroupId, id: &InstanceId) -> Result<(), ControlError> {
        let instance = self.instance_for(actor, Action::DeleteGatewayInstance, group, id).await?;
        let entry = entry(actor, "DeleteInstance", &instance);
        self.within(self.inner.store.instances().delete(id, &entry.into())).await?;
        let _ = self.inner.revocations.send(id.clone());
        Ok(())
    }

    pub(crate) fn liveness(&self) -> Liveness {
        let settings = &self.inner.settings;
        Liveness {
            now: self.now(),
            lost_after: seconds(settings.lost_after),
            offline_after: seconds(settings.offline_after),
        }
    }

    /// An instance of a group in which the actor may do the action.
    async fn instance_for(
        &self,
        actor: &Actor,
        action: Action,
        group: &GroupId,
        id: &InstanceId,
    ) -> Result<Instance, ControlError> {
        let permit = self.permit(actor, action, group).await?;
        let instance = self.within(self.inner.store.instances().get(id, self.liveness())).await?;
        if instance.group != **permit.group() {
            return Err(ControlError::NotFound { what: "gateway instance", id: id.to_string() });
        }
        Ok(instance)
    }

    /// All that the actor may see, or, of a group asked for by name, all or a refusal.
    async fn visible_instances(&self, actor: &Actor, group: Option<&GroupId>) -> Result<Scope, ControlError> {
        match group {
            Some(group) => self.permit(actor, Action::GetGatewayInstance, group).await.map(|_| Scope::Everything),
            None => self.scope(actor, Action::GetGatewayInstance, &Rows::Groups).await,
        }
    }
}

fn entry(actor: &Actor, action: &str, instance: &Instance) -> audit::Entry {
    let entry = audit::entry(actor, action).of("gateway_instance", instance.id.as_str());
    entry.named(&instance.hostname).within(&instance.group)
}
