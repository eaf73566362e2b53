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
