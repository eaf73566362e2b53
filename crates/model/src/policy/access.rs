//! What a user, or a token, may do: its roles and what caps them.

use std::sync::Arc;

use super::decide::statement_matches;
use super::document::{Effect, PolicyDocument};
use super::explain::{self, Explanation};
use super::scope::{self, ListTarget, Scope};
use super::target::Target;

/// A permission policy; compiled once and shared by all who have it.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: String,
    /// Its name, for explanations.
    pub name: String,
    /// What it says.
    pub document: PolicyDocument,
}

/// A role, as far as decisions and their explanations go.
#[derive(Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: String,
    /// Its name, for explanations.
    pub name: String,
}

/// A policy, and the role through which it is had.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The role.
    pub role: Arc<Role>,
}

/// A named set of policies of which at least one must allow: a user's permission boundaries, a token's narrower reach.
/// One without policies allows nothing.
#[derive(Debug, Clone)]
pub struct Cap {
    /// What it is, for explanations: `permission boundary`.
    pub name: String,
    /// Its policies.
    pub policies: Vec<Arc<Policy>>,
}

/// What somebody may do. Allowed is what (1) a role allows, (2) every cap allows and (3) no role and no cap denies.
#[derive(Debug, Clone, Default)]
pub struct Access {
    pub(super) roles: Vec<Attached>,
    pub(super) caps: Vec<Cap>,
    is_unlimited: bool,
}

impl Access {
    /// What these roles give within these caps.
    pub fn new(roles: Vec<Attached>, caps: Vec<Cap>) -> Self {
        let is_unlimited = caps.is_empty() && is_unlimited(&roles);
        Self { roles, caps, is_unlimited }
    }

    /// Whatever there is: the control plane itself.
    pub fn everything() -> Self {
        Self { roles: Vec::new(), caps: Vec::new(), is_unlimited: true }
    }

    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The same access within one more cap.
    pub fn capped(mut self, cap: Cap) -> Self {
        if self.is_unlimited && self.roles.is_empty() {
            return Self::only(cap);
        }
        self.caps.push(cap);
        self.is_unlimited = false;
        self
    }

    /// Everything within one cap: as if a role gave the cap's policies.
    fn only(cap: Cap) -> Self {
        let role = Arc::new(Role { id: String::new(), name: cap.name });
        let attached = |policy| Attached { policy, role: Arc::clone(&role) };
        Self::new(cap.policies.into_iter().map(attached).collect(), Vec::new())
    }

    /// Whether nothing limits it: every action on every object is allowed.
    pub fn is_unlimited(&self) -> bool {
        self.is_unlimited
    }

    /// Whether it has this role, and nothing caps it. It asks for the id: what a policy allows can be written by whoever
    /// writes policies, whose role it comes by cannot.
    pub fn holds_whole(&self, role: &str) -> bool {
        self.caps.is_empty() && self.roles.iter().any(|attached| attached.role.id == role)
    }

    /// Whether the action may be done to the target. An action has one or more accepted names; a statement that speaks of
    /// any of them speaks of the action.
    pub fn allows(&self, actions: &[&str], target: &Target<'_>) -> bool {
        if self.is_unlimited {
            return true;
        }
        let given = self.roles.iter().map(|attached| attached.policy.as_ref());
        is_allowed_by(given, actions, target)
            && self.caps.iter().all(|cap| is_allowed_by(cap.policies.iter().map(Arc::as_ref), actions, target))
    }

    /// As [`allows`](Self::allows), with the reasons.
    pub fn explain(&self, actions: &[&str], target: &Target<'_>) -> Explanation {
        explain::explain(self, actions, target)
    }

    /// For which rows of a list the action is allowed.
    pub fn scope(&self, actions: &[&str], target: &ListTarget<'_>) -> Scope {
        if self.is_unlimited { Scope::Everything } else { scope::of(self, actions, target) }
    }
}

/// Whether some statement allows and none denies.
fn is_allowed_by<'a>(policies: impl Iterator<Item = &'a Policy>, actions: &[&str], target: &Target<'_>) -> bool {
    let mut is_allowed = false;
    for statement in policies.flat_map(|policy| policy.document.statements()) {
        // Once something allows, only what denies is of interest.
        if (is_allowed && statement.effect == Effect::Allow) || !statement_matches(statement, actions, target) {
            continue;
        }
        if statement.effect == Effect::Deny {
            return false;
        }
        is_allowed = true;
    }
    is_allowed
}

/// Whether the roles allow everything and nothing denies: the super admin. Seen from the statements, not from a name.
fn is_unlimited(roles: &[Attached]) -> bool {
    let mut statements = roles.iter().flat_map(|attached| attached.policy.document.statements());
    let allows_all = statements.clone().any(|statement| {
        statement.effect == Effect::Allow
            && statement.conditions.is_empty()
            && statement.actions.iter().any(|pattern| pattern.is_everything())
            && statement.resources.iter().any(|pattern| pattern.is_everything())
    });
    allows_all && statements.all(|statement| statement.effect == Effect::Allow)
}
