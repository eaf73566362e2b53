//! Removing, unless others still refer to it.

use control::configuration::Operation;
use http::StatusCode;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};
use store::config::ResourceFilter;

use super::refusal::Refusal;
use super::target::{Target, word};
use super::{Answer, Asked, answer_json, entry};

/// Removes a resource. `force` removes it though others refer to it; those that do are served no more, for nobody is to
/// lose the authentication of a plugin config or the limits of a consumer group unseen.
pub(super) async fn delete(asked: &Asked, target: &Target) -> Answer {
    let id = target.id().ok_or_else(|| Refusal::bad_request(format!("missing {} id", target.word())))?;
    let key = target.key_of_stored(id)?;
    let (actor, group) = (&asked.caller.actor, &asked.caller.group);
    let is_forced = asked.query.is_true("force");
    if !is_forced && let Some(text) = in_use(asked, &key).await? {
        return Err(Refusal::bad_request(text));
    }
    if is_forced {
        // A batch tells what is not there by its place in it.
        asked.control.get_resource(actor, group, &key).await?;
        asked.control.batch(actor, group, vec![Operation::ForceDelete { key: key.clone() }], None).await?;
    } else {
        asked.control.delete_resource(actor, group, key.clone(), None).await?;
    }
    Ok(answer_json(StatusCode::OK, &json!({ "deleted": "1", "key": entry::path(&key) })))
}

/// How one kind refers to another.
enum By {
    /// By a field of its own.
    Field(&'static str),
    /// By an upstream of `traffic-split`.
    Split,
    /// By the definition that `grpc-transcode` names.
    Transcode,
}

/// Who may refer to a kind, in the order in which APISIX looks.
fn referring(kind: Kind) -> Vec<(Kind, By)> {
    match kind {
        Kind::Service => vec![(Kind::Route, By::Field("service_id")), (Kind::StreamRoute, By::Field("service_id"))],
        Kind::Upstream => upstream_referrers(),
        Kind::PluginConfig => vec![(Kind::Route, By::Field("plugin_config_id"))],
        Kind::ConsumerGroup => vec![(Kind::Consumer, By::Field("group_id"))],
        Kind::Proto => vec![(Kind::Route, By::Transcode), (Kind::Service, By::Transcode)],
        _ => Vec::new(),
    }
}

fn upstream_referrers() -> Vec<(Kind, By)> {
    let with_field = [Kind::Route, Kind::Service];
    let by_plugin = [Kind::PluginConfig, Kind::Consumer, Kind::ConsumerGroup, Kind::GlobalRule];
    let own = with_field.into_iter().flat_map(|kind| [(kind, By::Split), (kind, By::Field("upstream_id"))]);
    let plugins = by_plugin.into_iter().map(|kind| (kind, By::Split));
    own.chain(plugins).chain([(Kind::StreamRoute, By::Field("upstream_id"))]).collect()
}

/// Why it may not be removed, if it may not.
async fn in_use(asked: &Asked, key: &ResourceKey) -> Result<Option<String>, Refusal> {
    for (kind, by) in referring(key.kind) {
        let filter = ResourceFilter::new(kind);
        let all = asked.control.list_resources(&asked.caller.actor, &asked.caller.group, &filter).await?;
        let refers = |body: &[u8]| {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            by.refers(&body, key.id.as_str())
        };
        let mut referrers: Vec<_> = all.list.iter().filter(|stored| refers(&stored.body)).collect();
        referrers.sort_by(|a, b| a.key.id.cmp(&b.key.id));
        if let Some(stored) = referrers.first() {
            return Ok(Some(sentence(key.kind, &by, &stored.key)));
        }
    }
    Ok(None)
}

impl By {
    fn refers(&self, body: &Value, id: &str) -> bool {
        let is_it = |value: &Value| match value {
            Value::String(text) => text == id,
            Value::Number(number) => number.to_string() == id,
            _ => false,
        };
        let plugin = |name: &str| body.get("plugins").and_then(|plugins| plugins.get(name));
        match self {
            By::Field(name) => body.get(*name).is_some_and(is_it),
            By::Transcode => plugin("grpc-transcode").and_then(|conf| conf.get("proto_id")).is_some_and(is_it),
            By::Split => {
                let rules = plugin("traffic-split").and_then(|conf| conf["rules"].as_array()).into_iter().flatten();
                let upstreams = rules.flat_map(|rule| rule["weighted_upstreams"].as_array().into_iter().flatten());
                upstreams.into_iter().any(|upstream| is_it(&upstream["upstream_id"]))
            }
        }
    }
}

fn sentence(kind: Kind, by: &By, user: &ResourceKey) -> String {
    let (what, id) = (word(kind), &user.id);
    let directly = if kind == Kind::Service { " directly" } else { "" };
    let within = if matches!(by, By::Split) { "plugin in " } else { "" };
    let user = if user.kind == Kind::GlobalRule { user.kind.plural() } else { user.kind.name() };
    format!("can not delete this {what}{directly}, {within}{user} [{id}] is still using it now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_in_fields_and_plugins() {
        let split = json!({ "plugins": { "traffic-split": { "rules": [
            { "weighted_upstreams": [{ "weight": 1 }, { "upstream_id": 7 }] },
        ] } } });
        assert!(By::Split.refers(&split, "7") && !By::Split.refers(&split, "8"));
        assert!(By::Field("upstream_id").refers(&json!({ "upstream_id": "7" }), "7"));
        let transcode = json!({ "plugins": { "grpc-transcode": { "proto_id": "p" } } });
        assert!(By::Transcode.refers(&transcode, "p") && !By::Transcode.refers(&json!({}), "p"));
    }
}
