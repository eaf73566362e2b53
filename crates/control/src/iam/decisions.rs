//! What would be decided, and why: `can-i`, and what a change of a policy would change.

use std::collections::BTreeMap;

use model::GroupId;
use model::policy::{Access, Explanation, Scope, ShutOut};
use serde_json::Value;
use store::iam::access::{Grant, GrantingRole};
use store::iam::roles::Role;
use store::iam::users::{User, UserFilter};
use store::{Direction, Listed, Page};

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, Facts, Object, Rows};
use super::policies::within_pointer;
use crate::control::Control;
use crate::error::ControlError;

/// Users looked at in one simulation; beyond it, the answer says so.
const MAX_USERS: u32 = 1_000;
/// Users whose policies are read at once: their documents are in memory together.
const USERS_AT_ONCE: usize = 100;
/// Questions of one simulation.
const MAX_QUESTIONS: usize = 200;
/// Roles that a new policy is given to in one simulation.
const MAX_ROLES: usize = 200;

/// May somebody do this to that?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// To do what.
    pub action: Action,
    /// On what.
    pub object: Object,
}

/// What a policy would change, were it saved like this.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The decisions that would come out differently.
    pub differences: Vec<Difference>,
    /// How many users were looked at.
    pub users: usize,
    /// Whether there were more users than are looked at.
    pub is_partial: bool,
}

/// One decision that would come out differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Id of the user.
    pub user_id: String,
    /// Its name.
    pub username: String,
    /// The action.
    pub action: Action,
    /// In words: `gateway group default`.
    pub object: String,
    /// Why it is as it is.
    pub now: Explanation,
    /// Why it would be otherwise.
    pub then: Explanation,
}

impl Control {
    /// Why the actor itself, or another user, may or may not do something now. Asking about others takes
    /// [`Action::GetUser`] on them. Labels of what the actor may not see are not told.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn explain(
        &self,
        actor: &Actor,
        user: Option<&str>,
        question: &Question,
    ) -> Result<Explanation, ControlError> {
        let facts = self.facts_shown_to(actor, &question.object).await?;
        let (names, target) = (question.action.names(), facts.target());
        let explained = |access: &Access, shut_out: Option<ShutOut>| match shut_out {
            Some(reason) => Explanation::shut_out(reason, names, &target),
            None => access.explain(names, &target),
        };
        let Some(user) = user.filter(|user| actor.user_id() != Some(user)) else {
            let must_choose = actor.must_change_password().then_some(ShutOut::MustChangePassword);
            return Ok(explained(actor.access(), must_choose));
        };
        let user = self.get_user(actor, user).await?.user;
        let (_, grants) = self.within(self.inner.store.grants().of(&user.id)).await?;
        Ok(explained(&self.inner.rules.compile(&grants)?, shut_out(&user)))
    }

    /// The users who may see a group, of the first thousand that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn permitted_users(&self, actor: &Actor, group: &GroupId) -> Result<Listed<User>, ControlError> {
        let permit = self.permit(actor, Action::GetGatewayGroup, group).await?;
        self.within(self.inner.store.groups().get(permit.group())).await?;
        let scope = self.scope(actor, Action::GetUser, &Rows::Users).await?;
        let facts = self.facts_of(&Object::Group(group.clone()), Coming::default()).await?;
        let page = Some(Page::new(1, MAX_USERS));
        let by_name = UserFilter { direction: Direction::Ascending, page, ..UserFilter::default() };
        let users = self.within(self.inner.store.users().list(&by_name, &scope)).await?;
        let active: Vec<User> = users.list.into_iter().filter(|user| user.active).collect();
        let mut list = Vec::new();
        for users in active.chunks(USERS_AT_ONCE) {
            for (user, grants) in self.with_grants(users).await? {
                if self.inner.rules.compile(&grants)?.allows(Action::GetGatewayGroup.names(), &facts.target()) {
                    list.push(user.clone());
                }
            }
        }
        Ok(Listed { total: list.len() as u64, list })
    }

    /// Which of the decisions asked for would come out differently for whom, were the policy `id` saved with this
    /// document (`None`: were it gone), or, without `id`, given to the users of `role` as a further one.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for a wrong document or too many questions, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn simulate_policy(
        &self,
        actor: &Actor,
        change: &PolicyChange,
        questions: &[Question],
    ) -> Result<Simulation, ControlError> {
        self.authorise(actor, Action::GetPermissionPolicy, &Object::Policy(change.policy.clone()), Coming::default())
            .await?;
        self.authorise(actor, Action::GetUser, &Object::User(None), Coming::default()).await?;
        if questions.is_empty() || questions.len() > MAX_QUESTIONS {
            return Err(ControlError::fault("/questions", format!("must hold 1 to {MAX_QUESTIONS} questions")));
        }
        change.check()?;
        self.check_named(change).await?;
        let asked = self.asked(actor, questions).await?;
        let first = UserFilter { page: Some(Page::new(1, MAX_USERS)), ..UserFilter::default() };
        let users = self.within(self.inner.store.users().list(&first, &Scope::Everything)).await?;
        let is_partial = users.total > u64::from(MAX_USERS);
        let mut simulation = Simulation { differences: Vec::new(), users: users.list.len(), is_partial };
        for users in users.list.chunks(USERS_AT_ONCE) {
            let roles = self.roles_that_count(change, users).await?;
            for (user, grants) in self.with_grants(users).await? {
                let roles = roles.get(&user.id).map_or(&[][..], Vec::as_slice);
                let Some(changed) = change.applied_to(&grants, roles) else { continue };
                let (now, then) = (self.inner.rules.compile(&grants)?, self.inner.rules.compile_apart(&changed)?);
                simulation.differences.extend(differences(user, &now, &then, &asked));
            }
        }
        Ok(simulation)
    }

    /// The users, in their order, each with what it was given.
    async fn with_grants<'a>(&self, users: &'a [User]) -> Result<Vec<(&'a User, Vec<Grant>)>, ControlError> {
        let ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
        let mut grants = self.within(self.inner.store.grants().of_all(&ids)).await?;
        Ok(users.iter().map(|user| (user, grants.remove(&user.id).unwrap_or_default())).collect())
    }

    /// The roles of the users, by user: a new policy is for those who have a role, whatever else the role has.
    async fn roles_that_count(
        &self,
        change: &PolicyChange,
        users: &[User],
    ) -> Result<BTreeMap<String, Vec<Role>>, ControlError> {
        if change.policy.is_some() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
        self.within(self.inner.store.roles().of_users(&ids)).await
    }

    /// What a change names must be there: of nothing no difference would be told.
    async fn check_named(&self, change: &PolicyChange) -> Result<(), ControlError> {
        let not_there = |error, pointer: &str| match error {
            ControlError::NotFound { what, .. } => ControlError::fault(pointer, format!("must be the id of a {what}")),
            other => other,
        };
        if let Some(policy) = &change.policy {
            let found = self.within(self.inner.store.policies().get(policy)).await;
            return found.map(drop).map_err(|error| not_there(error, "/permission_policy_id"));
        }
        if change.roles.len() > MAX_ROLES {
            return Err(ControlError::fault("/roles", format!("must hold at most {MAX_ROLES} roles")));
        }
        for (number, role) in change.roles.iter().enumerate() {
            let found = self.within(self.inner.store.roles().get(role)).await;
            found.map_err(|error| not_there(error, &format!("/roles/{number}")))?;
        }
        Ok(())
    }

    async fn asked<'a>(
        &self,
        actor: &Actor,
        questions: &'a [Question],
    ) -> Result<Vec<(&'a Question, Facts)>, ControlError> {
        let mut asked = Vec::with_capacity(questions.len());
        for question in questions {
            asked.push((question, self.facts_shown_to(actor, &question.object).await?));
        }
        Ok(asked)
    }
}

