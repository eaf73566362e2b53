//! Which of several configurations of one plugin counts: the consumer's over its group's over the route's over the plugin
//! config's over the service's, and a global rule's besides, in every combination.

use model::Change;
use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, put, settings};

/// From the weakest to the strongest.
const POSITIONS: [&str; 5] = ["service", "plugin_config", "route", "consumer_group", "consumer"];

/// Says where it stands.
fn says(position: &str) -> Value {
    json!({ "response-rewrite": { "headers": { "add": [format!("x-from: {position}")] } } })
}

/// The resources of one combination, a bit for each position.
fn resources(echo: &Echo, combination: usize) -> Vec<Change> {
    let has = |position: usize| combination & (1 << position) != 0;
    let conf = |position: usize| if has(position) { says(POSITIONS[position]) } else { json!({}) };
    let id = |kind: &str| format!("{kind}/{combination}");
    let mut of_service = conf(0);
    of_service["key-auth"] = json!({});
    let mut of_consumer = conf(4);
    of_consumer["key-auth"] = json!({ "key": format!("key-{combination}") });
    // A plugin config and a group without any plugin are there all the same.
    vec![
        put(&id("service"), json!({ "plugins": of_service, "upstream": { "nodes": echo.nodes() } })),
        put(&id("plugin_config"), json!({ "plugins": conf(1) })),
        put(
            &id("route"),
            json!({
                "uri": format!("/{combination}"), "plugins": conf(2), "service_id": combination.to_string(),
                "plugin_config_id": combination.to_string(),
            }),
        ),
        put(&id("consumer_group"), json!({ "plugins": conf(3) })),
        put(
            &format!("consumer/c{combination}"),
            json!({ "username": format!("c{combination}"), "group_id": combination.to_string(), "plugins": of_consumer }),
        ),
    ]
}

#[tokio::test]
async fn the_strongest_position_counts_and_the_global_rule_besides() {
    let echo = Echo::start().await;
    let combinations = 1 << POSITIONS.len();
    let all = (0..combinations).flat_map(|combination| resources(&echo, combination));
    for global in [false, true] {
        let rule = global.then(|| put("global_rule/1", json!({ "plugins": says("global") })));
        let gateway =
            Gateway::start_with(settings(), plugins::registry(), rule.into_iter().chain(all.clone()).collect());
        let mut client = Client::connect(gateway.http).await;
        for combination in 0..combinations {
            let request = http::Request::get(format!("/{combination}"))
                .header("host", "a.example")
                .header("apikey", format!("key-{combination}"))
                .body(http_body_util::Full::default())
                .expect("a request");
            let answer = client.send(request).await.expect("an answer");
            assert_eq!(answer.status, 200, "{combination:05b}: {}", answer.text());
            let strongest = POSITIONS.iter().enumerate().rev().find(|(position, _)| combination & (1 << position) != 0);
            let expected: Vec<&str> =
                global.then_some("global").into_iter().chain(strongest.map(|(_, position)| *position)).collect();
            let said: Vec<_> =
                answer.headers.get_all("x-from").iter().filter_map(|value| value.to_str().ok()).collect();
            assert_eq!(said, expected, "{combination:05b}, global rule: {global}");
        }
        drop(client);
        gateway.stop().await;
    }
}

/// What `_meta` may say of a plugin so that it does not run.
fn silences() -> [Value; 2] {
    [json!({ "disable": true }), json!({ "filter": [["arg_never", "==", "here"]] })]
}

/// In each position in turn, with the same plugin in all weaker ones: what the strongest says of itself counts, and nothing
/// of a weaker one comes through in its place.
#[tokio::test]
async fn what_meta_says_counts_in_every_position() {
    let echo = Echo::start().await;
    for meta in silences() {
        for (strongest, position) in POSITIONS.iter().enumerate() {
            let combination = (1 << (strongest + 1)) - 1;
            let silenced = resources(&echo, combination).into_iter().map(|change| silence(change, strongest, &meta));
            let rule = put("global_rule/1", json!({ "plugins": says("global") }));
            let gateway = Gateway::start_with(settings(), plugins::registry(), silenced.chain([rule]).collect());
            assert_eq!(said(&gateway, combination).await, ["global"], "{position} with {meta}");
            gateway.stop().await;
        }
        let mut of_rule = says("global");
        of_rule["response-rewrite"]["_meta"] = meta.clone();
        let mut changes = resources(&echo, 0b100);
        changes.push(put("global_rule/1", json!({ "plugins": of_rule })));
        let gateway = Gateway::start_with(settings(), plugins::registry(), changes);
        assert_eq!(said(&gateway, 0b100).await, ["route"], "a global rule with {meta}");
        gateway.stop().await;
    }
}

/// The change, with `_meta` when it is that of this position.
fn silence(change: Change, position: usize, meta: &Value) -> Change {
    let Change::Put(key, body) = change else { panic!("a put") };
    let mut body: Value = serde_json::from_slice(&body).expect("json");
    if key.kind.to_string() == POSITIONS[position] {
        body["plugins"]["response-rewrite"]["_meta"] = meta.clone();
    }
    Change::Put(key, model::json::canonical(&body).into())
}

async fn said(gateway: &Gateway, combination: usize) -> Vec<String> {
    let request = http::Request::get(format!("/{combination}"))
        .header("host", "a.example")
        .header("apikey", format!("key-{combination}"))
        .body(http_body_util::Full::default())
        .expect("a request");
    let answer = Client::connect(gateway.http).await.send(request).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.headers.get_all("x-from").iter();
    said.map(|value| value.to_str().expect("text").to_owned()).collect()
}

/// `_meta.priority` puts a plugin before another within its chain, wherever it stands.
#[tokio::test]
async fn a_priority_of_meta_counts_in_every_position() {
    let echo = Echo::start().await;
    // By its own priority uri-blocker (2900) comes after fault-injection (11000).
    let refuses = |meta: Value| json!({ "uri-blocker": { "block_rules": ["/"], "_meta": meta } });
    let aborts = json!({ "fault-injection": { "abort": { "http_status": 418 } } });
    for (meta, status) in [(json!({}), 418), (json!({ "priority": 20_000 }), 403)] {
        let mut both = refuses(meta.clone());
        both["fault-injection"] = aborts["fault-injection"].clone();
        let node = json!({ "nodes": echo.nodes() });
        let gateway = Gateway::start_with(
            settings(),
            plugins::registry(),
            vec![
                put("plugin_config/both", json!({ "plugins": both })),
                put("service/both", json!({ "plugins": both, "upstream": node })),
                put("service/refuses", json!({ "plugins": refuses(meta.clone()), "upstream": node })),
                put("route/route", json!({ "uri": "/route", "plugins": both, "upstream": node })),
                put("route/config", json!({ "uri": "/config", "plugin_config_id": "both", "upstream": node })),
                put("route/service", json!({ "uri": "/service", "service_id": "both" })),
                put("route/mixed", json!({ "uri": "/mixed", "service_id": "refuses", "plugins": aborts })),
            ],
        );
        for path in ["/route", "/config", "/service", "/mixed"] {
            assert_eq!(crate::support::get(gateway.http, path).await.status, status, "{path} with {meta}");
        }
        gateway.stop().await;
    }
}
