//! Users: inviting, changing, removing, what they are given.

use std::collections::BTreeSet;

use model::{Labels, policy::Scope};
use store::iam::policies::Policy;
use store::iam::roles::Role;
use store::iam::sessions::Session as OpenSession;
use store::iam::users::NewUser;
pub use store::iam::users::{User, UserFilter, UserPatch};
use store::{Listed, StoreError};

use super::action::Action;
use super::actor::Actor;
use super::login;
use super::object::{Coming, Object, Rows};
use super::provisioning::{ATTEMPTS, changed_meanwhile};
use super::rules::SUPER_ADMIN;
use super::throttle::Subject;
use super::{authorise, usernames};
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

/// What a new user is given.
#[derive(Debug, Clone, Default)]
pub struct Invitation {
    /// Unique, also among names that look alike.
    pub username: String,
    /// Good for one login, at which another must be chosen.
    pub password: String,
    /// Where the user can be written to.
    pub email: Option<String>,
    /// Labels to select by.
    pub labels: Labels,
    /// Its boundaries: ids of policies.
    pub boundaries: Vec<String>,
}

/// A user with what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: User,
    /// Its roles by name.
    pub roles: Vec<Role>,
    /// Until when too many wrong passwords lock it, in unix seconds; `None`: it is not locked.
    pub locked_until: Option<i64>,
}

impl Control {
    /// Makes a user without any role.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name or one that looks like it is taken,
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn invite_user(&self, actor: &Actor, invitation: Invitation) -> Result<User, ControlError> {
        let coming = Coming { labels: Some(&invitation.labels), boundaries: Some(&invitation.boundaries) };
        self.authorise(actor, Action::InviteUser, &Object::User(None), coming).await?;
        let Invitation { username, password, email, labels, boundaries } = invitation;
        usernames::check(&username)?;
        if password.is_empty() || password.len() > login::MAX_PASSWORD_BYTES {
            let wanted = format!("must have 1 to {} bytes", login::MAX_PASSWORD_BYTES);
            return Err(ControlError::fault("/password", wanted));
        }
        let new = NewUser {
            id: uuid::Uuid::new_v4().to_string(),
            username_key: usernames::lookalike_key(&username),
            password_hash: Some(self.inner.passwords.hash(password).await?),
            must_change_password: true,
            username,
            email,
            labels,
            boundaries,
            ..NewUser::default()
        };
        let entry = audit::entry(actor, "InviteUser").of("user", &new.id).named(&new.username);
        self.within(self.inner.store.users().create(&new, &entry.into())).await?;
        self.user(&new.id).await
    }

