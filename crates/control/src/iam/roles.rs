//! Roles: named bundles of permission policies.

use store::Listed;
use store::iam::policies::Policy;
pub use store::iam::roles::{NamedFilter, Role, RoleSpec};

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, Object, Rows};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::names;

const MAX_NAME_CHARACTERS: usize = 100;

impl Control {
    /// Makes a role with these policies.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken, [`ControlError::NotFound`] of a
    /// policy, [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn create_role(&self, actor: &Actor, spec: &RoleSpec, policies: &[String]) -> Result<Role, ControlError> {
        self.authorise(actor, Action::CreateCustomRole, &Object::Role(None), Coming::with(&spec.labels)).await?;
        names::check(Some(&spec.name), Some(&spec.description), MAX_NAME_CHARACTERS)?;
        let id = uuid::Uuid::new_v4().to_string();
        let entry = audit::entry(actor, "CreateCustomRole").of("role", &id).named(&spec.name);
        self.within(self.inner.store.roles().create(&id, spec, policies, &entry.into())).await
    }

    /// One role.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_role(&self, actor: &Actor, id: &str) -> Result<Role, ControlError> {
        self.authorise(actor, Action::GetRole, &Object::Role(Some(id.to_owned())), Coming::default()).await?;
        self.within(self.inner.store.roles().get(id)).await
    }

    /// The roles that meet the filter and that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn list_roles(&self, actor: &Actor, filter: &NamedFilter) -> Result<Listed<Role>, ControlError> {
        let scope = self.scope(actor, Action::GetRole, &Rows::Roles).await?;
        self.within(self.inner.store.roles().list(filter, &scope)).await
    }

    /// Gives a role another name, description and labels.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken or the role came with the product,
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn update_role(&self, actor: &Actor, id: &str, spec: &RoleSpec) -> Result<Role, ControlError> {
        self.custom_role(actor, Action::UpdateCustomRole, id).await?;
        names::check(Some(&spec.name), Some(&spec.description), MAX_NAME_CHARACTERS)?;
        let entry = audit::entry(actor, "UpdateCustomRole").of("role", id).named(&spec.name);
        self.within(self.inner.store.roles().update(id, spec, &entry.into())).await
    }

    /// Removes a role that nobody has.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] while users have it or when it came with the product, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_role(&self, actor: &Actor, id: &str) -> Result<(), ControlError> {
        let role = self.custom_role(actor, Action::DeleteCustomRole, id).await?;
        let entry = audit::entry(actor, "DeleteCustomRole").of("role", id).named(&role.name);
        self.within(self.inner.store.roles().delete(id, &entry.into())).await
    }

    /// The policies of a role by name, as far as the actor may see them.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn policies_of_role(&self, actor: &Actor, id: &str) -> Result<Vec<Policy>, ControlError> {
        self.get_role(actor, id).await?;
        let scope = self.scope(actor, Action::GetPermissionPolicy, &Rows::Policies).await?;
        self.within(self.inner.store.policies().of_role(id, &scope)).await
    }

    /// Adds policies to a role and takes others away.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when the role came with the product, [`ControlError::NotFound`] of the role or a
    /// policy, [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn change_role_policies(
        &self,
        actor: &Actor,
        id: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<(), ControlError> {
        let role = self.custom_role(actor, Action::UpdateCustomRole, id).await?;
        let detail = serde_json::json!({ "attached": add, "detached": remove });
        let entry = audit::entry(actor, "UpdateCustomRole").of("role", id).named(&role.name).detail(detail);
        self.within(self.inner.store.roles().change_policies(id, add, remove, &entry.into())).await
    }

    async fn custom_role(&self, actor: &Actor, action: Action, id: &str) -> Result<Role, ControlError> {
        self.authorise(actor, action, &Object::Role(Some(id.to_owned())), Coming::default()).await?;
        let role = self.within(self.inner.store.roles().get(id)).await?;
        if role.built_in {
            return Err(ControlError::Conflict(format!(
                "role {} came with the product and cannot be changed",
                role.name
            )));
        }
        Ok(role)
    }
}
