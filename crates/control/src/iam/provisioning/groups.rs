//! Roles as an identity provider's groups.

use std::collections::BTreeSet;

use model::Fault;
use store::iam::provisioning::{Condition, GroupMember, ProvisionedRole, RoleChange, Sort};
use store::{Listed, Page, StoreError};

use super::super::action::Action;
use super::super::actor::Actor;
use super::super::object::{Coming, Object};
use super::super::rules::SUPER_ADMIN;
use super::{ATTEMPTS, BUILT_IN, FIRST_ADMIN_HAS_ONE_ROLE, SUPER_ADMIN_IS_BEYOND, changed_meanwhile, forbidden};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

const MAX_NAME_CHARACTERS: usize = 100;

/// A group as an identity provider wants it.
#[derive(Debug, Clone, Default)]
pub struct GroupSpec {
    /// The role's name.
    pub name: String,
    /// The id that the provider has for it.
    pub external_id: Option<String>,
    /// Ids of the users who are to have it; `None` leaves them as they are.
    pub members: Option<BTreeSet<String>>,
}

/// A role with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedGroup {
    /// The role.
    pub provisioned: ProvisionedRole,
    /// Who has it, by name; `None`: not looked up.
    pub members: Option<Vec<GroupMember>>,
}

impl Control {
    /// Makes a role without any policy, and gives it to the members.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], also of members who are not there, [`ControlError::Conflict`] when the name is
    /// taken, [`ControlError::Forbidden`], also when the first admin is a member, [`ControlError::Unavailable`].
    pub async fn provision_group(&self, actor: &Actor, spec: &GroupSpec) -> Result<ProvisionedGroup, ControlError> {
        self.authorise(actor, Action::CreateCustomRole, &Object::Role(None), Coming::default()).await?;
        check_name(&spec.name)?;
        let id = uuid::Uuid::new_v4().to_string();
        let members: Vec<String> = spec.members.iter().flatten().cloned().collect();
        self.check_added(actor, &Object::Role(None), &members).await?;
        let detail = serde_json::json!({ "members_added": members });
        let entry = audit::entry(actor, "CreateCustomRole").of("role", &id).named(&spec.name).detail(detail);
        let (store, entry) = (self.inner.store.provisioning(), entry.into());
        let made = store.create_role(&id, &spec.name, spec.external_id.as_deref(), &members, &entry);
        self.within_store(made).await.map_err(missing_member)?;
        self.group(&id, true).await
    }

