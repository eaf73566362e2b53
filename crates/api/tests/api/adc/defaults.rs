//! How the client finds the defaults in the schemas, and which it looks for.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::client::Adc;
use super::plain::holds;
use super::typed;
use crate::fixture::Fixture;

/// The defaults that a schema tells: of objects those of their fields, of lists of objects those of one item.
fn told(schema: &Value) -> Option<Value> {
    let fields = schema["properties"].as_object().filter(|_| schema["type"] == "object")?;
    let of_field = |field: &Value| match field["type"].as_str() {
        Some("object") => told(field),
        Some("array") if field["items"]["type"] == "object" => Some(json!([told(&field["items"])?])),
        _ => field.get("default").cloned(),
    };
    let told: Map<String, Value> =
        fields.iter().filter_map(|(name, field)| Some((name.clone(), of_field(field)?))).collect();
    Some(told.into())
}

#[tokio::test]
async fn every_kind_s_defaults_are_those_the_client_knows_and_can_read() -> Result<()> {
    let api = Fixture::start().await?;
    let core = Adc::with_token(&api, "default").defaults().await?;
    let times = json!({ "connect": 60, "send": 60, "read": 60 });
    let upstream = json!({
        "name": "default", "scheme": "http", "type": "roundrobin", "hash_on": "vars", "pass_host": "pass",
        "retry_timeout": 0, "timeout": times, "nodes": [{ "priority": 0 }], "discovery_args": {},
        "keepalive_pool": { "size": 320, "idle_timeout": 60, "requests": 1000 },
    });
    let of_stream = json!({
        "name": "default", "scheme": "tcp", "type": "roundrobin", "hash_on": "vars", "retry_timeout": 0,
        "timeout": times, "nodes": [{ "priority": 0 }],
    });
    for (kind, expected) in [
        ("route", json!({ "priority": 0, "timeout": times })),
        ("service", json!({ "strip_path_prefix": true, "upstream": upstream })),
        ("stream_service", json!({ "upstream": of_stream })),
        ("upstream", upstream.clone()),
        ("stream_route", json!({})),
        ("ssl", json!({ "type": "server" })),
        ("consumer", json!({})),
        ("consumer_credential", json!({})),
        ("global_rule", json!({})),
        ("plugin_metadata", json!({})),
    ] {
        let schema = core.get(kind).with_context(|| format!("nothing told of {kind}"))?;
        let found = told(schema).unwrap_or_else(|| json!({}));
        ensure!(holds(&found, &expected), "{kind}: {found}\nis without some of {expected}");
        typed::read_defaults(kind, &found)?;
    }
    ensure!(told(&core["stream_service"]).unwrap_or_default()["upstream"].get("pass_host").is_none());
    api.stop().await;
    Ok(())
}
