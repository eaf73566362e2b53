//! Whether an actor may do an action to an object, and the proof of it.

use model::policy::Scope;
use model::{GroupId, Labels};
use store::access::GroupAccess;

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

/// One of the permissions that an operation takes.
#[derive(PartialEq)]
pub(crate) struct Needed {
    pub(crate) action: Action,
    pub(crate) object: Object,
    /// Labels that it would have then.
    pub(crate) labels: Option<Labels>,
    /// What it would take if it were there already.
    pub(crate) or_update: Option<Action>,
}

/// Proof that an actor may do something in a group, with what the store takes for it. Only this module makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    actor: Actor,
    group: GroupAccess,
}

impl Permit {
    fn new(actor: &Actor, group: &GroupId) -> Self {
        Self { actor: actor.clone(), group: GroupAccess::granted(group.clone()) }
    }

    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// In which group.
    pub fn group(&self) -> &GroupAccess {
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
        Ok(Permit::new(actor, group))
    }

    /// Whether `actor` may do all of these in `group`. Where nothing is asked for it takes to see the group, so that no
    /// permit is made without a question.
    pub(crate) async fn permit_all(
        &self,
        actor: &Actor,
        group: &GroupId,
        all_needed: &[Needed],
    ) -> Result<Permit, ControlError> {
        if all_needed.is_empty() {
            return self.permit(actor, Action::GetGatewayGroup, group).await;
        }
        for needed in all_needed {
            self.authorise_needed(actor, needed).await?;
        }
        Ok(Permit::new(actor, group))
    }

    /// Which rows of a list in `group` `actor` may do `action` to, with the permit to read them; `None`: not one.
    pub(crate) async fn permit_list(
        &self,
        actor: &Actor,
        action: Action,
        group: &GroupId,
        rows: &Rows,
    ) -> Result<Option<(Permit, Scope)>, ControlError> {
        let scope = self.scope(actor, action, rows).await?;
        Ok((scope != Scope::Nothing).then(|| (Permit::new(actor, group), scope)))
    }

    async fn authorise_needed(&self, actor: &Actor, needed: &Needed) -> Result<(), ControlError> {
        let coming = Coming { labels: needed.labels.as_ref(), boundaries: None };
        let Err(refused) = self.authorise(actor, needed.action, &needed.object, coming).await else { return Ok(()) };
        // Whoever may neither make it nor change it does not learn by the refusal whether it is there.
        if let Some(update) = needed.or_update {
            self.authorise(actor, update, &needed.object, coming).await?;
        }
        Err(refused)
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
        let scope = self.scope_of(actor, action, rows).await?;
        if scope.questions() > MAX_QUESTIONS {
            return Err(too_many_conditions(&scope));
        }
        Ok(scope)
    }
}

/// Lists are filtered by at most so many conditions: ten times as many kept a database busy for longer than a statement may take.
/// Ids count as one, and so do values of a label, however many they are.
const MAX_QUESTIONS: usize = 1_000;

fn too_many_conditions(scope: &Scope) -> ControlError {
    ControlError::Conflict(format!(
        "the list cannot be filtered by the caller's permission policies: they name {} different conditions, {MAX_QUESTIONS} \
         are the most; join statements that name the same labels or resources",
        scope.questions()
    ))
}

pub(super) fn forbidden(actor: &Actor, action: Action, object: &Object) -> Forbidden {
    let hint =
        if actor.must_change_password() { ": choose a password of your own first, at PUT /api/password" } else { "" };
    Forbidden { actor: actor.audit_name(), action, resource: object.describe(), hint }
}
