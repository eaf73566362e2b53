//! Whether an actor may do an action to an object, and the proof of it.

use model::GroupId;
use model::policy::Scope;

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, Object, Rows};
use crate::control::Control;
use crate::error::ControlError;

/// The actor may not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor} is not permitted to {} on {resource}{hint}", .action.name())]
pub struct Forbidden {
    /// Who asked.
    pub actor: String,
    /// To do what.
    pub action: Action,
    /// On what: `gateway group default`.
    pub resource: String,
    /// What the actor can do about it; empty when nothing.
    pub hint: &'static str,
}

/// Proof that an actor may do something in a group. Only this module makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    actor: Actor,
    group: GroupId,
}

impl Permit {
    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// In which group.
    pub fn group(&self) -> &GroupId {
        &self.group
    }
}

impl Control {
    /// Whether `actor` may do `action` to `group` as a whole.
    pub(crate) async fn permit(&self, actor: &Actor, action: Action, group: &GroupId) -> Result<Permit, ControlError> {
        self.permit_on(actor, action, group, &Object::Group(group.clone()), Coming::default()).await
    }

    /// Whether `actor` may do `action` to something of `group`.
    pub(crate) async fn permit_on(
        &self,
        actor: &Actor,
        action: Action,
        group: &GroupId,
        object: &Object,
        coming: Coming<'_>,
    ) -> Result<Permit, ControlError> {
        self.authorise(actor, action, object, coming).await?;
        Ok(Permit { actor: actor.clone(), group: group.clone() })
    }

    /// Whether `actor` may do `action` to `object`.
    pub(crate) async fn authorise(
        &self,
        actor: &Actor,
        action: Action,
        object: &Object,
        coming: Coming<'_>,
    ) -> Result<(), ControlError> {
        if actor.access().is_unlimited() {
            return Ok(());
        }
        let facts = self.facts_of(object, coming).await?;
        if actor.access().allows(action.names(), &facts.target()) {
            return Ok(());
        }
        Err(forbidden(actor, action, object).into())
    }

    /// Which of the rows `actor` may do `action` to: what lists are filtered by.
    pub(crate) async fn scope(&self, actor: &Actor, action: Action, rows: &Rows) -> Result<Scope, ControlError> {
        if actor.access().is_unlimited() {
            return Ok(Scope::Everything);
        }
        self.scope_of(actor, action, rows).await
    }
}

pub(super) fn forbidden(actor: &Actor, action: Action, object: &Object) -> Forbidden {
    let hint =
        if actor.must_change_password() { ": choose a password of your own first, at PUT /api/password" } else { "" };
    Forbidden { actor: actor.audit_name(), action, resource: object.describe(), hint }
}
