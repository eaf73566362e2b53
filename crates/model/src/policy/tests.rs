//! The language and its decisions, seen from outside.

mod decisions;
mod documents;
mod examples;
mod explanations;
mod scopes;
mod speed;
mod warnings;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Access, Attached, Cap, Policy, PolicyDocument, Role};
use crate::label::Labels;

/// A policy named `name` with these statements.
fn policy(name: &str, statements: Value) -> Arc<Policy> {
    let document = PolicyDocument::parse(&json!({ "statement": statements })).expect("a document");
    Arc::new(Policy { id: format!("id-of-{name}"), name: name.into(), document })
}

fn attached(policy: Arc<Policy>) -> Attached {
    let role = Role { id: format!("role-of-{}", policy.name), name: format!("{} role", policy.name) };
    Attached { policy, role: Arc::new(role) }
}

/// What one policy with these statements gives.
fn access(statements: Value) -> Access {
    Access::new(vec![attached(policy("own", statements))], Vec::new())
}

fn cap(name: &str, statements: Value) -> Cap {
    Cap { name: name.into(), policies: vec![policy(name, statements)] }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
