//! Users, roles, permission policies, and what they decide.

use api_types::{
    AssignedRoles, Boundaries, CanI, Invitation, PasswordReset, PermissionPolicy, PermissionPolicySpec, PolicyIds,
    Role, RoleSpec, SavedPolicy, Session, Simulation, SimulationSpec, User, UserChange,
};
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::error::{ClientError, ClientResult};

const USERS: [&str; 2] = ["api", "users"];
const ROLES: [&str; 2] = ["api", "roles"];
const POLICIES: [&str; 2] = ["api", "permission_policies"];

impl Client {
    /// The users that the caller may see, by name.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn users(&self) -> ClientResult<Vec<User>> {
        self.call(Method::GET, &USERS).list().await.map(|listing| listing.list)
    }

    /// The user of this exact name.
    ///
    /// # Errors
    /// [`ClientError::NoSuch`] when there is none that the caller may see.
    pub async fn user_by_name(&self, name: &str) -> ClientResult<User> {
        let found = self.call(Method::GET, &USERS).query(&[("search", name)]).list::<User>().await?;
        let no_such = || ClientError::NoSuch { kind: "user", name: name.to_owned() };
        found.list.into_iter().find(|user| user.username == name).ok_or_else(no_such)
    }

    /// Makes a user without any role.
    ///
    /// # Errors
    /// 409 when the name, or one that looks like it, is taken.
    pub async fn invite_user(&self, invitation: &Invitation) -> ClientResult<User> {
        self.call(Method::POST, &["api", "invites"]).json(invitation).value().await
    }

    /// Changes a user.
    ///
    /// # Errors
    /// 404 when there is none, 409 for the first admin.
    pub async fn update_user(&self, id: &str, change: &UserChange) -> ClientResult<User> {
        self.call(Method::PATCH, &["api", "users", id]).json(change).value().await
    }

    /// Removes a user.
    ///
    /// # Errors
    /// 404 when there is none, 409 for the first admin.
    pub async fn delete_user(&self, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "users", id]).send().await.map(drop)
    }

    /// Replaces a user's roles by these ids.
    ///
    /// # Errors
    /// 404 when the user or a role does not exist.
    pub async fn assign_roles(&self, user: &str, roles: Vec<String>) -> ClientResult<()> {
        let call = self.call(Method::PUT, &["api", "users", user, "assigned_roles"]);
        call.json(&AssignedRoles { roles }).send().await.map(drop)
    }

    /// The permission policies that bound a user.
    ///
    /// # Errors
    /// 404 when there is no such user.
    pub async fn boundaries(&self, user: &str) -> ClientResult<Vec<PermissionPolicy>> {
        self.call(Method::GET, &["api", "users", user, "boundaries"]).list().await.map(|listing| listing.list)
    }

    /// Replaces the permission policies that bound a user by these ids; none lifts the boundary.
    ///
    /// # Errors
    /// 404 when the user or a policy does not exist, 409 for the first admin.
    pub async fn set_boundaries(&self, user: &str, permission_boundaries: Vec<String>) -> ClientResult<()> {
        let call = self.call(Method::PUT, &["api", "users", user, "boundaries"]);
        call.json(&Boundaries { permission_boundaries }).send().await.map(drop)
    }

    /// Gives a user a new one-time password; its sessions end.
    ///
    /// # Errors
    /// 404 when there is none, 409 for users who come by sign-on.
    pub async fn reset_password(&self, user: &str, password: &str) -> ClientResult<()> {
        let call = self.call(Method::PUT, &["api", "users", user, "password_reset"]);
        call.json(&PasswordReset { password: password.to_owned() }).send().await.map(drop)
    }

    /// Removes the second factor of a user who lost it.
    ///
    /// # Errors
    /// 404 when there is no such user.
    pub async fn remove_second_factor_of(&self, user: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "users", user, "second_factor"]).send().await.map(drop)
    }

    /// The open sessions of a user, the latest first.
    ///
    /// # Errors
    /// 404 when there is no such user.
    pub async fn sessions(&self, user: &str) -> ClientResult<Vec<Session>> {
        self.call(Method::GET, &["api", "users", user, "sessions"]).list().await.map(|listing| listing.list)
    }

    /// Ends a session of a user, who is told why.
    ///
    /// # Errors
    /// 404 when there is none of this id that is open.
    pub async fn end_session(&self, user: &str, session: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "users", user, "sessions", session]).send().await.map(drop)
    }

    /// The roles that the caller may see.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn roles(&self) -> ClientResult<Vec<Role>> {
        self.call(Method::GET, &ROLES)
            .query(&[("order_by", "name"), ("direction", "asc")])
            .list()
            .await
            .map(|all| all.list)
    }

    /// The role of this exact name.
    ///
    /// # Errors
    /// [`ClientError::NoSuch`] when there is none that the caller may see.
    pub async fn role_by_name(&self, name: &str) -> ClientResult<Role> {
        let found = self.call(Method::GET, &ROLES).query(&[("name", name)]).list().await?;
        found.list.into_iter().next().ok_or_else(|| ClientError::NoSuch { kind: "role", name: name.to_owned() })
    }

    /// Makes a role.
    ///
    /// # Errors
    /// 409 when the name is taken.
    pub async fn create_role(&self, spec: &RoleSpec) -> ClientResult<Role> {
        self.call(Method::POST, &ROLES).json(spec).value().await
    }

    /// Gives a role another name, description and labels; its policies stay.
    ///
    /// # Errors
    /// 404 when there is none, 409 when the name is taken or the role is built in.
    pub async fn update_role(&self, id: &str, spec: &RoleSpec) -> ClientResult<Role> {
        self.call(Method::PUT, &["api", "roles", id]).json(spec).value().await
    }

    /// Removes a role.
    ///
    /// # Errors
    /// 409 while users have it.
    pub async fn delete_role(&self, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "roles", id]).send().await.map(drop)
    }

    /// The permission policies of a role.
    ///
    /// # Errors
    /// 404 when there is no such role.
    pub async fn policies_of_role(&self, id: &str) -> ClientResult<Vec<PermissionPolicy>> {
        self.call(Method::GET, &["api", "roles", id, "permission_policies"]).list().await.map(|listing| listing.list)
    }

    /// Gives a role further permission policies.
    ///
    /// # Errors
    /// 404 when the role or a policy does not exist.
    pub async fn attach_policies(&self, role: &str, permission_policies: Vec<String>) -> ClientResult<()> {
        let call = self.call(Method::POST, &["api", "roles", role, "attach_permission_policies"]);
        call.json(&PolicyIds { permission_policies }).send().await.map(drop)
    }

    /// Takes permission policies from a role.
    ///
    /// # Errors
    /// 404 when the role does not exist.
    pub async fn detach_policies(&self, role: &str, permission_policies: Vec<String>) -> ClientResult<()> {
        let call = self.call(Method::POST, &["api", "roles", role, "detach_permission_policies"]);
        call.json(&PolicyIds { permission_policies }).send().await.map(drop)
    }

    /// The permission policies that the caller may see.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn policies(&self) -> ClientResult<Vec<PermissionPolicy>> {
        let call = self.call(Method::GET, &POLICIES).query(&[("order_by", "name"), ("direction", "asc")]);
        call.list().await.map(|listing| listing.list)
    }

    /// The permission policy of this exact name.
    ///
    /// # Errors
    /// [`ClientError::NoSuch`] when there is none that the caller may see.
    pub async fn policy_by_name(&self, name: &str) -> ClientResult<PermissionPolicy> {
        let found = self.call(Method::GET, &POLICIES).query(&[("name", name)]).list().await?;
        let no_such = || ClientError::NoSuch { kind: "permission policy", name: name.to_owned() };
        found.list.into_iter().next().ok_or_else(no_such)
    }

    /// Makes a permission policy.
    ///
    /// # Errors
    /// 400 with every fault of the document, 409 when the name is taken.
    pub async fn create_policy(&self, spec: &PermissionPolicySpec) -> ClientResult<SavedPolicy> {
        self.call(Method::POST, &POLICIES).json(spec).read().await
    }

    /// Replaces a permission policy.
    ///
    /// # Errors
    /// 400 with every fault of the document, 404 when there is none.
    pub async fn update_policy(&self, id: &str, spec: &PermissionPolicySpec) -> ClientResult<SavedPolicy> {
        self.call(Method::PUT, &["api", "permission_policies", id]).json(spec).read().await
    }

    /// Removes a permission policy.
    ///
    /// # Errors
    /// 409 while it is attached.
    pub async fn delete_policy(&self, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "permission_policies", id]).send().await.map(drop)
    }

    /// Which decisions a policy would change, were it saved.
    ///
    /// # Errors
    /// 400 for a wrong document or question.
    pub async fn simulate_policy(&self, spec: &SimulationSpec) -> ClientResult<Simulation> {
        self.call(Method::POST, &["api", "permission_policies", "simulate"]).json(spec).value().await
    }

    /// Why the caller, or another user, may or may not do something: `allowed`, `decided_by`, `missing`.
    ///
    /// # Errors
    /// 400 for an unknown action or resource, 403 when the other user may not be looked at.
    pub async fn can_i(&self, question: &CanI) -> ClientResult<Value> {
        self.call(Method::POST, &["api", "can_i"]).json(question).value().await
    }
}
