//! Whether a filter makes sense for a sort of resource, and whether a resource meets it.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Filter, Literal, Operator};
use crate::error::{Error, ErrorType};
use crate::json::{Object, get, is_unassigned};
use crate::path::AttributePath;
use crate::schema::{Attribute, Definition, Kind, Mutability, named};

impl Filter {
    /// Whether every attribute exists and can be compared so.
    ///
    /// # Errors
    /// [`ErrorType::InvalidFilter`].
    pub fn check(&self, definition: &Definition) -> Result<(), Error> {
        match self {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|part| part.check(definition)),
            Filter::Not(part) => part.check(definition),
            Filter::Present(path) => compared(definition, path).map(drop),
            Filter::Compare(path, operator, literal) => {
                let attribute = compared(definition, path)?;
                check_comparison(path, attribute.value_part().unwrap_or(attribute), *operator, literal)
            }
            Filter::Within(path, part) => match definition.find(path) {
                Some(place) if place.sub.is_none() => part.check_within(place.attribute),
                _ => Err(unknown(path)),
            },
        }
    }

    /// The same for what stands in brackets behind an attribute.
    pub(crate) fn check_within(&self, attribute: &'static Attribute) -> Result<(), Error> {
        match self {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|part| part.check_within(attribute)),
            Filter::Not(part) => part.check_within(attribute),
            Filter::Present(path) => part_of(attribute, path).map(drop).ok_or_else(|| unknown(path)),
            Filter::Compare(path, operator, literal) => {
                let part = part_of(attribute, path).ok_or_else(|| unknown(path))?;
                check_comparison(path, part, *operator, literal)
            }
            Filter::Within(path, _) => Err(unknown(path)),
        }
    }

    /// Whether a resource meets it.
    pub fn matches(&self, definition: &Definition, resource: &Object) -> bool {
        match self {
            Filter::And(parts) => parts.iter().all(|part| part.matches(definition, resource)),
            Filter::Or(parts) => parts.iter().any(|part| part.matches(definition, resource)),
            Filter::Not(part) => !part.matches(definition, resource),
            Filter::Present(path) => !values(definition, resource, path).1.is_empty(),
            Filter::Compare(path, operator, literal) => {
                let (attribute, values) = values(definition, resource, path);
                attribute.is_some_and(|attribute| compare(attribute, &values, *operator, literal))
            }
            Filter::Within(path, part) => {
                let Some(place) = definition.find(path) else { return false };
                let within = match place.extension {
                    Some(extension) => get(resource, extension.urn).and_then(Value::as_object),
                    None => Some(resource),
                };
                let value = within.and_then(|within| get(within, place.attribute.name));
                value.is_some_and(|value| each(value).any(|element| part.matches_element(place.attribute, element)))
            }
        }
    }

    /// Whether one value of a list meets what stands in brackets.
    pub(crate) fn matches_element(&self, attribute: &'static Attribute, element: &Value) -> bool {
        match self {
            Filter::And(parts) => parts.iter().all(|part| part.matches_element(attribute, element)),
            Filter::Or(parts) => parts.iter().any(|part| part.matches_element(attribute, element)),
            Filter::Not(part) => !part.matches_element(attribute, element),
            Filter::Present(path) => !part_value(element, path).is_empty(),
            Filter::Compare(path, operator, literal) => part_of(attribute, path)
                .is_some_and(|part| compare(part, &part_value(element, path), *operator, literal)),
            Filter::Within(..) => false,
        }
    }
}

/// The attribute or part that a path names.
fn compared(definition: &Definition, path: &AttributePath) -> Result<&'static Attribute, Error> {
    let place = definition.find(path).ok_or_else(|| unknown(path))?;
    let attribute = place.sub.unwrap_or(place.attribute);
    if attribute.mutability == Mutability::WriteOnly {
        return Err(unknown(path));
    }
    Ok(attribute)
}

fn check_comparison(
    path: &AttributePath,
    attribute: &Attribute,
    operator: Operator,
    literal: &Literal,
) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::of(ErrorType::InvalidFilter, format!("{path} {why}")));
    let is_equality = matches!(operator, Operator::Eq | Operator::Ne);
    match (attribute.kind, literal) {
        (_, Literal::Null) if is_equality => Ok(()),
        (_, Literal::Null) => wrong("can be compared with null by eq and ne alone"),
        (Kind::Complex(_), _) => wrong("has parts: compare one of them"),
        (Kind::Bool, Literal::Bool(_)) if is_equality => Ok(()),
        (Kind::Bool, Literal::Text(text)) if is_equality && truth_of(text).is_some() => Ok(()),
        (Kind::Bool, _) => wrong("is true or false: compare it with these by eq or ne"),
        (Kind::Moment, Literal::Text(text)) if moment(text).is_none() => wrong("is a moment: 2026-01-31T12:00:00Z"),
        (_, Literal::Text(_)) => Ok(()),
        _ => wrong("is a text: put the value into double quotes"),
    }
}

fn unknown(path: &AttributePath) -> Error {
    Error::of(ErrorType::InvalidFilter, format!("there is no attribute {path} to filter by"))
}

/// The attribute whose values are compared, and its values.
fn values<'a>(
    definition: &Definition,
    resource: &'a Object,
    path: &AttributePath,
) -> (Option<&'static Attribute>, Vec<&'a Value>) {
    let Some(place) = definition.find(path) else { return (None, Vec::new()) };
    let within = match place.extension {
        Some(extension) => get(resource, extension.urn).and_then(Value::as_object),
        None => Some(resource),
    };
    let value = within.and_then(|within| get(within, place.attribute.name));
    let part = place.sub.or_else(|| place.attribute.value_part());
    let found = value.into_iter().flat_map(each).filter_map(|element| match part {
        Some(part) => get(element.as_object()?, part.name),
        None => Some(element),
    });
    (Some(part.unwrap_or(place.attribute)), found.filter(|value| !is_unassigned(value)).collect())
}

