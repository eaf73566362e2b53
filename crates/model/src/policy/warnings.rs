//! What is no fault of a document but hardly what its author meant.

use super::arn::{HOLE, SHAPES};
use super::condition::{Condition, ConditionKey, Test};
use super::document::PolicyDocument;
use super::pattern::{Pattern, Token, can_match};

impl PolicyDocument {
    /// What can match nothing there is: a resource like no ARN, an action like none of `known_actions`, a condition on
    /// labels whose key is none of `labelled`.
    pub fn warnings(&self, known_actions: &[&str], labelled: &[ConditionKey]) -> Vec<String> {
        let shapes = SHAPES.map(shape);
        let mut warnings = Vec::new();
        for (n, statement) in self.statements().iter().enumerate() {
            for (m, pattern) in statement.resources.iter().enumerate() {
                if !shapes.iter().any(|shape| can_match(pattern.hir(), shape)) {
                    warnings.push(warning(n, "resources", m, pattern, no_resource(pattern)));
                }
            }
            for (m, pattern) in statement.actions.iter().enumerate() {
                if !known_actions.iter().any(|action| pattern.matches(action)) {
                    warnings.push(warning(n, "actions", m, pattern, "matches no action"));
                }
            }
            let idle = |condition: &&Condition| {
                matches!(condition.test, Test::Labels(_)) && !labelled.contains(&condition.key)
            };
            for condition in statement.conditions.iter().filter(idle) {
                let why =
                    "never holds, for nothing carries such labels yet; so the statement neither allows nor denies";
                warnings.push(format!("/statement/{n}/conditions/{}: {why}", condition.key.as_str()));
            }
        }
        warnings
    }
}

fn warning(statement: usize, field: &str, at: usize, pattern: &Pattern, what: &str) -> String {
    format!("/statement/{statement}/{field}/{at}: \"{}\" {what}", pattern.as_str())
}

fn no_resource(pattern: &Pattern) -> &'static str {
    let text = pattern.as_str();
    if text.starts_with("arn:") && !text.starts_with("arn:api7:") && !text.starts_with("arn:<") {
        "matches no resource; ARNs begin with arn:api7:"
    } else {
        "matches no resource"
    }
}

fn shape(text: &str) -> Vec<Token> {
    Token::all(text).map(|token| if token == Token::Char(HOLE) { Token::Id } else { token }).collect()
}