    /// The users that meet the filter and that the actor may see, each with its roles.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn list_users(&self, actor: &Actor, filter: &UserFilter) -> Result<Listed<Member>, ControlError> {
        let scope = self.scope(actor, Action::GetUser, &Rows::Users).await?;
        self.list_members(filter, &scope).await
    }

    async fn list_members(&self, filter: &UserFilter, scope: &Scope) -> Result<Listed<Member>, ControlError> {
        let found = self.within(self.inner.store.users().list(filter, scope)).await?;
        let ids: Vec<String> = found.list.iter().map(|user| user.id.clone()).collect();
        let mut roles = self.within(self.inner.store.roles().of_users(&ids)).await?;
        let locked = self.within(self.inner.store.login_failures().of_users(&ids, self.now())).await?;
        let list = found.list.into_iter().map(|user| Member {
            roles: roles.remove(&user.id).unwrap_or_default(),
            locked_until: locked.get(&user.id).copied(),
            user,
        });
        Ok(Listed { list: list.collect(), total: found.total })
    }

    /// One user with its roles. Everybody may see itself.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_user(&self, actor: &Actor, id: &str) -> Result<Member, ControlError> {
        if actor.user_id() != Some(id) {
            self.authorise(actor, Action::GetUser, &Object::User(Some(id.to_owned())), Coming::default()).await?;
        }
        let ids = [id.to_owned()];
        let locked = self.within(self.inner.store.login_failures().of_users(&ids, self.now())).await?;
        let (user, roles) = (self.user(id).await?, self.roles_of(id).await?);
        Ok(Member { roles, locked_until: locked.get(id).copied(), user })
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] for what would lock the first admin out, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn update_user(&self, actor: &Actor, id: &str, patch: &UserPatch) -> Result<User, ControlError> {
        let user = self.user_for(actor, Action::UpdateUser, id).await?;
        if user.root && patch.active == Some(false) {
            return Err(first_admin_stays());
        }
        let entry = audit::entry(actor, "UpdateUser").of("user", id).named(&user.username);
        if patch.unlock {
            self.inner.passwords.throttle.succeeded(Subject::user(id));
        }
        self.within(self.inner.store.users().update(id, patch, &entry.into())).await
    }

    /// Removes a user; its sessions and tokens end at once.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] for the first admin, [`ControlError::NotFound`], [`ControlError::Forbidden`],
    /// [`ControlError::Unavailable`].
    pub async fn delete_user(&self, actor: &Actor, id: &str) -> Result<(), ControlError> {
        let user = self.user_for(actor, Action::DeleteUser, id).await?;
        if user.root {
            return Err(first_admin_stays());
        }
        let entry = audit::entry(actor, "DeleteUser").of("user", id).named(&user.username);
        self.within(self.inner.store.users().delete(id, &entry.into())).await
    }

    /// Gives another user a new one-time password; its sessions end. One's own takes the old one, whatever one may do to
    /// others: a session or a token alone must not be enough to keep its user out.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] for one's own and for users who come by sign-on, [`ControlError::Invalid`], [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn reset_password(&self, actor: &Actor, id: &str, password: &str) -> Result<(), ControlError> {
        let user = self.user_for(actor, Action::ResetPassword, id).await?;
        if user.external.is_some() {
            return Err(ControlError::Conflict(format!("user {} comes by sign-on and has no password", user.username)));
        }
        if actor.user_id() == Some(user.id.as_str()) {
            let text = "your own password is changed with the old one, by PUT /api/password, or reset by another user";
            return Err(ControlError::Conflict(text.to_owned()));
        }
        if password.is_empty() || password.len() > login::MAX_PASSWORD_BYTES {
            let wanted = format!("must have 1 to {} bytes", login::MAX_PASSWORD_BYTES);
            return Err(ControlError::fault("/password", wanted));
        }
        let hash = self.inner.passwords.hash(password.to_owned()).await?;
        let entry = audit::entry(actor, "ResetPassword").of("user", id).named(&user.username);
        self.inner.passwords.throttle.succeeded(Subject::user(id));
        self.within(self.inner.store.users().set_password(id, &hash, true, &entry.into())).await
    }

    /// Replaces a user's roles. It takes [`Action::UpdateUserRole`] on the user and on every role that is given or taken;
    /// the role Super Admin is handed out, and taken, by those who have it alone.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when the first admin would have anything but its role, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn assign_roles(&self, actor: &Actor, id: &str, roles: &[String]) -> Result<(), ControlError> {
        let user = self.user_for(actor, Action::UpdateUserRole, id).await?;
        let wanted: BTreeSet<String> = roles.iter().cloned().collect();
        if user.root && !wanted.iter().eq([SUPER_ADMIN]) {
            return Err(ControlError::Conflict("the first admin has the role Super Admin and no other".to_owned()));
        }
        if wanted.contains(SUPER_ADMIN) && !actor.is_super_admin() {
            return Err(only_for_super_admins(actor, Action::UpdateUserRole, id));
        }
        let entry = audit::entry(actor, "UpdateUserRole").of("user", id).named(&user.username).into();
        for _ in 0..ATTEMPTS {
            let before: BTreeSet<String> = self.roles_of(id).await?.into_iter().map(|role| role.id).collect();
            for role in before.symmetric_difference(&wanted) {
                let object = Object::Role(Some(role.clone()));
                self.authorise(actor, Action::UpdateUserRole, &object, Coming::default()).await?;
            }
            match self.within_store(self.inner.store.users().replace_roles(id, &before, &wanted, &entry)).await {
                // Another write came between: what is given and taken now is another thing to ask for.
                Err(StoreError::Changed { .. }) => {}
                replaced => return Ok(replaced?),
            }
        }
        Err(changed_meanwhile("user", id))
    }

    /// A user's boundaries by name, as far as the actor may see them.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn boundaries_of(&self, actor: &Actor, id: &str) -> Result<Vec<Policy>, ControlError> {
        self.get_user(actor, id).await?;
        let scope = self.scope(actor, Action::GetPermissionPolicy, &Rows::Policies).await?;
        self.within(self.inner.store.policies().boundaries_of(id, &scope)).await
    }

    /// Replaces a user's boundaries: policies of which at least one must allow whatever it does.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] for the first admin, [`ControlError::NotFound`], [`ControlError::Forbidden`],
    /// [`ControlError::Unavailable`].
    pub async fn set_boundaries(&self, actor: &Actor, id: &str, policies: &[String]) -> Result<(), ControlError> {
        // Who may set some boundaries alone may neither touch users within others nor set others.
        let coming = Coming { labels: None, boundaries: Some(policies) };
        self.authorise(actor, Action::UpdateUserBoundary, &Object::User(Some(id.to_owned())), coming).await?;
        let user = self.user_for(actor, Action::UpdateUserBoundary, id).await?;
        if user.root && !policies.is_empty() {
            return Err(ControlError::Conflict("the first admin has no permission boundary".to_owned()));
        }
        let entry = audit::entry(actor, "UpdateUserBoundary").of("user", id).named(&user.username);
        self.within(self.inner.store.users().set_boundaries(id, policies, &entry.into())).await
    }

    /// The open sessions of a user, the latest first. Everybody may see its own.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn list_sessions(&self, actor: &Actor, user: &str) -> Result<Vec<OpenSession>, ControlError> {
        self.get_user(actor, user).await?;
        self.within(self.inner.store.sessions().list(user, self.now())).await
    }

    /// Ends a session of a user. Everybody may end its own.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn end_session(&self, actor: &Actor, user: &str, session: &str) -> Result<(), ControlError> {
        if actor.user_id() != Some(user) {
            self.user_for(actor, Action::UpdateUser, user).await?;
        }
        let entry = audit::entry(actor, "EndSession").of("session", session);
        let reason = format!("{} ended it", actor.audit_name());
        self.within(self.inner.store.sessions().end(user, session, &reason, &entry.into())).await
    }

    /// The user that an actor is, for what it does with its own account.
    pub(super) fn own_account(&self, actor: &Actor, to_do: &'static str) -> Result<String, ControlError> {
        let id = actor.user_id().ok_or(ControlError::Unauthenticated("only users can do this"))?;
        if actor.must_change_password() || actor.is_narrowed() {
            return Err(ControlError::OwnAccount(to_do));
        }
        Ok(id.to_owned())
    }

    pub(super) async fn user(&self, id: &str) -> Result<User, ControlError> {
        let user = self.within(self.inner.store.users().get(id)).await?;
        user.ok_or_else(|| ControlError::NotFound { what: "user", id: id.to_owned() })
    }

    /// A user that the actor may do the action to. Super Admins are touched by their like alone: whoever resets
    /// such a user's password becomes it.
    pub(super) async fn user_for(&self, actor: &Actor, action: Action, id: &str) -> Result<User, ControlError> {
        self.authorise(actor, action, &Object::User(Some(id.to_owned())), Coming::default()).await?;
        let user = self.user(id).await?;
        if !actor.is_super_admin() && self.roles_of(id).await?.iter().any(|role| role.id == SUPER_ADMIN) {
            return Err(only_for_super_admins(actor, action, id));
        }
        Ok(user)
    }

    /// A user's roles by name.
    pub(super) async fn roles_of(&self, id: &str) -> Result<Vec<Role>, ControlError> {
        let mut roles = self.within(self.inner.store.roles().of_users(&[id.to_owned()])).await?;
        Ok(roles.remove(id).unwrap_or_default())
    }
}

fn only_for_super_admins(actor: &Actor, action: Action, id: &str) -> ControlError {
    let mut forbidden = authorise::forbidden(actor, action, &Object::User(Some(id.to_owned())));
    forbidden.hint = ": it concerns the role Super Admin, which only its holders can give, take or touch";
    forbidden.into()
}

fn first_admin_stays() -> ControlError {
    ControlError::Conflict("the first admin can be neither removed nor shut out".to_owned())
}
