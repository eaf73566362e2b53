//! From attributes of an identity to roles and to the policies that bound them.
//!
//! ```json
//! {
//!   "role_mapping": [{ "attribute": "groups", "operator": "exact_match", "value": "gateway-admins", "roles": ["1"] }],
//!   "boundary_mapping": [{ "attribute": "/realm_access/roles", "operator": "present", "permission_policies": ["7"] }]
//! }
//! ```
//! Pure: the caller re-evaluates it at each login and lets the result replace what was assigned before.

use std::borrow::Cow;
use std::collections::BTreeSet;

use model::{Fault, Faults};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most rules of one kind.
const RULES_MAX: usize = 1000;

/// Both mappings of a login option.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Who gets which roles.
    pub role_mapping: Vec<RoleRule>,
    /// Whom which permission policies bound.
    pub boundary_mapping: Vec<BoundaryRule>,
}

/// Gives roles to those whom the condition fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRule {
    /// Whom it fits.
    #[serde(flatten)]
    pub condition: Condition,
    /// Ids of roles; at least one.
    pub roles: Vec<String>,
}

/// Bounds the permissions of those whom the condition fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryRule {
    /// Whom it fits.
    #[serde(flatten)]
    pub condition: Condition,
    /// Ids of permission policies; at least one.
    pub permission_policies: Vec<String>,
}

/// A question about one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The attribute: its name, names joined by dots (`realm_access.roles`), or a JSON pointer (`/realm_access/roles`).
    pub attribute: String,
    /// How it is looked at.
    pub operator: Operator,
    /// What it is compared with; nothing for `present`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How an attribute is looked at. Of a list one fitting element is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The same text, number or truth value.
    ExactMatch,
    /// A text that contains the value.
    ContainsString,
    /// Anything but null, an empty text and an empty list.
    Present,
}

impl Mapping {
    /// The roles that the rules give to somebody with these attributes.
    pub fn roles(&self, attributes: &Map<String, Value>) -> BTreeSet<String> {
        let fitting = self.role_mapping.iter().filter(|rule| rule.condition.fits(attributes));
        fitting.flat_map(|rule| rule.roles.iter().cloned()).collect()
    }

    /// The permission policies that bound somebody with these attributes; none bounds nothing.
    pub fn boundaries(&self, attributes: &Map<String, Value>) -> BTreeSet<String> {
        let fitting = self.boundary_mapping.iter().filter(|rule| rule.condition.fits(attributes));
        fitting.flat_map(|rule| rule.permission_policies.iter().cloned()).collect()
    }

    /// Reads and checks both mappings.
    ///
    /// # Errors
    /// Every fault, each with its JSON pointer and what would be right.
    pub fn parse(body: &Value) -> Result<Self, Faults> {
        let mapping: Self = crate::config::read(body)?;
        let roles = mapping.role_mapping.iter().map(|rule| (&rule.condition, &rule.roles));
        let bounds = mapping.boundary_mapping.iter().map(|rule| (&rule.condition, &rule.permission_policies));
        let mut faults = faults(roles, "/role_mapping", "roles");
        faults.extend(self::faults(bounds, "/boundary_mapping", "permission_policies"));
        if faults.is_empty() { Ok(mapping) } else { Err(Faults(faults)) }
    }
}

/// What is wrong with the rules at `pointer`, whose ids stand in `field`.
fn faults<'r>(
    rules: impl ExactSizeIterator<Item = (&'r Condition, &'r Vec<String>)>,
    pointer: &str,
    field: &str,
) -> Vec<Fault> {
    if rules.len() > RULES_MAX {
        return vec![Fault::new(pointer, "must be at most 1000 rules")];
    }
    let mut faults = Vec::new();
    for (n, (condition, ids)) in rules.enumerate() {
        faults.extend(condition.fault().map(|fault| fault.under(&format!("{pointer}/{n}"))));
        if ids.is_empty() || ids.iter().any(String::is_empty) {
            faults.push(Fault::new(format!("{pointer}/{n}/{field}"), "must be a list of ids with at least one"));
        }
    }
    faults
}

impl Condition {
    /// Whether it fits somebody with these attributes. An attribute that is not there fits nothing.
    pub fn fits(&self, attributes: &Map<String, Value>) -> bool {
        found(attributes, &self.attribute).is_some_and(|value| self.fits_value(value))
    }

    fn fits_value(&self, value: &Value) -> bool {
        if let Value::Array(elements) = value {
            return elements.iter().any(|element| self.fits_value(element));
        }
        match (self.operator, &self.value) {
            (Operator::Present, _) => !matches!(value, Value::Null) && value != "",
            (Operator::ExactMatch, Some(wanted)) => text(value).is_some_and(|text| text == wanted.as_str()),
            (Operator::ContainsString, Some(wanted)) => {
                value.as_str().is_some_and(|text| !wanted.is_empty() && text.contains(wanted.as_str()))
            }
            (Operator::ExactMatch | Operator::ContainsString, None) => false,
        }
    }

    fn fault(&self) -> Option<Fault> {
        if self.attribute.is_empty() {
            return Some(Fault::new("/attribute", "must be an attribute's name, path or JSON pointer"));
        }
        // Every text contains the empty one: such a rule would give its roles to everybody.
        let is_right = match self.operator {
            Operator::Present => self.value.as_deref().unwrap_or_default().is_empty(),
            Operator::ExactMatch | Operator::ContainsString => {
                self.value.as_ref().is_some_and(|value| !value.is_empty())
            }
        };
        let right = "must be a text for exact_match and contains_string, and absent for present";
        (!is_right).then(|| Fault::new("/value", right))
    }
}

/// What stands at a path. A name may have dots and slashes itself (`https://example.com/groups`): whole names go first.
fn found<'v>(attributes: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let Some(pointer) = path.strip_prefix('/') else { return by_dots(attributes, path) };
    let mut names = pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
    let first = attributes.get(&names.next()?)?;
    names.try_fold(first, |value, name| match value {
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

fn by_dots<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let below = |(at, _)| {
        let inner = object.get(path.get(..at)?)?.as_object()?;
        by_dots(inner, path.get(at + 1..)?)
    };
    object.get(path).or_else(|| path.match_indices('.').find_map(below))
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
