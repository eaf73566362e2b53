//! What a client sent, in our spelling and of the right kinds.

use serde_json::{Map, Value, json};

use super::{Attribute, Definition, Kind, Mutability, named};
use crate::error::{Error, ErrorType};
use crate::json::{Object, is_unassigned};

/// Longest text of one value.
const MAX_TEXT_BYTES: usize = 4096;
/// Most values of one attribute; the members of a group are bounded by the body alone.
const MAX_VALUES: usize = 100;
const MAX_MEMBERS: usize = 100_000;

impl Definition {
    /// Reads a resource: names in our spelling, what is unknown or read-only left out, what has no value left out.
    ///
    /// # Errors
    /// [`ErrorType::InvalidValue`] for a value of the wrong kind, [`ErrorType::InvalidSyntax`] for what is no object.
    pub fn read(&self, sent: &Value) -> Result<Object, Error> {
        let sent = sent.as_object().ok_or_else(|| {
            Error::of(ErrorType::InvalidSyntax, format!("a {} must be a JSON object", self.name.to_lowercase()))
        })?;
        let mut read = members(self.attributes, sent, "")?;
        for extension in self.extensions {
            let Some(Value::Object(own)) = crate::json::get(sent, extension.urn) else { continue };
            let own = members(extension.attributes, own, "")?;
            if !own.is_empty() {
                read.insert(extension.urn.to_owned(), Value::Object(own));
            }
        }
        Ok(read)
    }
}

fn members(attributes: &'static [Attribute], sent: &Object, above: &str) -> Result<Object, Error> {
    let mut read = Map::new();
    for (key, value) in sent {
        let Some(attribute) = named(attributes, key) else { continue };
        if attribute.mutability == Mutability::ReadOnly {
            continue;
        }
        let name = if above.is_empty() { attribute.name.to_owned() } else { format!("{above}.{}", attribute.name) };
        let value = attribute.read(value, &name)?;
        if !is_unassigned(&value) {
            read.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(read)
}

impl Attribute {
    /// A value in our spelling; `name` is for messages.
    pub(crate) fn read(&self, sent: &Value, name: &str) -> Result<Value, Error> {
        if !self.multi {
            // Some clients wrap single values into lists.
            let sent = match sent {
                Value::Array(elements) if elements.len() == 1 => elements.first().unwrap_or(sent),
                _ => sent,
            };
            return self.read_one(sent, name);
        }
        match sent {
            Value::Null => Ok(Value::Null),
            Value::Array(elements) => {
                let most = if self.name == "members" { MAX_MEMBERS } else { MAX_VALUES };
                if elements.len() > most {
                    return Err(Error::value(name, &format!("must have at most {most} values")));
                }
                let elements = elements.iter().map(|element| self.read_one(element, name));
                let elements = elements.filter(|element| !element.as_ref().is_ok_and(is_unassigned));
                Ok(Value::Array(elements.collect::<Result<_, _>>()?))
            }
            one => Ok(Value::Array(vec![self.read_one(one, name)?])),
        }
    }

    fn read_one(&self, sent: &Value, name: &str) -> Result<Value, Error> {
        match (self.kind, sent) {
            (_, Value::Null) => Ok(Value::Null),
            (Kind::Complex(parts), Value::Object(sent)) => members(parts, sent, name).map(Value::Object),
            // An e-mail address alone, the id of a member or manager alone.
            (Kind::Complex(_), Value::String(_)) if self.value_part().is_some() => {
                self.read_one(&json!({ "value": sent }), name)
            }
            (Kind::Complex(_), _) => Err(Error::value(name, "must be an object")),
            (Kind::Bool, sent) => {
                truth(sent).map(Value::Bool).ok_or_else(|| Error::value(name, "must be true or false"))
            }
            (_, Value::String(text)) if text.len() <= MAX_TEXT_BYTES => Ok(Value::String(text.clone())),
            (_, Value::String(_)) => Err(Error::value(name, &format!("must have at most {MAX_TEXT_BYTES} bytes"))),
            (_, Value::Number(number)) => Ok(Value::String(number.to_string())),
            _ => Err(Error::value(name, "must be a text")),
        }
    }
}

/// Entra ID writes truth values as texts: `"False"`.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::USER;
    use super::*;

    #[test]
    fn what_is_sent_is_read_in_our_spelling() {
        let read = USER.read(&json!({
            "schemas": ["x"], "id": "theirs", "USERNAME": "ann", "Active": "False", "unknown": 1, "title": null,
            "name": { "GIVENNAME": "Ann", "other": 1 }, "emails": { "value": "a@x", "Primary": "true" },
            "phoneNumbers": [], "nickName": ["A"],
            "URN:ietf:params:scim:schemas:extension:enterprise:2.0:user": { "Department": "d", "manager": "m", "costCenter": 7 },
        }));
        assert_eq!(
            Value::Object(read.unwrap()),
            json!({
                "userName": "ann", "active": false, "name": { "givenName": "Ann" }, "nickName": "A",
                "emails": [{ "value": "a@x", "primary": true }],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                    { "department": "d", "manager": { "value": "m" }, "costCenter": "7" },
            })
        );
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused() {
        let cases = [
            (json!([]), "invalidSyntax", "object"),
            (json!({ "userName": {} }), "invalidValue", "userName"),
            (json!({ "active": "maybe" }), "invalidValue", "active"),
            (json!({ "name": "Ann" }), "invalidValue", "name"),
            (json!({ "emails": [{ "value": [1, 2] }] }), "invalidValue", "emails.value"),
            (json!({ "title": "x".repeat(5000) }), "invalidValue", "title"),
            (json!({ "emails": vec![json!("a"); 101] }), "invalidValue", "emails"),
        ];
        for (sent, scim_type, named) in cases {
            let error = USER.read(&sent).unwrap_err();
            assert_eq!(error.scim_type.unwrap().name(), scim_type);
            assert!(error.detail.contains(named), "{error:?}");
        }
    }
}
