//! What an action is done to.

use std::borrow::Cow;

use super::condition::ConditionKey;
use crate::label::Labels;

/// The object of an action: the names it goes by, and what conditions may ask of it.
#[derive(Debug, Clone, Default)]
pub struct Target<'a> {
    arns: Vec<Cow<'a, str>>,
    facts: Facts<'a>,
}

impl<'a> Target<'a> {
    /// The object with this ARN.
    pub fn new(arn: impl Into<Cow<'a, str>>) -> Self {
        Self { arns: vec![arn.into()], facts: Facts::default() }
    }

    /// The same object is known by this ARN, too (a consumer by its group's): a statement that matches any of them
    /// matches the object.
    pub fn also(mut self, arn: impl Into<Cow<'a, str>>) -> Self {
        self.arns.push(arn.into());
        self
    }

    /// Labels for the conditions of `key`: the object's own, or those of what it belongs to, as they are now.
    pub fn labelled(mut self, key: ConditionKey, labels: &'a Labels) -> Self {
        self.facts.set_labels(key, Cow::Borrowed(labels));
        self
    }

    /// As [`labelled`](Self::labelled), for labels that the caller need not keep.
    pub fn with_labels(mut self, key: ConditionKey, labels: Labels) -> Self {
        self.facts.set_labels(key, Cow::Owned(labels));
        self
    }

    /// The object is a user whose boundaries are these policies (or will be, by this action).
    pub fn bounded_by(mut self, policies: &'a [String]) -> Self {
        self.facts.set_boundaries(Cow::Borrowed(policies));
        self
    }

    /// Explanations do not tell what conditions of `key` find in the object; decisions are as without this.
    pub fn hiding(mut self, key: ConditionKey) -> Self {
        self.facts.hidden.push(key);
        self
    }

    /// All its ARNs; at least one.
    pub fn arns(&self) -> impl Iterator<Item = &str> {
        self.arns.iter().map(AsRef::as_ref)
    }

    pub(super) fn facts(&self) -> &Facts<'a> {
        &self.facts
    }
}

/// What conditions may ask: label sets by key, and a user's boundaries.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts<'a> {
    labels: Vec<(ConditionKey, Cow<'a, Labels>)>,
    boundaries: Option<Cow<'a, [String]>>,
    hidden: Vec<ConditionKey>,
}

impl<'a> Facts<'a> {
    pub(super) fn set_labels(&mut self, key: ConditionKey, labels: Cow<'a, Labels>) {
        self.labels.retain(|(own, _)| *own != key);
        self.labels.push((key, labels));
    }

    pub(super) fn set_boundaries(&mut self, policies: Cow<'a, [String]>) {
        self.boundaries = Some(policies);
    }

    pub(super) fn labels(&self, key: ConditionKey) -> Option<&Labels> {
        self.labels.iter().find(|(own, _)| *own == key).map(|(_, labels)| labels.as_ref())
    }

    pub(super) fn is_hidden(&self, key: ConditionKey) -> bool {
        self.hidden.contains(&key)
    }

    pub(super) fn boundaries(&self) -> Option<&[String]> {
        self.boundaries.as_deref()
    }
}
