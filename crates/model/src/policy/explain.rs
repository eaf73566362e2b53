//! Why an action is allowed or not, in terms of policies, roles and labels.

use serde::Serialize;

use super::access::{Access, Policy};
use super::condition::{Condition, ConditionKey, Test};
use super::decide::{action_matches, resource_matches, statement_matches};
use super::document::{Effect, Statement};
use super::target::Target;

/// More would help nobody.
const MOST_NEAR_MISSES: usize = 20;

/// The answer to "may they, and why".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether the action is allowed.
    pub allowed: bool,
    /// The accepted names of the action.
    pub actions: Vec<String>,
    /// The ARNs of the object.
    pub resources: Vec<String>,
    /// The statement that denies; or, for each of roles and caps that allow, the first statement that does. Empty for who
    /// may do everything by being the control plane.
    pub decided_by: Vec<StatementRef>,
    /// What stands in the way; empty if allowed.
    pub missing: Vec<Missing>,
}

/// A statement, and how one comes by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementRef {
    /// The policy's id.
    pub policy_id: String,
    /// The policy's name.
    pub policy_name: String,
    /// Its place in the policy's document, from 0.
    pub statement: usize,
    /// Allow or deny.
    pub effect: Effect,
    /// Through which role or cap.
    pub via: Via,
}

/// How one comes by a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Via {
    /// Through a role.
    Role {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// As a part of a cap.
    Cap {
        /// Its name.
        name: String,
    },
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Missing {
    /// A statement denies; it is in `decided_by`.
    Denied,
    /// No role has a policy that allows it.
    NoRoleAllows {
        /// Statements that nearly do.
        near_misses: Vec<NearMiss>,
    },
    /// A cap has no policy that allows it.
    CapDoesNotAllow {
        /// The cap's name.
        cap: String,
        /// Statements that nearly do.
        near_misses: Vec<NearMiss>,
    },
    /// The user may do nothing at all as things stand, whatever its roles allow.
    ShutOut {
        /// Why.
        reason: ShutOut,
    },
}

/// Why a user may do nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutOut {
    /// It may not come in.
    Inactive,
    /// It must choose another password first.
    MustChangePassword,
}

/// A statement that would allow, but for one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The statement.
    pub statement: StatementRef,
    /// What does not fit.
    pub shortfall: Shortfall,
}

/// What does not fit; the closest misses first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Shortfall {
    /// Action and object fit, conditions do not hold.
    Conditions {
        /// Those that do not.
        failed: Vec<FailedCondition>,
    },
    /// The action fits, the object does not.
    Resource {
        /// What the statement is about.
        resources: Vec<String>,
    },
    /// The object fits, the action does not.
    Action {
        /// What the statement is about.
        actions: Vec<String>,
    },
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FailedCondition {
    /// What it looks at.
    pub key: ConditionKey,
    /// The label; none for boundaries.
    pub label: Option<String>,
    /// `exact_match`, `contains_string`, `present` or `all_of_strings`.
    pub operator: &'static str,
    /// What it has to be; none for `present`.
    pub wanted: Option<String>,
    /// What it is; none when it is missing or hidden.
    pub found: Option<String>,
    /// Whether the asker may not see it. Then all that the condition asks for is told, whichever of it does not hold.
    pub hidden: bool,
    /// Whether the object has such a thing at all: a role has no `gateway_group_label`.
    pub applies: bool,
}

impl Explanation {
    /// The answer for a user who may do nothing at all.
    pub fn shut_out(reason: ShutOut, actions: &[&str], target: &Target<'_>) -> Self {
        Self { missing: vec![Missing::ShutOut { reason }], ..Self::undecided(false, actions, target) }
    }

    fn undecided(allowed: bool, actions: &[&str], target: &Target<'_>) -> Self {
        Self {
            allowed,
            actions: actions.iter().map(|&name| name.to_owned()).collect(),
            resources: target.arns().map(str::to_owned).collect(),
            decided_by: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// A policy, and how one comes by it.
struct Held<'a> {
    policy: &'a Policy,
    via: Via,
}

pub(super) fn explain(access: &Access, actions: &[&str], target: &Target<'_>) -> Explanation {
    let question = Question { actions, target };
    let mut explanation = Explanation::undecided(access.allows(actions, target), actions, target);
    if access.is_unlimited() && access.roles.is_empty() {
        return explanation;
    }
    let roles = roles(access);
    let caps: Vec<_> = access.caps.iter().map(|cap| (cap.name.clone(), cap_policies(cap))).collect();
    let everyone = roles.iter().chain(caps.iter().flat_map(|(_, policies)| policies));
    if let Some(denying) = everyone.filter_map(|held| question.first(held, Effect::Deny)).next() {
        explanation.decided_by.push(denying);
        explanation.missing.push(Missing::Denied);
        return explanation;
    }
    match question.first_of(&roles) {
        Some(allowing) => explanation.decided_by.push(allowing),
        None => explanation.missing.push(Missing::NoRoleAllows { near_misses: question.near_misses(&roles) }),
    }
    for (cap, policies) in caps {
        match question.first_of(&policies) {
            Some(allowing) => explanation.decided_by.push(allowing),
            None => {
                let near_misses = question.near_misses(&policies);
                explanation.missing.push(Missing::CapDoesNotAllow { cap, near_misses });
            }
        }
    }
    explanation
}

fn roles(access: &Access) -> Vec<Held<'_>> {
    let roles = access.roles.iter().map(|attached| Held {
        policy: &attached.policy,
        via: Via::Role { id: attached.role.id.clone(), name: attached.role.name.clone() },
    });
    roles.collect()
}

fn cap_policies(cap: &super::access::Cap) -> Vec<Held<'_>> {
    let policies = cap.policies.iter();
    policies.map(|policy| Held { policy, via: Via::Cap { name: cap.name.clone() } }).collect()
}

