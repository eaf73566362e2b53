//! Creating and changing.

use std::time::Duration;

use control::ControlError;
use control::configuration::Written;
use http::StatusCode;
use model::{Kind, ResourceId, ResourceKey};
use serde_json::Value;
use store::config::ResourceFilter;

use super::check::{self, Source};
use super::refusal::Refusal;
use super::target::Target;
use super::{Answer, Asked, answer_json, entry};

/// Kinds that clients name themselves.
pub(super) const WITHOUT_POST: [Kind; 7] = [
    Kind::Consumer,
    Kind::Credential,
    Kind::ConsumerGroup,
    Kind::GlobalRule,
    Kind::PluginConfig,
    Kind::PluginMetadata,
    Kind::Secret,
];
/// Kinds that are replaced, not changed.
pub(super) const WITHOUT_PATCH: [Kind; 5] =
    [Kind::Consumer, Kind::Credential, Kind::PluginMetadata, Kind::StreamRoute, Kind::Proto];

/// Creates (201) or replaces (200).
pub(super) async fn put(asked: &Asked, target: &Target) -> Answer {
    let mut body = configuration(asked)?;
    let id = match target.kind {
        Kind::Consumer => username(target, &body)?,
        _ => id_of_put(target, &body)?,
    };
    let key = target.key(&id)?;
    if target.kind == Kind::Secret {
        take_id(&mut body);
    }
    let body = checked(asked, &key, body, Source::Client).await?;
    let written = asked.control.put_resource(&asked.caller.actor, &asked.caller.group, key, body, None).await;
    let written = written.map_err(|error| refused(target.kind, error))?;
    expire(asked, &written).await?;
    answer(&written)
}

/// Creates under an id of our choice.
pub(super) async fn post(asked: &Asked, target: &Target) -> Answer {
    refuse_method(target, "POST", &WITHOUT_POST)?;
    let body = configuration(asked)?;
    if target.id().is_some() || body.get("id").is_some() {
        return Err(Refusal::bad_request(format!("wrong {} id, do not need it", target.word())));
    }
    let key = target.key(&new_id())?;
    let body = checked(asked, &key, body, Source::Client).await?;
    let written = asked.control.create_resource(&asked.caller.actor, &asked.caller.group, key, body, None).await?;
    expire(asked, &written).await?;
    answer(&written)
}

/// Lets the resource go after the seconds that `ttl` says.
async fn expire(asked: &Asked, written: &Written) -> Result<(), Refusal> {
    let Some(seconds) = asked.query.get("ttl").and_then(|ttl| ttl.trim().parse::<f64>().ok()) else { return Ok(()) };
    let Ok(after) = Duration::try_from_secs_f64(seconds) else { return Ok(()) };
    Ok(asked.control.expire_written(&asked.caller.group, written, after).await?)
}

/// Twenty digits that grow, as APISIX's ids do.
fn new_id() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:020}", since.as_nanos())
}

