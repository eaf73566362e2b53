//! For which rows of a list an action is allowed: decided as far as possible here, the rest as a predicate for a store.

mod formula;
mod merge;
mod narrow;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::access::{Access, Policy};
use super::condition::{Condition, ConditionKey, LabelTest, Test};
use super::decide::action_matches;
use super::document::{Effect, Statement};
use super::target::Facts;
use crate::label::Labels;
use merge::Reach;

/// The rows of a list, seen before any is fetched.
///
/// An id in an ARN is never empty and has neither `/` nor `:`.
#[derive(Debug, Clone, Default)]
pub struct ListTarget<'a> {
    known_arns: Vec<Cow<'a, str>>,
    row_arns: Vec<RowArn>,
    facts: Facts<'a>,
    row_keys: Vec<ConditionKey>,
}

/// How the ARN of a row is made from its id; see [`RowArn::new`] and [`RowArn::nested`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowArn {
    prefix: String,
    infix: Option<String>,
}

impl RowArn {
    /// `prefix`, which ends with `/`, + the row's id: `arn:api7:gateway:gatewaygroup/`, `.../gatewaygroup/G1/publishedservice/`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), infix: None }
    }

    /// `prefix` + the id of what the row belongs to + `infix`, between `/`s, + the row's id: services of all groups have
    /// [`GATEWAY_GROUPS`](super::arn::GATEWAY_GROUPS) and [`PUBLISHED_SERVICES`](super::arn::PUBLISHED_SERVICES).
    pub fn nested(prefix: impl Into<String>, infix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), infix: Some(infix.into()) }
    }
}

impl<'a> ListTarget<'a> {
    /// Rows without an ARN of their own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every row has this ARN, too: consumers their group's.
    pub fn known(mut self, arn: impl Into<Cow<'a, str>>) -> Self {
        self.known_arns.push(arn.into());
        self
    }

    /// Every row has an ARN of this form, too. [`Predicate`] numbers them in the order of these calls, from 0; they end
    /// with the same id.
    pub fn rows(mut self, arn: RowArn) -> Self {
        self.row_arns.push(arn);
        self
    }

    /// Labels that are the same for every row: those of the group whose services are listed.
    pub fn labelled(mut self, key: ConditionKey, labels: &'a Labels) -> Self {
        self.facts.set_labels(key, Cow::Borrowed(labels));
        self
    }

    /// Each row has labels of its own for the conditions of this key (or boundaries, for
    /// [`ConditionKey::PermissionBoundaries`]).
    pub fn labelled_by_row(mut self, key: ConditionKey) -> Self {
        self.row_keys.push(key);
        self
    }
}

/// For which rows an action is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// For every one.
    Everything,
    /// For none.
    Nothing,
    /// For those of which this holds.
    Where(Predicate),
}

/// A condition on a row. Each holds or does not: what is missing makes it false, never SQL's NULL, or [`Not`](Self::Not)
/// would lose rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Predicate {
    /// Every part holds; at least two.
    All(Vec<Predicate>),
    /// Some part holds; at least two.
    Any(Vec<Predicate>),
    /// The part does not hold.
    Not(Box<Predicate>),
    /// The row's id is one of these; sorted, never empty.
    IdIn(Vec<String>),
    /// The row's id begins with this text, byte by byte.
    IdStartsWith(String),
    /// The row's id, whole, matches the regular expression: PostgreSQL's `~` and the crate `regex` agree on it. Anchored at
    /// both ends.
    IdMatches(String),
    /// The row's ARN is one of these; sorted, never empty.
    ArnIn {
        /// Which of the list target's ARNs of rows.
        arn: usize,
        /// Complete ARNs.
        values: Vec<String>,
    },
    /// The row's ARN begins with this text, byte by byte.
    ArnStartsWith {
        /// Which of the list target's ARNs of rows.
        arn: usize,
        /// The beginning.
        prefix: String,
    },
    /// The row's ARN, whole, matches the regular expression, as with [`IdMatches`](Self::IdMatches).
    ArnMatches {
        /// Which of the list target's ARNs of rows.
        arn: usize,
        /// Anchored at both ends; about the complete ARN.
        regex: String,
    },
    /// The row has such a label.
    Label {
        /// Whose label.
        key: ConditionKey,
        /// The label's key.
        label: String,
        /// What its value must be.
        value: LabelValue,
    },
    /// The row is a user who has each of these policies as a boundary.
    BoundedBy(Vec<String>),
}

