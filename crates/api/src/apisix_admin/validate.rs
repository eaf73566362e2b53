//! Checks that store nothing: of one resource by its schema, of a whole configuration by everything that APISIX checks
//! without looking at what is stored.

use std::collections::BTreeSet;

use axum::response::IntoResponse;
use http::StatusCode;
use model::{Faults, Kind, ResourceId, ResourceKey};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{Answer, Asked, answer_json, check, definitions, refusal, unknown};
use crate::error::ApiError;
use crate::shape;

/// `POST schema/validate/{plural}`: 200 when it fits.
pub(super) fn one(asked: &Asked, plural: &str) -> Answer {
    let kind = kind_of(plural)
        .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("Unsupported resource type: {plural}")))?;
    let body = asked.json()?.unwrap_or_default();
    definitions::check(kind, &body).map_err(Refusal::bad_request)?;
    Ok(StatusCode::OK.into_response())
}

fn kind_of(plural: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.plural() == plural)
}

/// `POST configs/validate`: 200 when all of it is good, else every fault.
pub(super) fn all(asked: &Asked) -> Answer {
    let empty = || Refusal::bad_request("invalid request body: empty request body");
    let body = asked.json()?.ok_or_else(empty)?;
    let mut errors = Vec::new();
    for kind in Kind::ALL {
        errors.extend(version_fault(&body, kind));
        let items = body[kind.plural()].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.extend(faults(asked, kind, items));
    }
    if errors.is_empty() {
        return Ok(StatusCode::OK.into_response());
    }
    let body = json!({ "error_msg": "Configuration validation failed", "errors": errors });
    Ok(answer_json(StatusCode::BAD_REQUEST, &body))
}

/// The version that a client keeps beside the items of a kind is a number; what else it is bears the name that Lua has for it.
fn version_fault(body: &Value, kind: Kind) -> Option<Value> {
    let field = format!("{}_conf_version", kind.plural());
    let found = match body.get(&field)? {
        Value::Number(_) | Value::Bool(false) => return None,
        Value::Bool(true) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
        Value::Null => "userdata",
    };
    Some(json!({ "resource_type": kind.plural(), "error": format!("{field} must be a number, got {found}") }))
}

fn faults(asked: &Asked, kind: Kind, items: &[Value]) -> Vec<Value> {
    let (mut errors, mut seen) = (Vec::new(), BTreeSet::new());
    for (index, item) in items.iter().enumerate() {
        let mut tell = |error: String| {
            errors.push(json!({ "resource_type": kind.plural(), "index": index, "error": error }));
        };
        if let Err(text) = check_item(asked, kind, item.clone()) {
            tell(format!("invalid {} at index {index}, err: {text}", kind.plural()));
        }
        if let Some((what, id)) = identity(kind, item).filter(|(_, id)| !seen.insert(id.clone())) {
            tell(format!("found duplicate {what} {id} in {}", kind.plural()));
        }
    }
    errors
}

fn identity(kind: Kind, item: &Value) -> Option<(&'static str, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match (text(&item["id"]), kind) {
        (Some(id), Kind::Consumer) => Some(("credential id", id)),
        (None, Kind::Consumer) => Some(("username", text(&item["username"])?)),
        (id, _) => Some(("id", id?)),
    }
}

/// Credentials stand among the consumers, secrets are named by manager and id.
fn check_item(asked: &Asked, kind: Kind, mut item: Value) -> Result<(), String> {
    let id = identity(kind, &item).map(|(_, id)| id).unwrap_or_default();
    let kind = if kind == Kind::Consumer && id.contains("/credentials/") { Kind::Credential } else { kind };
    let last = id.rsplit('/').next().unwrap_or_default();
    let own = match kind {
        Kind::Secret if !id.contains('/') => return Err(format!("invalid secret id: {id}")),
        Kind::Secret => id.replacen('/', ".", 1),
        _ if last.is_empty() => "0".to_owned(),
        _ => last.to_owned(),
    };
    if let Some(fields) = item.as_object_mut() {
        match kind {
            Kind::Credential => drop(fields.insert("id".into(), own.as_str().into())),
            Kind::Consumer | Kind::Secret => drop(fields.remove("id")),
            _ => {}
        }
    }
    let key = ResourceKey::new(kind, ResourceId::new(own).map_err(|error| error.to_string())?);
    check::check(asked.control.plugins(), &key, &mut item)?;
    let mut body = shape::body_of(&key, item).map_err(ApiError::into_message)?;
    unknown::leave_out(kind, &mut body);
    let read = model::validate::validate(kind, &body).map(drop);
    read.and_then(|()| alone(asked, &key, body)).map_err(|faults| refusal::first(faults).unwrap_or_default())
}

/// What plugins and certificates say, without what the item refers to: it may stand anywhere, or nowhere.
fn alone(asked: &Asked, key: &ResourceKey, mut body: Value) -> Result<(), Faults> {
    if let Some(fields) = body.as_object_mut() {
        check::REFERENCES.iter().for_each(|name| drop(fields.remove(*name)));
    }
    asked.control.fault_alone(key, &body).map_or(Ok(()), |fault| Err(Faults(vec![fault])))
}