/// Merges an object into the resource, or sets the part of it that the path names. Read, changed, and put back; again
/// when another was faster.
pub(super) async fn patch(asked: &Asked, target: &Target) -> Answer {
    refuse_method(target, "PATCH", &WITHOUT_PATCH)?;
    let missing =
        if target.kind == Kind::Secret { "no secret id".into() } else { format!("missing {} id", target.word()) };
    let id = target.id().ok_or_else(|| Refusal::bad_request(missing))?;
    let change = asked.json()?.ok_or_else(|| Refusal::bad_request("missing new configuration"))?;
    if target.sub_path.is_empty() && !change.is_object() && !change.is_array() {
        return Err(Refusal::bad_request("invalid configuration"));
    }
    let key = target.key_of_stored(id)?;
    loop {
        let (actor, group) = (&asked.caller.actor, &asked.caller.group);
        let (stored, head) = asked.control.get_resource(actor, group, &key).await?;
        let mut document: Value = serde_json::from_slice(&stored.body).map_err(|error| Refusal::internal(&error))?;
        apply(target, &mut document, change.clone())?;
        if target.kind != Kind::Secret {
            id_of_put(target, &document)?;
        }
        let body = checked(asked, &key, document, Source::Changed).await?;
        match asked.control.put_resource(actor, group, key.clone(), body, Some(head)).await {
            Ok(written) => {
                expire(asked, &written).await?;
                return Ok(answer_json(StatusCode::OK, &entry::written(&written.resource)?));
            }
            Err(ControlError::Stale { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn apply(target: &Target, document: &mut Value, change: Value) -> Result<(), Refusal> {
    if target.sub_path.is_empty() {
        merge(document, change);
        return Ok(());
    }
    // A route made through API7's API calls them paths.
    if target.sub_path.first().is_some_and(|part| part == "uris")
        && let Some(paths) = document.as_object_mut().and_then(|fields| fields.remove("paths"))
    {
        document["uris"] = paths;
    }
    set(document, &target.sub_path, change)
}

/// Objects are merged, everything else is replaced; null removes.
fn merge(document: &mut Value, change: Value) {
    let (Value::Object(fields), Value::Object(change)) = (document, change) else { return };
    for (name, value) in change {
        match (fields.get_mut(&name), value) {
            (_, Value::Null) => drop(fields.remove(&name)),
            (Some(field @ Value::Object(_)), value @ Value::Object(_)) => merge(field, value),
            // An empty list is an empty object, too, and that changes nothing.
            (Some(Value::Object(_)), Value::Array(items)) if items.is_empty() => {}
            (_, value) => drop(fields.insert(name, value)),
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
    asked.json()?.ok_or_else(|| Refusal::bad_request("missing configurations"))
}

/// The id in the path, else the one in the body; both must agree.
fn id_of_put(target: &Target, body: &Value) -> Result<String, Refusal> {
    if target.kind == Kind::PluginMetadata {
        return target.id().map(str::to_owned).ok_or_else(|| Refusal::bad_request("missing plugin name"));
    }
    let given = body.get("id").map(|id| match id {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.as_u64().is_some_and(|number| number > 0) => Ok(number.to_string()),
        other => Err(other),
    });
    match (target.id(), given) {
        (Some(id), None) => Ok(id.to_owned()),
        (Some(id), Some(Ok(given))) if given == id => Ok(given),
        (Some(_), Some(_)) => Err(Refusal::bad_request(format!("wrong {} id", target.word()))),
        (None, Some(Ok(given))) => Ok(given),
        (None, None | Some(Err(Value::Bool(false)))) => {
            Err(Refusal::bad_request(format!("missing {} id", target.word())))
        }
        (None, Some(Err(_))) => Err(target.bad_id()),
    }
}

/// A consumer's name is its id. The whole is checked before the name is compared.
fn username(target: &Target, body: &Value) -> Result<String, Refusal> {
    check::consumer(body)?;
    let name = body["username"].as_str().unwrap_or_default();
    if target.id().is_some_and(|id| id != name) {
        return Err(Refusal::bad_request("wrong username"));
    }
    Ok(name.to_owned())
}

/// A secret is stored under its manager's name and its own.
fn take_id(body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("id");
    }
}

/// The body as it is stored, when it has the shape of its kind.
async fn checked(asked: &Asked, key: &ResourceKey, body: Value, source: Source) -> Result<Value, Refusal> {
    let mut body = check::checked(asked.control.plugins(), key, body, source)?;
    match key.kind {
        Kind::GlobalRule => refuse_twice(asked, key, &body).await?,
        Kind::Service => take_type(asked, &mut body).await?,
        _ => {}
    }
    refuse_server_certificate(asked, &body).await?;
    Ok(body)
}

/// A service whose upstream stands on its own has its type from that.
async fn take_type(asked: &Asked, service: &mut Value) -> Result<(), Refusal> {
    let Some(id) = service["upstream_id"].as_str().and_then(|id| ResourceId::new(id).ok()) else { return Ok(()) };
    let key = ResourceKey::new(Kind::Upstream, id);
    match asked.control.get_resource(&asked.caller.actor, &asked.caller.group, &key).await {
        Ok((upstream, _)) => {
            let upstream: Value = serde_json::from_slice(&upstream.body).unwrap_or_default();
            check::tell_type(service, upstream["scheme"].as_str());
            Ok(())
        }
        // Missing, it is told as the missing reference it is.
        Err(ControlError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What an upstream is shown is a certificate of type `client`.
async fn refuse_server_certificate(asked: &Asked, body: &Value) -> Result<(), Refusal> {
    let named = ["/tls/client_cert_id", "/upstream/tls/client_cert_id"].map(|pointer| body.pointer(pointer));
    let text = named.into_iter().flatten().find_map(Value::as_str);
    let Some(id) = text.and_then(|id| ResourceId::new(id).ok()) else { return Ok(()) };
    let key = ResourceKey::new(Kind::Ssl, id);
    match asked.control.get_resource(&asked.caller.actor, &asked.caller.group, &key).await {
        Ok((stored, _)) => {
            let certificate: Value = serde_json::from_slice(&stored.body).unwrap_or_default();
            if certificate["type"] == "client" {
                return Ok(());
            }
            let message = format!("failed to fetch ssl info by ssl id [{}], wrong ssl type", key.id);
            Err(Refusal::bad_request(message))
        }
        // Missing, it is told as the missing reference it is.
        Err(ControlError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A plugin runs once for all requests, so it stands in one global rule.
async fn refuse_twice(asked: &Asked, key: &ResourceKey, body: &Value) -> Result<(), Refusal> {
    let filter = ResourceFilter::new(Kind::GlobalRule);
    let rules = asked.control.list_resources(&asked.caller.actor, &asked.caller.group, &filter).await?;
    let names: Vec<&String> = body["plugins"].as_object().into_iter().flat_map(|plugins| plugins.keys()).collect();
    for rule in rules.list.iter().filter(|rule| rule.key != *key) {
        let other: Value = serde_json::from_slice(&rule.body).unwrap_or_default();
        if let Some(name) = names.iter().find(|name| other["plugins"].get(name.as_str()).is_some()) {
            let id = &rule.key.id;
            let message = format!("plugin '{name}' already exists in global rule with id '{id}'");
            return Err(Refusal::bad_request(message));
        }
    }
    Ok(())
}

/// A credential whose consumer is not there has words of its own.
fn refused(kind: Kind, error: ControlError) -> Refusal {
    let is_orphan = |faults: &model::Faults| faults.0.iter().any(|fault| fault.message.ends_with("does not exist"));
    match &error {
        ControlError::Invalid(faults) if kind == Kind::Credential && is_orphan(faults) => {
            Refusal::new(StatusCode::NOT_FOUND, "consumer not found")
        }
        _ => error.into(),
    }
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

    #[test]
    fn objects_are_merged_and_lists_replaced() {
        let mut document = json!({ "upstream": { "nodes": { "a:1": 1 }, "key": "k" }, "methods": ["GET", "PUT"] });
        merge(&mut document, json!({ "upstream": { "nodes": { "b:1": 2 }, "key": null }, "methods": ["POST"] }));
        assert_eq!(document, json!({ "upstream": { "nodes": { "a:1": 1, "b:1": 2 } }, "methods": ["POST"] }));
    }
}
