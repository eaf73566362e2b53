//! Removing, unless others still refer to it.

use control::configuration::Operation;
use http::StatusCode;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};
use store::config::{ResourceFilter, StoredResource};

use super::refusal::Refusal;
use super::target::{Target, word};
use super::{Answer, Asked, answer_json, entry};

/// Who may refer to a kind, and by which field.
fn referring(kind: Kind) -> &'static [(Kind, &'static str)] {
    match kind {
        Kind::Service => &[(Kind::Route, "service_id"), (Kind::StreamRoute, "service_id")],
        Kind::Upstream => {
            &[(Kind::Route, "upstream_id"), (Kind::Service, "upstream_id"), (Kind::StreamRoute, "upstream_id")]
        }
        Kind::PluginConfig => &[(Kind::Route, "plugin_config_id")],
        Kind::ConsumerGroup => &[(Kind::Consumer, "group_id")],
        _ => &[],
    }
}

/// Whether those that refer to it may rely on it for their protection: without a plugin config a route could lose its
/// authentication, without a consumer group its members their limits. Nobody is to lose these unseen.
fn guards(kind: Kind) -> bool {
    matches!(kind, Kind::PluginConfig | Kind::ConsumerGroup)
}

/// Removes a resource. `force` removes it though others refer to it: they lose the reference, and what stands below a
/// service goes with it.
pub(super) async fn delete(asked: &Asked, target: &Target) -> Answer {
    let id = target.id().ok_or_else(|| Refusal::bad_request(format!("missing {} id", target.word())))?;
    let key = target.key(id)?;
    let (actor, group) = (&asked.caller.actor, &asked.caller.group);
    asked.control.get_resource(actor, group, &key).await?;
    let referrers = referrers(asked, &key).await?;
    let is_forced = asked.query.is_true("force") && !guards(key.kind);
    if let Some((stored, _)) = referrers.first().filter(|_| !is_forced) {
        return Err(Refusal::bad_request(in_use(&key, stored)));
    }
    let freed = referrers.into_iter().filter(|_| key.kind != Kind::Service);
    let freed: Result<Vec<_>, _> = freed.map(|(stored, field)| without(&stored, field)).collect();
    let operations: Vec<_> = freed?.into_iter().chain([Operation::Delete { key: key.clone() }]).collect();
    asked.control.batch(actor, group, operations, None).await?;
    Ok(answer_json(StatusCode::OK, &json!({ "deleted": "1", "key": entry::path(&key) })))
}

async fn referrers(asked: &Asked, key: &ResourceKey) -> Result<Vec<(StoredResource, &'static str)>, Refusal> {
    let mut found = Vec::new();
    for (kind, field) in referring(key.kind) {
        let filter = ResourceFilter::new(*kind);
        let all = asked.control.list_resources(&asked.caller.actor, &asked.caller.group, &filter).await?;
        let refers = |stored: &StoredResource| {
            let body: Value = serde_json::from_slice(&stored.body).unwrap_or_default();
            body[*field].as_str() == Some(key.id.as_str())
        };
        found.extend(all.list.into_iter().filter(refers).map(|stored| (stored, *field)));
    }
    Ok(found)
}

fn without(stored: &StoredResource, field: &str) -> Result<Operation, Refusal> {
    let mut body: Value = serde_json::from_slice(&stored.body).map_err(|error| Refusal::internal(&error))?;
    if let Some(fields) = body.as_object_mut() {
        fields.remove(field);
    }
    Ok(Operation::Put { key: stored.key.clone(), body })
}

fn in_use(key: &ResourceKey, by: &StoredResource) -> String {
    let (what, user) = (word(key.kind), word(by.key.kind).replace(' ', "_"));
    let directly = if key.kind == Kind::Service { " directly" } else { "" };
    format!("can not delete this {what}{directly}, {user} [{}] is still using it now", by.key.id)
}
