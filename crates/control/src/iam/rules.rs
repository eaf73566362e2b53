//! What a user may do, compiled from its policies and kept until any rule changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::policy::{Access, Attached, Cap, Policy, PolicyDocument, Role};
use serde_json::json;
use store::iam::access::Grant;
use store::iam::users::{Identity, User};

use super::actor::{Actor, ActorKind};
use crate::control::Control;
use crate::error::ControlError;

/// Compiled accesses and policies kept at most; beyond it, all are made anew.
const CAPACITY: usize = 10_000;
/// The role whose holders may do everything.
pub(crate) const SUPER_ADMIN: &str = "super_admin_id";

/// What is kept compiled.
#[derive(Default)]
pub(crate) struct Rules {
    /// By user, or by token when it is narrowed; with the version it belongs to.
    accesses: Mutex<HashMap<String, (u64, Arc<Access>)>>,
    /// By id, with the text it was compiled from: policies are shared by many users.
    policies: Mutex<HashMap<String, (String, Arc<Policy>)>>,
}

/// A document that narrows a token or key.
#[derive(Clone, Copy)]
pub(super) struct Narrowing<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) document: &'a str,
}

impl Rules {
    fn access(&self, key: &str, version: u64) -> Option<Arc<Access>> {
        let accesses = self.accesses.lock().unwrap_or_else(PoisonError::into_inner);
        accesses.get(key).filter(|(of, _)| *of == version).map(|(_, access)| access.clone())
    }

    fn keep(&self, key: String, version: u64, access: Arc<Access>) {
        let mut accesses = self.accesses.lock().unwrap_or_else(PoisonError::into_inner);
        if accesses.len() >= CAPACITY {
            accesses.clear();
        }
        accesses.insert(key, (version, access));
    }

    /// A stored policy, compiled. One that cannot be read may hold a denial, so nobody goes on without it.
    pub(super) fn policy(&self, id: &str, name: &str, text: &str) -> Result<Arc<Policy>, ControlError> {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, policy)) = policies.get(id).filter(|(of, policy)| of == text && policy.name == name) {
            return Ok(policy.clone());
        }
        let policy = Arc::new(compiled(id, name, text)?);
        if policies.len() >= CAPACITY {
            policies.clear();
        }
        policies.insert(id.to_owned(), (text.to_owned(), policy.clone()));
        Ok(policy)
    }

    /// The rights that these grants give together.
    pub(super) fn compile(&self, grants: &[Grant]) -> Result<Access, ControlError> {
        self.compile_by(grants, |grant| self.policy(&grant.policy, &grant.name, &grant.document))
    }

    /// The same for grants that are only thought of: nothing of them is kept.
    pub(super) fn compile_apart(&self, grants: &[Grant]) -> Result<Access, ControlError> {
        self.compile_by(grants, |grant| compiled(&grant.policy, &grant.name, &grant.document).map(Arc::new))
    }

    fn compile_by(
        &self,
        grants: &[Grant],
        policy_of: impl Fn(&Grant) -> Result<Arc<Policy>, ControlError>,
    ) -> Result<Access, ControlError> {
        let (mut roles, mut boundaries) = (Vec::new(), Vec::new());
        for grant in grants {
            let policy = policy_of(grant)?;
            match &grant.role {
                Some(role) => roles.push(Attached { policy, role: role_of(&role.id, &role.name) }),
                None => boundaries.push(policy),
            }
        }
        let boundary = Cap { name: "permission boundary".to_owned(), policies: boundaries };
        let caps = if boundary.policies.is_empty() { Vec::new() } else { vec![boundary] };
        Ok(Access::new(roles, caps))
    }

    /// What is left of an access for a token or key that has a document of its own.
    fn narrowed(&self, access: Access, to: Option<Narrowing<'_>>) -> Result<Access, ControlError> {
        let Some(Narrowing { id, name, document }) = to else { return Ok(access) };
        let policies = vec![Arc::new(compiled(id, name, document)?)];
        Ok(access.capped(Cap { name: format!("rights of {name}"), policies }))
    }
}