    /// The roles that meet the condition, with their members if they are asked for.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn provisioned_groups(
        &self,
        actor: &Actor,
        condition: Option<&Condition>,
        sort: Sort,
        page: Page,
        with_members: bool,
    ) -> Result<Listed<ProvisionedGroup>, ControlError> {
        self.authorise(actor, Action::GetRole, &Object::Role(None), Coming::default()).await?;
        let found = self.within(self.inner.store.provisioning().roles(condition, sort, page)).await?;
        let ids: Vec<String> = found.list.iter().map(|one| one.role.id.clone()).collect();
        let mut members = match with_members {
            true => Some(self.within(self.inner.store.provisioning().members(&ids)).await?),
            false => None,
        };
        let list = found.list.into_iter().map(|provisioned| ProvisionedGroup {
            members: members.as_mut().map(|members| members.remove(&provisioned.role.id).unwrap_or_default()),
            provisioned,
        });
        Ok(Listed { list: list.collect(), total: found.total })
    }

    /// One role, with its members if they are asked for.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn provisioned_group(
        &self,
        actor: &Actor,
        id: &str,
        with_members: bool,
    ) -> Result<ProvisionedGroup, ControlError> {
        self.authorise(actor, Action::GetRole, &Object::Role(Some(id.to_owned())), Coming::default()).await?;
        self.group(id, with_members).await
    }

    /// Changes a role into what `change` makes of it. `change` is asked again when another write comes between.
    ///
    /// # Errors
    /// What `change` refuses, and [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken,
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`] for what is beyond SCIM, [`ControlError::Unavailable`].
    pub async fn reprovision_group<E: From<ControlError>>(
        &self,
        actor: &Actor,
        id: &str,
        change: impl Fn(&ProvisionedGroup) -> Result<GroupSpec, E>,
    ) -> Result<ProvisionedGroup, E> {
        let object = Object::Role(Some(id.to_owned()));
        self.authorise(actor, Action::UpdateCustomRole, &object, Coming::default()).await?;
        for _ in 0..ATTEMPTS {
            let before = self.group(id, true).await?;
            let spec = change(&before)?;
            if self.try_change_group(actor, &before, spec).await? {
                return Ok(self.group(id, true).await?);
            }
        }
        Err(changed_meanwhile("role", id).into())
    }

    /// Whether it is done; not when another write came between.
    async fn try_change_group(
        &self,
        actor: &Actor,
        before: &ProvisionedGroup,
        spec: GroupSpec,
    ) -> Result<bool, ControlError> {
        let role = &before.provisioned.role;
        let change = difference(before, spec);
        let object = Object::Role(Some(role.id.clone()));
        if let Some(name) = &change.name {
            if role.built_in {
                return Err(forbidden(actor, Action::UpdateCustomRole, &object, BUILT_IN));
            }
            check_name(name)?;
        }
        if role.id == SUPER_ADMIN && !(change.add.is_empty() && change.remove.is_empty()) {
            return Err(forbidden(actor, Action::UpdateUserRole, &object, SUPER_ADMIN_IS_BEYOND));
        }
        self.check_added(actor, &object, &change.add).await?;
        let detail = serde_json::json!({ "members_added": change.add, "members_removed": change.remove });
        let name = change.name.as_ref().unwrap_or(&role.name);
        let entry = audit::entry(actor, "UpdateCustomRole").of("role", &role.id).named(name).detail(detail);
        let store = self.inner.store.provisioning();
        match self.within_store(store.update_role(&before.provisioned, &change, &entry.into())).await {
            Ok(()) => Ok(true),
            Err(StoreError::Changed { .. }) => Ok(false),
            Err(error) => Err(missing_member(error)),
        }
    }

    /// Any role but its own could only deny the first admin something, by a policy that others may write.
    async fn check_added(&self, actor: &Actor, role: &Object, members: &[String]) -> Result<(), ControlError> {
        if members.is_empty() {
            return Ok(());
        }
        let first_admin = self.within(self.inner.store.users().first_admin()).await?;
        if first_admin.is_some_and(|admin| members.contains(&admin.id)) {
            return Err(forbidden(actor, Action::UpdateUserRole, role, FIRST_ADMIN_HAS_ONE_ROLE));
        }
        Ok(())
    }

    /// Removes a role that `check` lets go, and takes it from those who have it.
    ///
    /// # Errors
    /// What `check` refuses, and [`ControlError::NotFound`], [`ControlError::Forbidden`] when it came with the
    /// product, [`ControlError::Unavailable`].
    pub async fn deprovision_group<E: From<ControlError>>(
        &self,
        actor: &Actor,
        id: &str,
        check: impl FnOnce(&ProvisionedGroup) -> Result<(), E>,
    ) -> Result<(), E> {
        let object = Object::Role(Some(id.to_owned()));
        self.authorise(actor, Action::DeleteCustomRole, &object, Coming::default()).await?;
        let group = self.group(id, true).await?;
        check(&group)?;
        let role = &group.provisioned.role;
        if role.built_in {
            return Err(forbidden(actor, Action::DeleteCustomRole, &object, BUILT_IN).into());
        }
        let entry = audit::entry(actor, "DeleteCustomRole").of("role", id).named(&role.name);
        Ok(self.within(self.inner.store.provisioning().delete_role(id, &entry.into())).await?)
    }

    async fn group(&self, id: &str, with_members: bool) -> Result<ProvisionedGroup, ControlError> {
        let store = self.inner.store.provisioning();
        let provisioned = self.within(store.role(id)).await?;
        let members = match with_members {
            true => Some(self.within(store.members(&[id.to_owned()])).await?.remove(id).unwrap_or_default()),
            false => None,
        };
        Ok(ProvisionedGroup { provisioned, members })
    }
}

fn check_name(name: &str) -> Result<(), ControlError> {
    match name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARACTERS {
        true => Err(ControlError::fault("/displayName", format!("must have 1 to {MAX_NAME_CHARACTERS} characters"))),
        false => Ok(()),
    }
}

fn difference(before: &ProvisionedGroup, spec: GroupSpec) -> RoleChange {
    let there: BTreeSet<String> = before.members.iter().flatten().map(|member| member.id.clone()).collect();
    let wanted = spec.members.unwrap_or_else(|| there.clone());
    RoleChange {
        name: Some(spec.name).filter(|name| *name != before.provisioned.role.name),
        external_id: spec.external_id,
        add: wanted.difference(&there).cloned().collect(),
        remove: there.difference(&wanted).cloned().collect(),
    }
}

/// The role is there: what is missing is a user who was to have it.
fn missing_member(error: StoreError) -> ControlError {
    match error {
        StoreError::NotFound { what: "user", id } => {
            Fault::new("/members", format!("must be ids of users, {id:?} is none")).into()
        }
        error => error.into(),
    }
}
