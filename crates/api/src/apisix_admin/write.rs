//! Creating and changing.

use control::ControlError;
use control::configuration::Written;
use http::StatusCode;
use model::{Kind, ResourceKey};
use serde_json::Value;

use super::refusal::Refusal;
use super::target::Target;
use super::{Answer, Asked, answer_json, entry, schemas};
use crate::shape;

/// Kinds that clients name themselves.
const WITHOUT_POST: [Kind; 7] = [
    Kind::Consumer,
    Kind::Credential,
    Kind::ConsumerGroup,
    Kind::GlobalRule,
    Kind::PluginConfig,
    Kind::PluginMetadata,
    Kind::Secret,
];
/// Kinds that are replaced, not changed.
const WITHOUT_PATCH: [Kind; 4] = [Kind::Consumer, Kind::Credential, Kind::PluginMetadata, Kind::StreamRoute];

/// Creates (201) or replaces (200).
pub(super) async fn put(asked: &Asked, target: &Target) -> Answer {
    let mut body = configuration(asked)?;
    let id = id_of_put(target, &body)?;
    let key = target.key(&id)?;
    if target.kind == Kind::Secret {
        take_id(&mut body);
    }
    let body = checked(&key, body)?;
    let written = asked.control.put_resource(&asked.caller.actor, &asked.caller.group, key, body, None).await?;
    answer(&written)
}

/// Creates under an id of our choice.
pub(super) async fn post(asked: &Asked, target: &Target) -> Answer {
    refuse_method(target, "POST", &WITHOUT_POST)?;
    let body = configuration(asked)?;
    if target.id().is_some() || body.get("id").is_some() {
        return Err(Refusal::bad_request(format!("wrong {} id, do not need it", target.word())));
    }
    let key = target.key(&uuid::Uuid::now_v7().to_string())?;
    let body = checked(&key, body)?;
    let written = asked.control.create_resource(&asked.caller.actor, &asked.caller.group, key, body, None).await?;
    answer(&written)
}

/// Merges an object into the resource, or sets the part of it that the path names.
pub(super) async fn patch(asked: &Asked, target: &Target) -> Answer {
    refuse_method(target, "PATCH", &WITHOUT_PATCH)?;
    let id = target.id().ok_or_else(|| Refusal::bad_request(format!("missing {} id", target.word())))?;
    let key = target.key(id)?;
    let change = asked.json()?.ok_or_else(|| Refusal::bad_request("missing new configuration"))?;
    if !target.sub_path.is_empty() {
        return patch_part(asked, target, key, change).await;
    }
    if !change.is_object() {
        return Err(Refusal::bad_request("invalid configuration"));
    }
    let change = shape::body_of(&key, change)?;
    let written = asked.control.patch_resource(&asked.caller.actor, &asked.caller.group, key, change, None).await?;
    Ok(answer_json(StatusCode::OK, &entry::written(&written.resource)?))
}

/// Read, changed, and put back, again when another was faster.
async fn patch_part(asked: &Asked, target: &Target, key: ResourceKey, change: Value) -> Answer {
    loop {
        let (actor, group) = (&asked.caller.actor, &asked.caller.group);
        let (stored, head) = asked.control.get_resource(actor, group, &key).await?;
        let mut document: Value = serde_json::from_slice(&stored.body).map_err(|error| Refusal::internal(&error))?;
        // A route made through API7's API calls them paths.
        if target.sub_path.first().is_some_and(|part| part == "uris")
            && let Some(paths) = document.as_object_mut().and_then(|fields| fields.remove("paths"))
        {
            document["uris"] = paths;
        }
        set(&mut document, &target.sub_path, change.clone())?;
        let body = checked(&key, document)?;
        match asked.control.put_resource(actor, group, key.clone(), body, Some(head)).await {
            Ok(written) => return Ok(answer_json(StatusCode::OK, &entry::written(&written.resource)?)),
            Err(ControlError::Stale { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sets what the path names, objects on the way are made; null removes it.
fn set(document: &mut Value, path: &[String], value: Value) -> Result<(), Refusal> {
    let invalid = || Refusal::bad_request(format!("invalid sub-path: /{}", path.join("/")));
    let (last, way) = path.split_last().ok_or_else(invalid)?;
    let mut place = document;
    for part in way {
        place = match place {
            Value::Object(fields) => fields.entry(part.as_str()).or_insert_with(|| Value::Object(Default::default())),
            Value::Array(items) => part.parse().ok().and_then(|at: usize| items.get_mut(at)).ok_or_else(invalid)?,
            _ => return Err(invalid()),
        };
    }
    match place {
        Value::Object(fields) if value.is_null() => drop(fields.remove(last)),
        Value::Object(fields) => drop(fields.insert(last.clone(), value)),
        Value::Array(items) => *last.parse().ok().and_then(|at: usize| items.get_mut(at)).ok_or_else(invalid)? = value,
        _ => return Err(invalid()),
    }
    Ok(())
}

fn refuse_method(target: &Target, method: &str, kinds: &[Kind]) -> Result<(), Refusal> {
    if kinds.contains(&target.kind) {
        let message = format!("not supported `{method}` method for {}", target.word());
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message));
    }
    Ok(())
}

fn configuration(asked: &Asked) -> Result<Value, Refusal> {
    let body = asked.json()?.ok_or_else(|| Refusal::bad_request("missing configurations"))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(Refusal::bad_request("invalid configuration: wrong type: expected object"))
    }
}

/// The id in the path, else the one in the body; both must agree.
fn id_of_put(target: &Target, body: &Value) -> Result<String, Refusal> {
    let field = if target.kind == Kind::Consumer { "username" } else { "id" };
    let given = match &body[field] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let wrong = || Refusal::bad_request(format!("wrong {} id", target.word()));
    match (target.id(), given) {
        (Some(id), Some(given)) if target.kind != Kind::PluginMetadata && id != given => Err(wrong()),
        (Some(id), _) => Ok(id.to_owned()),
        (None, Some(given)) => Ok(given),
        (None, None) if target.kind == Kind::Consumer => {
            Err(Refusal::bad_request("invalid configuration: property \"username\" is required"))
        }
        (None, None) => Err(Refusal::bad_request(format!("missing {} id", target.word()))),
    }
}

/// A secret is stored under its manager's name and its own.
fn take_id(body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("id");
    }
}

/// The body as it is stored, when it has the shape of its kind.
fn checked(key: &ResourceKey, body: Value) -> Result<Value, Refusal> {
    let body = shape::body_of(key, body)?;
    schemas::check(key.kind, &body).map_err(|text| Refusal::bad_request(format!("invalid configuration: {text}")))?;
    Ok(body)
}

fn answer(written: &Written) -> Answer {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer_json(status, &entry::written(&written.resource)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_set_replaced_and_removed() {
        let mut document = json!({ "upstream": { "nodes": { "a:1": 1 } }, "methods": ["GET", "PUT"] });
        let mut change = |path: &str, value: Value| {
            let path: Vec<_> = path.split('/').map(str::to_owned).collect();
            set(&mut document, &path, value).is_ok()
        };
        assert!(change("upstream/nodes", json!({ "b:2": 2 })));
        assert!(change("upstream/timeout/read", json!(5)));
        assert!(change("methods/1", json!("POST")));
        assert!(change("desc", json!("x")) && change("desc", Value::Null));
        assert!(!change("methods/7", json!("POST")) && !change("methods/0/x", json!(1)));
        let expected =
            json!({ "upstream": { "nodes": { "b:2": 2 }, "timeout": { "read": 5 } }, "methods": ["GET", "POST"] });
        assert_eq!(document, expected);
    }
}