impl Scope {
    /// How many questions are asked of a row: what a list costs its store grows with them.
    pub fn questions(&self) -> usize {
        match self {
            Scope::Everything | Scope::Nothing => 0,
            Scope::Where(predicate) => predicate.questions(),
        }
    }
}

impl Predicate {
    fn questions(&self) -> usize {
        match self {
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().map(Predicate::questions).sum(),
            Predicate::Not(part) => part.questions(),
            Predicate::BoundedBy(policies) => policies.len(),
            Predicate::IdIn(_)
            | Predicate::IdStartsWith(_)
            | Predicate::IdMatches(_)
            | Predicate::ArnIn { .. }
            | Predicate::ArnStartsWith { .. }
            | Predicate::ArnMatches { .. }
            | Predicate::Label { .. } => 1,
        }
    }
}

/// What the value of a row's label must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelValue {
    /// One of these; sorted, never empty.
    OneOf(Vec<String>),
    /// Has this part, case-sensitive.
    Contains(String),
    /// Whatever it is.
    Any,
}

pub(super) fn of(access: &Access, actions: &[&str], target: &ListTarget<'_>) -> Scope {
    let rows = Rows { actions, target };
    let roles: Vec<&Policy> = access.roles.iter().map(|attached| attached.policy.as_ref()).collect();
    let caps = access.caps.iter().map(|cap| cap.policies.iter().map(AsRef::as_ref).collect::<Vec<&Policy>>());
    let mut allowed = Vec::new();
    let mut denied = Vec::new();
    for policies in std::iter::once(roles).chain(caps) {
        allowed.push(rows.spoken_of(&policies, Effect::Allow));
        denied.push(rows.spoken_of(&policies, Effect::Deny));
    }
    allowed.push(formula::not(formula::any(denied)));
    match formula::all(allowed) {
        Predicate::All(parts) if parts.is_empty() => Scope::Everything,
        Predicate::Any(parts) if parts.is_empty() => Scope::Nothing,
        predicate => Scope::Where(predicate),
    }
}

struct Rows<'a> {
    actions: &'a [&'a str],
    target: &'a ListTarget<'a>,
}

impl Rows<'_> {
    /// The rows of which a statement with this effect speaks: statements with the same conditions become one, and so do
    /// those that differ in one label's value.
    fn spoken_of(&self, policies: &[&Policy], effect: Effect) -> Predicate {
        let mut by_conditions: BTreeMap<Vec<Predicate>, Reach> = BTreeMap::new();
        let statements = policies.iter().flat_map(|policy| policy.document.statements());
        for statement in statements.filter(|one| one.effect == effect && action_matches(one, self.actions)) {
            if let Some(conditions) = self.conditions(statement) {
                self.reach(statement, by_conditions.entry(conditions).or_default());
            }
        }
        let choices = by_conditions.into_iter().map(|(conditions, reach)| (conditions, reach.into_predicate()));
        formula::any(merge::by_value(choices.collect()).into_iter().map(|(mut conditions, reach)| {
            conditions.push(reach);
            formula::all(conditions)
        }))
    }

    /// What is left of a statement's conditions; none if one cannot hold.
    fn conditions(&self, statement: &Statement) -> Option<Vec<Predicate>> {
        let mut left = Vec::new();
        for condition in &statement.conditions {
            if self.target.row_keys.contains(&condition.key) {
                left.extend(by_row(condition));
            } else if !condition.holds(&self.target.facts) {
                return None;
            }
        }
        left.sort();
        left.dedup();
        Some(left)
    }

    fn reach(&self, statement: &Statement, reach: &mut Reach) {
        for pattern in &statement.resources {
            if self.target.known_arns.iter().any(|arn| pattern.matches(arn)) {
                reach.add_all();
            }
            for (n, arn) in self.target.row_arns.iter().enumerate() {
                reach.add(n, narrow::narrowed(pattern, arn));
            }
        }
    }
}

impl LabelValue {
    fn of(test: &LabelTest) -> Self {
        match test {
            LabelTest::Equals(value) => LabelValue::OneOf(vec![value.clone()]),
            LabelTest::Contains(part) => LabelValue::Contains(part.clone()),
            LabelTest::Present => LabelValue::Any,
        }
    }
}

fn by_row(condition: &Condition) -> Vec<Predicate> {
    match &condition.test {
        Test::Labels(matches) => {
            let label = |one: &super::LabelMatch| Predicate::Label {
                key: condition.key,
                label: one.label.clone(),
                value: LabelValue::of(&one.test),
            };
            matches.iter().map(label).collect()
        }
        Test::Boundaries(policies) => vec![Predicate::BoundedBy(policies.clone())],
    }
}