impl Control {
    /// The actor that a user is: with all its rights, or those that a token narrows them to.
    pub(super) async fn actor_of(
        &self,
        identity: &Identity,
        token: Option<Narrowing<'_>>,
    ) -> Result<Actor, ControlError> {
        let user = &identity.user;
        let access = match user.must_change_password {
            true => Arc::new(Access::nothing()),
            false => self.access_of(user, identity.version, token).await?,
        };
        let kind = ActorKind::User {
            id: user.id.clone(),
            username: user.username.clone(),
            must_change_password: user.must_change_password,
        };
        Ok(Actor::new(kind, access).narrowed(token.is_some()))
    }

    async fn access_of(
        &self,
        user: &User,
        version: u64,
        token: Option<Narrowing<'_>>,
    ) -> Result<Arc<Access>, ControlError> {
        let rules = &self.inner.rules;
        let key = token.map_or_else(|| user.id.clone(), |token| format!("{}/{}", user.id, token.id));
        if let Some(access) = rules.access(&key, version) {
            return Ok(access);
        }
        // It may be newer than the version that was asked for; it is kept as what it is.
        let (version, grants) = self.within(self.inner.store.grants().of(&user.id)).await?;
        let access = Arc::new(rules.narrowed(rules.compile(&grants)?, token)?);
        rules.keep(key, version, access.clone());
        Ok(access)
    }

    /// What an admin key may do: everything within its group, but nothing to the group itself.
    pub(super) fn access_of_group_key(&self, group: &str, key: Option<Narrowing<'_>>) -> Result<Access, ControlError> {
        let arn = model::policy::arn::gateway_group(group);
        let own = json!({ "statement": [
            { "effect": "allow", "actions": ["gateway:<.*>"], "resources": [&arn, format!("{arn}/<.*>")] },
            { "effect": "deny", "resources": ["<.*>"], "actions": [
                "gateway:UpdateGatewayGroup", "gateway:DeleteGatewayGroup", "gateway:GetAdminKey"] },
        ] });
        let policy = self.inner.rules.policy(&format!("admin key of {group}"), "admin key", &own.to_string())?;
        let access = Access::new(vec![Attached { policy, role: role_of("admin-key", "admin key") }], Vec::new());
        self.inner.rules.narrowed(access, key)
    }
}

/// What an identity provider may do: all that concerns users and roles, but not what roles allow.
pub(super) fn access_of_scim() -> Result<Access, ControlError> {
    let own = json!({ "statement": [{
        "effect": "allow",
        "actions": ["iam:GetUser", "iam:InviteUser", "iam:UpdateUser", "iam:DeleteUser", "iam:ResetPassword",
            "iam:UpdateUserRole", "iam:GetRole", "iam:CreateCustomRole", "iam:UpdateCustomRole", "iam:DeleteCustomRole"],
        "resources": ["arn:api7:iam:user/<.*>", "arn:api7:iam:role/<.*>"],
    }] });
    let policy = Arc::new(compiled("scim", "SCIM provisioning", &own.to_string())?);
    Ok(Access::new(vec![Attached { policy, role: role_of("scim", "SCIM provisioning") }], Vec::new()))
}

/// A document as a policy, compiled.
pub(super) fn compiled(id: &str, name: &str, text: &str) -> Result<Policy, ControlError> {
    let broken = |cause: String| ControlError::Internal(format!("permission policy {name} is corrupt: {cause}"));
    let value = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
    let document = PolicyDocument::parse(&value).map_err(|faults| broken(faults.to_string()))?;
    Ok(Policy { id: id.to_owned(), name: name.to_owned(), document })
}

fn role_of(id: &str, name: &str) -> Arc<Role> {
    Arc::new(Role { id: id.to_owned(), name: name.to_owned() })
}
