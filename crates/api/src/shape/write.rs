//! The write shape: what clients may send along although it belongs to the path or to us.

use model::{Fault, Kind, ResourceId, ResourceKey};
use serde_json::{Map, Value};

use crate::error::{ApiError, ApiResult};

/// Fields of answers that clients send back as they came.
const READ_ONLY: [&str; 6] =
    ["create_time", "update_time", "created_at", "updated_at", "validity_start", "validity_end"];

/// A resource's body without what the path says already; that must agree with the path.
pub(crate) fn body_of(key: &ResourceKey, value: Value) -> ApiResult<Value> {
    let Value::Object(mut fields) = value else {
        return Err(Fault::new("", "value must be an object").into());
    };
    if key.kind != Kind::PluginMetadata {
        READ_ONLY.iter().for_each(|name| drop(fields.remove(*name)));
    }
    for name in own_id_fields(key.kind) {
        take_own_id(&mut fields, name, key)?;
    }
    match key.kind {
        Kind::Consumer => username_from_path(&mut fields, key)?,
        Kind::Service => describe_upstream(&mut fields),
        _ => {}
    }
    Ok(Value::Object(fields))
}

/// The id of a resource to be made by POST: the one in its body, or a new one.
pub(crate) fn id_of_new(kind: Kind, value: &Value) -> ApiResult<ResourceId> {
    let (name, given) = given(kind, value);
    match given {
        Some(Value::String(text)) => {
            ResourceId::new(text).map_err(|error| Fault::new(format!("/{name}"), error.to_string()).into())
        }
        // APISIX's documentation shows ids as numbers too.
        Some(Value::Number(number)) => {
            ResourceId::new(number.to_string()).map_err(|error| Fault::new("/id", error.to_string()).into())
        }
        Some(_) => Err(Fault::new(format!("/{name}"), "value must be a string").into()),
        None if matches!(kind, Kind::Consumer | Kind::PluginMetadata) => {
            Err(Fault::new("", format!("property {name:?} is missing")).into())
        }
        None => ResourceId::new(uuid::Uuid::new_v4().to_string()).map_err(|_| ApiError::internal()),
    }
}

/// The id that a resource brings along; `None` where it would be given one, or brings what is none.
pub(crate) fn given_id(kind: Kind, value: &Value) -> Option<String> {
    match given(kind, value).1? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The field that has the id of a new resource, and what is in it.
fn given(kind: Kind, value: &Value) -> (&'static str, Option<Value>) {
    let names: &[&'static str] = if kind == Kind::Consumer { &["username"] } else { own_id_fields(kind) };
    match names.iter().find_map(|name| Some((*name, value.get(name)?.clone()))) {
        Some((name, given)) => (name, Some(given)),
        None if kind == Kind::GlobalRule => ("id", only_plugin(value)),
        None => (names.first().copied().unwrap_or("id"), None),
    }
}

/// A global rule with one plugin is known by that plugin's name.
fn only_plugin(value: &Value) -> Option<Value> {
    let plugins = value.get("plugins")?.as_object()?;
    let mut names = plugins.keys();
    let first = names.next()?;
    names.next().is_none().then(|| Value::String(first.clone()))
}

fn own_id_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &["id", "service_id"],
        Kind::Route => &["id", "route_id"],
        Kind::StreamRoute => &["id", "stream_route_id"],
        _ => &["id"],
    }
}

fn take_own_id(fields: &mut Map<String, Value>, name: &str, key: &ResourceKey) -> ApiResult<()> {
    let agrees = match fields.remove(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text == key.id.as_str(),
        // As in APISIX's documentation, which shows ids as numbers too.
        Some(Value::Number(number)) => number.to_string() == key.id.as_str(),
        Some(_) => false,
    };
    if agrees { Ok(()) } else { Err(must_be_path(name, key)) }
}

/// The username is part of a consumer, so it stays; left out, it is the one in the path.
fn username_from_path(fields: &mut Map<String, Value>, key: &ResourceKey) -> ApiResult<()> {
    let of_path = Value::String(key.id.to_string());
    let username = fields.entry("username").or_insert_with(|| of_path.clone());
    // Another type is left to the validator, which says what is right.
    if username.is_string() && *username != of_path { Err(must_be_path("username", key)) } else { Ok(()) }
}

/// API7's client renames a service's description and leaves that of the upstream in it as its users wrote it.
fn describe_upstream(fields: &mut Map<String, Value>) {
    let upstream = fields.get_mut("upstream").and_then(Value::as_object_mut);
    if let Some(upstream) = upstream.filter(|upstream| !upstream.contains_key("desc"))
        && let Some(description) = upstream.remove("description")
    {
        upstream.insert("desc".to_owned(), description);
    }
}

fn must_be_path(name: &str, key: &ResourceKey) -> ApiError {
    Fault::new(format!("/{name}"), format!("value must be {:?}, the id in the path", key.id.as_str())).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kind: Kind, id: &str) -> ResourceKey {
        ResourceKey::new(kind, ResourceId::new(id).expect("id"))
    }

    #[test]
    fn a_service_loses_its_own_id_and_a_route_keeps_its_reference() {
        let service = json!({"service_id": "s1", "id": "s1", "name": "a", "created_at": 1, "update_time": 2});
        assert_eq!(body_of(&key(Kind::Service, "s1"), service).expect("service"), json!({"name": "a"}));
        let route = json!({"route_id": "r1", "service_id": "s1"});
        assert_eq!(body_of(&key(Kind::Route, "r1"), route).expect("route"), json!({"service_id": "s1"}));
    }

    #[test]
    fn a_service_s_upstream_may_be_described_in_the_client_s_words() {
        let body = |upstream: Value| json!({ "upstream": upstream });
        let read = |upstream: Value| body_of(&key(Kind::Service, "s1"), body(upstream)).expect("a service");
        assert_eq!(read(json!({ "description": "a" })), body(json!({ "desc": "a" })));
        let both = json!({ "desc": "a", "description": "b" });
        assert_eq!(read(both.clone()), body(both));
    }

    #[test]
    fn an_id_other_than_the_path_s_is_refused() {
        assert!(body_of(&key(Kind::Route, "r1"), json!({"id": "r2"})).is_err());
        assert!(body_of(&key(Kind::Route, "7"), json!({"id": 7})).is_ok());
        assert!(body_of(&key(Kind::Route, "7"), json!({"id": 8})).is_err());
        assert!(body_of(&key(Kind::Consumer, "jack"), json!({"username": "jill"})).is_err());
        assert!(body_of(&key(Kind::Route, "r1"), json!([])).is_err());
        assert_eq!(body_of(&key(Kind::Consumer, "jack"), json!({})).expect("jack"), json!({"username": "jack"}));
    }

    #[test]
    fn a_new_resource_takes_the_id_it_brings() {
        assert_eq!(id_of_new(Kind::Route, &json!({"id": "r1"})).expect("id").as_str(), "r1");
        assert_eq!(id_of_new(Kind::Route, &json!({"id": 7})).expect("id").as_str(), "7");
        assert_eq!(id_of_new(Kind::Consumer, &json!({"username": "jack"})).expect("id").as_str(), "jack");
        assert_eq!(id_of_new(Kind::GlobalRule, &json!({"plugins": {"cors": {}}})).expect("id").as_str(), "cors");
        assert!(id_of_new(Kind::Route, &json!({"id": "a b"})).is_err());
        assert!(id_of_new(Kind::Consumer, &json!({})).is_err());
        assert!(id_of_new(Kind::Route, &json!({})).is_ok());
    }
}
