//! What would be decided, and why: `can-i`, and what a change of a policy would change.

use std::collections::BTreeMap;

use model::GroupId;
use model::policy::{Access, Explanation, Scope};
use serde_json::Value;
use store::iam::access::{Grant, GrantingRole};
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
    /// Why the actor itself, or another user, may or may not do something. Asking about others takes
    /// [`Action::GetUser`] on them.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn explain(
        &self,
        actor: &Actor,
        user: Option<&str>,
        question: &Question,
    ) -> Result<Explanation, ControlError> {
        let facts = self.facts_of(&question.object, Coming::default()).await?;
        let explained = |access: &Access| access.explain(question.action.names(), &facts.target());
        let Some(user) = user.filter(|user| actor.user_id() != Some(user)) else {
            return Ok(explained(actor.access()));
        };
        self.get_user(actor, user).await?;
        let (_, grants) = self.within(self.inner.store.grants().of(user)).await?;
        Ok(explained(&self.inner.rules.compile(&grants)?))
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
        let asked = self.asked(questions).await?;
        let first = UserFilter { page: Some(Page::new(1, MAX_USERS)), ..UserFilter::default() };
        let users = self.within(self.inner.store.users().list(&first, &Scope::Everything)).await?;
        let is_partial = users.total > u64::from(MAX_USERS);
        let mut simulation = Simulation { differences: Vec::new(), users: users.list.len(), is_partial };
        for users in users.list.chunks(USERS_AT_ONCE) {
            for (user, grants) in self.with_grants(users).await? {
                let Some(changed) = change.applied_to(&grants) else { continue };
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

    async fn asked<'a>(&self, questions: &'a [Question]) -> Result<Vec<(&'a Question, Facts)>, ControlError> {
        let mut asked = Vec::with_capacity(questions.len());
        for question in questions {
            asked.push((question, self.facts_of(&question.object, Coming::default()).await?));
        }
        Ok(asked)
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

    /// A user's grants after the change; none when it does not concern the user.
    fn applied_to(&self, grants: &[Grant]) -> Option<Vec<Grant>> {
        match (&self.policy, &self.document) {
            (Some(policy), document) => {
                grants.iter().any(|grant| grant.policy == *policy).then(|| replaced(grants, policy, document.as_ref()))
            }
            (None, Some(document)) => self.added(grants, document),
            (None, None) => None,
        }
    }

    fn added(&self, grants: &[Grant], document: &Value) -> Option<Vec<Grant>> {
        let roles: BTreeMap<&str, &GrantingRole> =
            grants.iter().filter_map(|grant| grant.role.as_ref()).map(|role| (role.id.as_str(), role)).collect();
        let gaining: Vec<Grant> = self
            .roles
            .iter()
            .filter_map(|role| roles.get(role.as_str()))
            .map(|role| Grant {
                role: Some((*role).clone()),
                policy: "new".to_owned(),
                name: "new".to_owned(),
                document: document.to_string(),
            })
            .collect();
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
