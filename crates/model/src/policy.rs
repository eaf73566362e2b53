//! Who may do what: the language of permission policies and its decision.
//!
//! A user has roles, a role has policies, a policy has statements: allow or deny [`Pattern`]s of actions on patterns of
//! ARNs ([`arn`]), under conditions on labels. [`PolicyDocument::parse`] reads them, [`Access`] decides with them:
//! [`Access::allows`] for one object, [`Access::scope`] for a list that a store filters, [`Access::explain`] for people.
//! `docs/PERMISSIONS.md` tells users of it.

pub mod arn;

mod access;
mod condition;
mod decide;
mod document;
mod explain;
mod fields;
mod pattern;
mod scope;
mod target;
mod warnings;

pub use access::{Access, Attached, Cap, Policy, Role};
pub use condition::{Condition, ConditionKey, LabelMatch, LabelTest, Test};
pub use document::{Effect, MAX_DOCUMENT_BYTES, MAX_STATEMENTS, PolicyDocument, Statement};
pub use explain::{Explanation, FailedCondition, Missing, NearMiss, Shortfall, ShutOut, StatementRef, Via};
pub use pattern::{MAX_PATTERN_BYTES, Pattern};
pub use scope::{LabelValue, ListTarget, Predicate, RowArn, Scope};
pub use target::Target;

#[cfg(test)]
mod tests;
