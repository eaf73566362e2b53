//! Whether a statement speaks of an action on a target. What is cheap and most often differs comes first.

use super::document::Statement;
use super::pattern::Pattern;
use super::target::Target;

pub(super) fn statement_matches(statement: &Statement, actions: &[&str], target: &Target<'_>) -> bool {
    action_matches(statement, actions)
        && resource_matches(statement, target)
        && statement.conditions.iter().all(|condition| condition.holds(target.facts()))
}

pub(super) fn action_matches(statement: &Statement, actions: &[&str]) -> bool {
    any_matches(&statement.actions, actions.iter().copied())
}

pub(super) fn resource_matches(statement: &Statement, target: &Target<'_>) -> bool {
    any_matches(&statement.resources, target.arns())
}

fn any_matches<'a>(patterns: &[Pattern], mut texts: impl Iterator<Item = &'a str>) -> bool {
    texts.any(|text| patterns.iter().any(|pattern| pattern.matches(text)))
}