/// Why a user may do nothing now, if so.
fn shut_out(user: &User) -> Option<ShutOut> {
    match user {
        User { active: false, .. } => Some(ShutOut::Inactive),
        User { must_change_password: true, .. } => Some(ShutOut::MustChangePassword),
        _ => None,
    }
}

/// What would be decided otherwise for a user.
fn differences<'a>(
    user: &'a User,
    now: &'a Access,
    then: &'a Access,
    asked: &'a [(&Question, Facts)],
) -> impl Iterator<Item = Difference> + 'a {
    asked.iter().filter_map(move |(question, facts)| {
        let (names, target) = (question.action.names(), facts.target());
        (now.allows(names, &target) != then.allows(names, &target)).then(|| Difference {
            user_id: user.id.clone(),
            username: user.username.clone(),
            action: question.action,
            object: question.object.describe(),
            now: now.explain(names, &target),
            then: then.explain(names, &target),
        })
    })
}

/// A change of one policy that is not made, only thought of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyChange {
    /// The policy changed; `None`: a new one.
    pub policy: Option<String>,
    /// Its document then; `None`: it is taken from everybody.
    pub document: Option<Value>,
    /// Roles that would get a new policy.
    pub roles: Vec<String>,
}

impl PolicyChange {
    fn check(&self) -> Result<(), ControlError> {
        let Some(document) = &self.document else { return Ok(()) };
        let parsed = model::policy::PolicyDocument::parse(document);
        parsed.map(drop).map_err(|faults| within_pointer("/policy_document", faults).into())
    }

    /// The grants of a user with these roles after the change; none when it does not concern the user.
    fn applied_to(&self, grants: &[Grant], roles: &[Role]) -> Option<Vec<Grant>> {
        match (&self.policy, &self.document) {
            (Some(policy), document) => {
                grants.iter().any(|grant| grant.policy == *policy).then(|| replaced(grants, policy, document.as_ref()))
            }
            (None, Some(document)) => self.added(grants, roles, document),
            (None, None) => None,
        }
    }

    fn added(&self, grants: &[Grant], roles: &[Role], document: &Value) -> Option<Vec<Grant>> {
        let gaining = roles.iter().filter(|role| self.roles.contains(&role.id)).map(|role| Grant {
            role: Some(GrantingRole { id: role.id.clone(), name: role.name.clone() }),
            policy: "new".to_owned(),
            name: "new".to_owned(),
            document: document.to_string(),
        });
        let gaining: Vec<Grant> = gaining.collect();
        (!gaining.is_empty()).then(|| grants.iter().cloned().chain(gaining).collect())
    }
}

fn replaced(grants: &[Grant], policy: &str, document: Option<&Value>) -> Vec<Grant> {
    let changed = grants.iter().filter_map(|grant| {
        if grant.policy != policy {
            return Some(grant.clone());
        }
        document.map(|document| Grant { document: document.to_string(), ..grant.clone() })
    });
    changed.collect()
}
