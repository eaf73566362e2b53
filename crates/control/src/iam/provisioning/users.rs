//! Users as an identity provider makes, changes and removes them.

use store::iam::provisioning::{Condition, Profile, ProvisionedUser, Sort, UserChange};
use store::iam::roles::Role;
use store::iam::users::NewUser;
use store::{Listed, Page, StoreError};

use super::super::action::Action;
use super::super::actor::Actor;
use super::super::object::{Coming, Object};
use super::super::rules::SUPER_ADMIN;
use super::super::{login, usernames};
use super::{ATTEMPTS, FIRST_ADMIN_STAYS, SUPER_ADMIN_IS_BEYOND, changed_meanwhile, forbidden};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

/// A user as an identity provider wants it.
#[derive(Clone, Default)]
pub struct UserSpec {
    /// The name it logs in with.
    pub username: String,
    /// The id that the provider has for it.
    pub external_id: Option<String>,
    /// What it is called.
    pub display_name: Option<String>,
    /// Where it can be written to.
    pub email: Option<String>,
    /// Further mail addresses, to be found by.
    pub further_emails: Vec<String>,
    /// All other attributes as JSON.
    pub attributes: String,
    /// Whether it may come in.
    pub active: bool,
    /// A password for one login, at which another must be chosen. Without one the user comes in by sign-on alone.
    pub password: Option<String>,
}

/// A user with what SCIM keeps of it, and its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedMember {
    /// The user.
    pub provisioned: ProvisionedUser,
    /// Its roles by name.
    pub roles: Vec<Role>,
}

impl Control {
    /// Makes a user without any role.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name or one that looks like it is taken,
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn provision_user(&self, actor: &Actor, spec: UserSpec) -> Result<ProvisionedMember, ControlError> {
        self.authorise(actor, Action::InviteUser, &Object::User(None), Coming::default()).await?;
        usernames::check(&spec.username)?;
        let password_hash = self.one_time(spec.password.as_deref()).await?;
        let new = NewUser {
            id: uuid::Uuid::new_v4().to_string(),
            username_key: usernames::lookalike_key(&spec.username),
            must_change_password: password_hash.is_some(),
            password_hash,
            email: spec.email.clone(),
            username: spec.username.clone(),
            ..NewUser::default()
        };
        let active = spec.active;
        let entry = audit::entry(actor, "InviteUser").of("user", &new.id).named(&new.username);
        let store = self.inner.store.provisioning();
        self.within(store.create_user(&new, active, &profile(spec), &entry.into())).await?;
        self.provisioned_member(&new.id).await
    }