struct Question<'a> {
    actions: &'a [&'a str],
    target: &'a Target<'a>,
}

impl Question<'_> {
    fn first_of(&self, policies: &[Held<'_>]) -> Option<StatementRef> {
        policies.iter().find_map(|held| self.first(held, Effect::Allow))
    }

    /// The policy's first statement with this effect that speaks of the action on the target.
    fn first(&self, held: &Held<'_>, effect: Effect) -> Option<StatementRef> {
        let speaks = |statement: &Statement| {
            statement.effect == effect && statement_matches(statement, self.actions, self.target)
        };
        let at = held.policy.document.statements().iter().position(speaks)?;
        Some(reference(held, at, effect))
    }

    fn near_misses(&self, policies: &[Held<'_>]) -> Vec<NearMiss> {
        let mut found = Vec::new();
        for held in policies {
            for (at, statement) in held.policy.document.statements().iter().enumerate() {
                let shortfall = if statement.effect == Effect::Allow { self.shortfall(statement) } else { None };
                found.extend(shortfall.map(|shortfall| (shortfall, held, at)));
            }
        }
        // Stable: among equals the order of policies stays.
        found.sort_by_key(|(shortfall, ..)| match shortfall {
            Shortfall::Conditions { .. } => 0,
            Shortfall::Resource { .. } => 1,
            Shortfall::Action { .. } => 2,
        });
        found.truncate(MOST_NEAR_MISSES);
        let named = found.into_iter();
        named
            .map(|(shortfall, held, at)| NearMiss { statement: reference(held, at, Effect::Allow), shortfall })
            .collect()
    }

    fn shortfall(&self, statement: &Statement) -> Option<Shortfall> {
        let texts = |patterns: &[super::Pattern]| patterns.iter().map(|one| one.as_str().to_owned()).collect();
        match (action_matches(statement, self.actions), resource_matches(statement, self.target)) {
            (true, true) => {
                let failed = statement.conditions.iter().flat_map(|condition| failures(condition, self.target));
                Some(Shortfall::Conditions { failed: failed.collect() })
            }
            (true, false) => Some(Shortfall::Resource { resources: texts(&statement.resources) }),
            (false, true) => Some(Shortfall::Action { actions: texts(&statement.actions) }),
            (false, false) => None,
        }
    }
}

fn reference(held: &Held<'_>, statement: usize, effect: Effect) -> StatementRef {
    let Policy { id, name, .. } = held.policy;
    StatementRef { policy_id: id.clone(), policy_name: name.clone(), statement, effect, via: held.via.clone() }
}

fn failures(condition: &Condition, target: &Target<'_>) -> Vec<FailedCondition> {
    if condition.holds(target.facts()) {
        return Vec::new();
    }
    let hidden = target.facts().is_hidden(condition.key);
    match &condition.test {
        Test::Labels(matches) => {
            let labels = target.facts().labels(condition.key);
            let failed = matches.iter().filter(|one| hidden || !labels.is_some_and(|labels| one.holds(labels)));
            let failed = failed.map(|one| FailedCondition {
                key: condition.key,
                label: Some(one.label.clone()),
                operator: one.test.operator(),
                wanted: one.test.value().map(str::to_owned),
                found: labels.and_then(|labels| labels.get(&one.label)).filter(|_| !hidden).cloned(),
                hidden,
                applies: labels.is_some(),
            });
            failed.collect()
        }
        Test::Boundaries(policies) => vec![FailedCondition {
            key: condition.key,
            label: None,
            operator: "all_of_strings",
            wanted: Some(policies.join(", ")),
            found: target.facts().boundaries().filter(|_| !hidden).map(|has| has.join(", ")),
            hidden,
            applies: target.facts().boundaries().is_some(),
        }],
    }
}
