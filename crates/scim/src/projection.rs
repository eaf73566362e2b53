//! Which attributes an answer holds (RFC 7644, section 3.9).

use serde_json::{Map, Value};

use crate::error::{Error, ErrorType};
use crate::json::{Object, get};
use crate::path::AttributePath;
use crate::schema::{Definition, Place};

/// What stays of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    only: Option<Vec<AttributePath>>,
    without: Vec<AttributePath>,
}

impl Projection {
    /// Reads the parameters `attributes` and `excludedAttributes`: lists with commas.
    ///
    /// # Errors
    /// [`ErrorType::InvalidValue`] for what is no attribute's name, or when both are given.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let read = |text: &str| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            let paths: Result<Vec<_>, _> = names.map(AttributePath::parse).collect();
            paths.map_err(|error| Error::of(ErrorType::InvalidValue, error.detail))
        };
        let given =
            |text: Option<&str>| text.map(read).transpose().map(|paths| paths.filter(|paths| !paths.is_empty()));
        match (given(attributes)?, given(excluded)?) {
            (Some(_), Some(_)) => {
                Err(Error::of(ErrorType::InvalidValue, "give attributes or excludedAttributes, not both"))
            }
            (only, without) => Ok(Self { only, without: without.unwrap_or_default() }),
        }
    }

    /// Whether anything of an attribute stays, so that it must be looked up.
    pub fn wants(&self, attribute: &str) -> bool {
        let names = |path: &AttributePath| path.attribute.eq_ignore_ascii_case(attribute);
        match &self.only {
            Some(only) => only.iter().any(names),
            None => !self.without.iter().any(|path| names(path) && path.sub.is_none()),
        }
    }

    /// What stays. `schemas`, and what is always answered, stays in any case.
    pub fn apply(&self, definition: &Definition, resource: Object) -> Object {
        match &self.only {
            Some(only) => keep(definition, only, &resource),
            None => remove(definition, &self.without, resource),
        }
    }
}

fn is_always(definition: &Definition, name: &str) -> bool {
    name == "schemas" || definition.attributes.iter().any(|attribute| attribute.always && attribute.name == name)
}

fn keep(definition: &Definition, only: &[AttributePath], resource: &Object) -> Object {
    let always = resource.iter().filter(|(name, _)| is_always(definition, name));
    let mut kept: Object = always.map(|(name, value)| (name.clone(), value.clone())).collect();
    for path in only {
        if let Some(extension) = path.schema.as_deref().and_then(|urn| definition.extension(urn))
            && path.attribute.is_empty()
        {
            kept.extend(get(resource, extension.urn).map(|value| (extension.urn.to_owned(), value.clone())));
            continue;
        }
        let Some(place) = definition.find(path) else { continue };
        match place.extension {
            None => keep_place(place, resource, &mut kept),
            Some(extension) => {
                let Some(Value::Object(from)) = resource.get(extension.urn) else { continue };
                let slot = kept.entry(extension.urn).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(into) = slot {
                    keep_place(place, from, into);
                }
            }
        }
    }
    kept
}

fn keep_place(place: Place, from: &Object, into: &mut Object) {
    let name = place.attribute.name;
    let Some(value) = from.get(name) else { return };
    let Some(sub) = place.sub else {
        into.insert(name.to_owned(), value.clone());
        return;
    };
    let part = |value: &Value| value.get(sub.name).map(|part| (sub.name.to_owned(), part.clone()));
    match (value, into.get_mut(name)) {
        // A second part of the same attribute joins the first.
        (Value::Array(elements), Some(Value::Array(kept))) => {
            for (element, kept) in elements.iter().zip(kept.iter_mut().filter_map(Value::as_object_mut)) {
                kept.extend(part(element));
            }
        }
        (value, Some(Value::Object(kept))) => kept.extend(part(value)),
        (Value::Array(elements), _) => {
            let parts = elements.iter().map(|element| Value::Object(part(element).into_iter().collect()));
            into.insert(name.to_owned(), parts.collect());
        }
        (value, _) => {
            into.insert(name.to_owned(), Value::Object(part(value).into_iter().collect()));
        }
    }
}

fn remove(definition: &Definition, without: &[AttributePath], mut resource: Object) -> Object {
    for path in without {
        if let Some(extension) = path.schema.as_deref().and_then(|urn| definition.extension(urn))
            && path.attribute.is_empty()
        {
            resource.remove(extension.urn);
            continue;
        }
        let Some(place) = definition.find(path) else { continue };
        let object = match place.extension {
            None => Some(&mut resource),
            Some(extension) => resource.get_mut(extension.urn).and_then(Value::as_object_mut),
        };
        let Some(object) = object.filter(|_| !is_always(definition, place.attribute.name)) else { continue };
        match (place.sub, object.get_mut(place.attribute.name)) {
            (None, _) => drop(object.remove(place.attribute.name)),
            (Some(sub), Some(Value::Array(elements))) => {
                elements.iter_mut().filter_map(Value::as_object_mut).for_each(|element| drop(element.remove(sub.name)));
            }
            (Some(sub), Some(Value::Object(value))) => drop(value.remove(sub.name)),
            _ => {}
        }
    }
    resource
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::USER;

    #[test]
    fn attributes_stay_or_go() {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let ann = json!({
            "schemas": ["s"], "id": "1", "userName": "ann", "name": { "givenName": "A", "familyName": "E" },
            "emails": [{ "value": "a", "type": "work" }], enterprise: { "department": "d", "division": "v" },
        });
        let apply = |attributes: Option<&str>, excluded: Option<&str>| {
            let Value::Object(ann) = ann.clone() else { unreachable!() };
            let projection = Projection::parse(attributes, excluded).unwrap();
            let mut left = projection.apply(&USER, ann);
            assert!(left.remove("schemas").is_some() && left.remove("id").is_some());
            Value::Object(left)
        };
        let department = format!("{enterprise}:department");
        let cases = [
            (Some("USERNAME"), None, json!({ "userName": "ann" })),
            (
                Some("name.givenName, emails.value,nothing"),
                None,
                json!({ "name": { "givenName": "A" }, "emails": [{ "value": "a" }] }),
            ),
            (Some("emails.value,emails.type"), None, json!({ "emails": [{ "value": "a", "type": "work" }] })),
            (Some(department.as_str()), None, json!({ enterprise: { "department": "d" } })),
            (Some(enterprise), None, json!({ enterprise: { "department": "d", "division": "v" } })),
            (
                None,
                Some("id,emails,name.givenName,schemas"),
                json!({ "userName": "ann", "name": { "familyName": "E" }, enterprise: { "department": "d", "division": "v" } }),
            ),
        ];
        for (attributes, excluded, expected) in cases {
            assert_eq!(apply(attributes, excluded), expected, "{attributes:?} {excluded:?}");
        }
        assert!(Projection::parse(Some("a"), Some("b")).is_err());
        assert!(Projection::parse(Some("a b"), None).is_err());
        let wants = |attributes, excluded| Projection::parse(attributes, excluded).unwrap().wants("members");
        assert!(wants(None, None) && wants(Some("members.value"), None) && wants(None, Some("members.display")));
        assert!(!wants(Some("displayName"), None) && !wants(None, Some("Members")));
    }
}