    /// The users that meet the condition, each with its roles.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn provisioned_users(
        &self,
        actor: &Actor,
        condition: Option<&Condition>,
        sort: Sort,
        page: Page,
    ) -> Result<Listed<ProvisionedMember>, ControlError> {
        self.authorise(actor, Action::GetUser, &Object::User(None), Coming::default()).await?;
        let found = self.within(self.inner.store.provisioning().users(condition, sort, page)).await?;
        let ids: Vec<String> = found.list.iter().map(|one| one.user.id.clone()).collect();
        let mut roles = self.within(self.inner.store.roles().of_users(&ids)).await?;
        let list = found.list.into_iter().map(|provisioned| ProvisionedMember {
            roles: roles.remove(&provisioned.user.id).unwrap_or_default(),
            provisioned,
        });
        Ok(Listed { list: list.collect(), total: found.total })
    }

    /// One user with its roles.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn provisioned_user(&self, actor: &Actor, id: &str) -> Result<ProvisionedMember, ControlError> {
        self.authorise(actor, Action::GetUser, &Object::User(Some(id.to_owned())), Coming::default()).await?;
        self.provisioned_member(id).await
    }

    /// Changes a user into what `change` makes of it. `change` is asked again when another write comes between.
    ///
    /// # Errors
    /// What `change` refuses, and [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken,
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`] for what is beyond SCIM, [`ControlError::Unavailable`].
    pub async fn reprovision_user<E: From<ControlError>>(
        &self,
        actor: &Actor,
        id: &str,
        change: impl Fn(&ProvisionedMember) -> Result<UserSpec, E>,
    ) -> Result<ProvisionedMember, E> {
        let object = Object::User(Some(id.to_owned()));
        self.authorise(actor, Action::UpdateUser, &object, Coming::default()).await?;
        for _ in 0..ATTEMPTS {
            let before = self.provisioned_member(id).await?;
            let spec = change(&before)?;
            if self.try_change(actor, &before, spec).await? {
                return Ok(self.provisioned_member(id).await?);
            }
        }
        Err(changed_meanwhile("user", id).into())
    }

    /// Whether it is done; not when another write came between.
    async fn try_change(
        &self,
        actor: &Actor,
        before: &ProvisionedMember,
        spec: UserSpec,
    ) -> Result<bool, ControlError> {
        let user = &before.provisioned.user;
        check_reach(actor, before, &spec)?;
        if spec.username != user.username {
            usernames::check(&spec.username)?;
        }
        if spec.password.is_some() && user.external.is_some() {
            return Err(ControlError::fault("/password", "cannot be given to a user who comes by sign-on"));
        }
        let change = UserChange {
            username: spec.username.clone(),
            username_key: usernames::lookalike_key(&spec.username),
            email: spec.email.clone(),
            active: spec.active,
            password_hash: self.one_time(spec.password.as_deref()).await?,
            profile: profile(spec),
        };
        let entry = audit::entry(actor, "UpdateUser")
            .of("user", &user.id)
            .named(&change.username)
            .detail(serde_json::json!({ "password_reset": change.password_hash.is_some() }));
        let store = self.inner.store.provisioning();
        match self.within_store(store.update_user(&before.provisioned, &change, &entry.into())).await {
            Ok(()) => Ok(true),
            Err(StoreError::Changed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a user that `check` lets go; its sessions and tokens end at once.
    ///
    /// # Errors
    /// What `check` refuses, and [`ControlError::NotFound`], [`ControlError::Forbidden`] for the first admin and for
    /// holders of the role Super Admin, [`ControlError::Unavailable`].
    pub async fn deprovision_user<E: From<ControlError>>(
        &self,
        actor: &Actor,
        id: &str,
        check: impl FnOnce(&ProvisionedMember) -> Result<(), E>,
    ) -> Result<(), E> {
        let object = Object::User(Some(id.to_owned()));
        self.authorise(actor, Action::DeleteUser, &object, Coming::default()).await?;
        let member = self.provisioned_member(id).await?;
        check(&member)?;
        let user = &member.provisioned.user;
        if user.root {
            return Err(forbidden(actor, Action::DeleteUser, &object, FIRST_ADMIN_STAYS).into());
        }
        if is_super_admin(&member) {
            return Err(forbidden(actor, Action::DeleteUser, &object, SUPER_ADMIN_IS_BEYOND).into());
        }
        let entry = audit::entry(actor, "DeleteUser").of("user", id).named(&user.username);
        Ok(self.within(self.inner.store.users().delete(id, &entry.into())).await?)
    }

    async fn provisioned_member(&self, id: &str) -> Result<ProvisionedMember, ControlError> {
        let provisioned = self.within(self.inner.store.provisioning().user(id)).await?;
        let mut roles = self.within(self.inner.store.roles().of_users(&[id.to_owned()])).await?;
        Ok(ProvisionedMember { roles: roles.remove(id).unwrap_or_default(), provisioned })
    }

    async fn one_time(&self, password: Option<&str>) -> Result<Option<String>, ControlError> {
        let Some(password) = password else { return Ok(None) };
        if password.is_empty() || password.len() > login::MAX_PASSWORD_BYTES {
            let wanted = format!("must have 1 to {} bytes", login::MAX_PASSWORD_BYTES);
            return Err(ControlError::fault("/password", wanted));
        }
        self.inner.passwords.hash(password.to_owned()).await.map(Some)
    }
}

fn profile(spec: UserSpec) -> Profile {
    let UserSpec { external_id, display_name, attributes, further_emails, .. } = spec;
    Profile { external_id, display_name, attributes, further_emails }
}

fn is_super_admin(member: &ProvisionedMember) -> bool {
    member.roles.iter().any(|role| role.id == SUPER_ADMIN)
}

/// A holder of the role Super Admin may be shut out, for that is what offboarding is; whoever could give it a password,
/// another name or address, or let it in again would be a step away from being it.
fn check_reach(actor: &Actor, before: &ProvisionedMember, spec: &UserSpec) -> Result<(), ControlError> {
    let user = &before.provisioned.user;
    let refuse = |hint| Err(forbidden(actor, Action::UpdateUser, &Object::User(Some(user.id.clone())), hint));
    if user.root && !spec.active {
        return refuse(FIRST_ADMIN_STAYS);
    }
    let same = spec.username == user.username && spec.email == user.email && spec.password.is_none();
    if (user.root || is_super_admin(before)) && !(same && (user.active || !spec.active)) {
        return refuse(SUPER_ADMIN_IS_BEYOND);
    }
    Ok(())
}