fn each(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(elements) => Box::new(elements.iter()),
        one => Box::new(std::iter::once(one)),
    }
}

fn part_of(attribute: &'static Attribute, path: &AttributePath) -> Option<&'static Attribute> {
    if path.schema.is_some() || path.sub.is_some() {
        return None;
    }
    named(attribute.parts(), &path.attribute)
}

fn part_value<'a>(element: &'a Value, path: &AttributePath) -> Vec<&'a Value> {
    let value = element.as_object().and_then(|element| get(element, &path.attribute));
    value.filter(|value| !is_unassigned(value)).into_iter().collect()
}

fn compare(attribute: &Attribute, values: &[&Value], operator: Operator, literal: &Literal) -> bool {
    match (operator, literal) {
        (Operator::Eq, Literal::Null) => values.is_empty(),
        (Operator::Ne, Literal::Null) => !values.is_empty(),
        (Operator::Ne, _) => !compare(attribute, values, Operator::Eq, literal),
        _ => values.iter().any(|value| compare_one(attribute, value, operator, literal)),
    }
}

fn compare_one(attribute: &Attribute, value: &Value, operator: Operator, literal: &Literal) -> bool {
    match (attribute.kind, value, literal) {
        (Kind::Bool, Value::Bool(value), Literal::Bool(wanted)) => value == wanted,
        (Kind::Bool, Value::Bool(value), Literal::Text(wanted)) => truth_of(wanted) == Some(*value),
        (Kind::Moment, Value::String(value), Literal::Text(wanted)) if is_order(operator) => {
            moment(value).zip(moment(wanted)).is_some_and(|(value, wanted)| ordered(value.cmp(&wanted), operator))
        }
        (_, Value::String(value), Literal::Text(wanted)) => match attribute.case_exact {
            true => compare_texts(value, wanted, operator),
            false => compare_texts(&value.to_lowercase(), &wanted.to_lowercase(), operator),
        },
        _ => false,
    }
}

fn compare_texts(value: &str, wanted: &str, operator: Operator) -> bool {
    match operator {
        Operator::Co => value.contains(wanted),
        Operator::Sw => value.starts_with(wanted),
        Operator::Ew => value.ends_with(wanted),
        _ => ordered(value.cmp(wanted), operator),
    }
}

fn is_order(operator: Operator) -> bool {
    !matches!(operator, Operator::Co | Operator::Sw | Operator::Ew)
}

fn ordered(ordering: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Eq => ordering.is_eq(),
        Operator::Gt => ordering.is_gt(),
        Operator::Ge => ordering.is_ge(),
        Operator::Lt => ordering.is_lt(),
        Operator::Le => ordering.is_le(),
        Operator::Ne | Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

/// Entra ID writes truth values as texts.
fn truth_of(text: &str) -> Option<bool> {
    [true, false].into_iter().find(|value| text.eq_ignore_ascii_case(if *value { "true" } else { "false" }))
}

fn moment(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::USER;

    #[test]
    fn resources_are_found() {
        let Value::Object(ann) = json!({
            "id": "1", "userName": "Ann@Example.com", "externalId": "X", "active": true, "title": "Chef",
            "name": { "givenName": "Ann" }, "meta": { "created": "2026-01-02T00:00:00Z" },
            "emails": [{ "value": "ann@example.com", "type": "work" }, { "value": "a@home", "type": "home" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "Pay" },
        }) else {
            unreachable!()
        };
        let cases = [
            ("userName eq \"ann@example.COM\"", true),
            ("userName ne \"ann@example.com\"", false),
            ("externalId eq \"x\"", false),
            ("externalId eq \"X\"", true),
            ("active eq true and active eq \"True\"", true),
            ("active ne true", false),
            ("title pr", true),
            ("nickName pr", false),
            ("nickName eq null", true),
            ("title eq null", false),
            ("nickName ne \"x\"", true),
            ("emails eq \"a@home\"", true),
            ("emails.value sw \"ANN\"", true),
            ("emails[type eq \"work\" and value sw \"ann\"]", true),
            ("emails[type eq \"home\" and value sw \"ann\"]", false),
            ("emails[not (type eq \"home\")]", true),
            ("emails[type eq \"work\"].value ew \".com\"", true),
            ("name.givenName co \"nn\"", true),
            ("name.givenName gt \"anm\"", true),
            ("name.givenName lt \"anm\"", false),
            ("meta.created gt \"2026-01-01T23:59:59.5Z\"", true),
            ("meta.created ge \"2026-01-02T01:00:00+01:00\"", true),
            ("meta.created lt \"2026-01-02T00:00:00Z\"", false),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"pay\"", true),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName pr", true),
            ("not (title pr) or id eq \"1\"", true),
        ];
        for (text, expected) in cases {
            let filter = Filter::parse(text).unwrap();
            filter.check(&USER).unwrap();
            assert_eq!(filter.matches(&USER, &ann), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for text in [
            "nothing eq \"x\"",
            "password eq \"x\"",
            "password pr",
            "name eq \"x\"",
            "active gt true",
            "active eq \"maybe\"",
            "userName eq 1",
            "userName gt null",
            "meta.created gt \"yesterday\"",
            "emails[nothing pr]",
            "emails[value eq 1]",
            "emails.value[type pr]",
            "not (a pr)",
        ] {
            let error = Filter::parse(text).unwrap().check(&USER).unwrap_err();
            assert_eq!(error.scim_type, Some(ErrorType::InvalidFilter), "{text}");
        }
    }
}
