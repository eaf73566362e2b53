//! Each kind of resource from its first sync to its last: what the client wrote it finds in its next dump, what it changed
//! comes changed and what it removed is gone.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::client::Adc;
use super::plain::holds;
use crate::fixture::Fixture;

/// Syncs one configuration after the other: each is found whole in the dump, and another sync would write nothing.
async fn live(steps: &[Value]) -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    for step in steps {
        adc.sync(step).await?;
        let dump = adc.dump().await?;
        ensure!(holds(&by_name(&dump), &by_name(&without_keys(step))), "{dump:#}\nis without some of {step:#}");
        let again = adc.diff(step).await?;
        ensure!(again.is_empty(), "a second sync would write {again:#?}");
    }
    api.stop().await;
    Ok(())
}

/// Lists of resources in the order of their names, for that of a dump is the server's.
pub(super) fn by_name(configuration: &Value) -> Value {
    let name = |item: &Value| {
        let named = ["name", "username", "snis"].iter().find_map(|field| item.get(*field));
        named.map(Value::to_string)
    };
    match configuration {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(by_name).collect();
            if items.iter().all(|item| name(item).is_some()) {
                items.sort_by_key(name);
            }
            items.into()
        }
        Value::Object(fields) => fields.iter().map(|(field, value)| (field.clone(), by_name(value))).collect(),
        other => other.clone(),
    }
}

/// Keys of certificates are never in answers.
fn without_keys(step: &Value) -> Value {
    let mut step = step.clone();
    for ssl in step.get_mut("ssls").and_then(Value::as_array_mut).into_iter().flatten() {
        ssl["certificates"].as_array_mut().into_iter().flatten().for_each(|one| one["key"] = json!(""));
    }
    step
}

fn nodes() -> Value {
    json!([{ "host": "10.1.2.3", "port": 8443, "weight": 5 }])
}

fn service(name: &str, more: Value) -> Value {
    let mut service = json!({ "name": name, "upstream": { "scheme": "https", "nodes": nodes() } });
    if let (Value::Object(service), Value::Object(more)) = (&mut service, more) {
        service.extend(more);
    }
    service
}

fn certificate(name: &str) -> Result<Value> {
    let certified = rcgen::generate_simple_self_signed(vec![name.to_owned()])?;
    Ok(json!({ "certificate": certified.cert.pem(), "key": certified.signing_key.serialize_pem() }))
}

#[tokio::test]
async fn services() -> Result<()> {
    let (blue, green) = (service("blue", json!({})), service("green", json!({})));
    let told = service("blue", json!({ "description": "a deployment", "hosts": ["blue.example"] }));
    live(&[
        json!({ "services": [blue, green] }),
        json!({ "services": [told, green] }),
        json!({ "services": [green] }),
        json!({ "services": [] }),
    ])
    .await
}

#[tokio::test]
async fn routes_of_a_service() -> Result<()> {
    let of = |routes: Value| {
        let more = json!({ "path_prefix": "/v2", "strip_path_prefix": false, "routes": routes });
        json!({ "services": [service("shop", more)] })
    };
    let times = json!({ "connect": 0.25, "send": 90, "read": 30.5 });
    let carts = json!({ "name": "carts", "uris": ["/carts", "/baskets"], "priority": -3, "timeout": times });
    let stock = json!({
        "name": "stock", "uris": ["/stock/*"], "plugins": { "key-auth": {} },
        "vars": [["http_x_region", "==", "north"], ["arg_all", "!", "==", "1"]],
    });
    live(&[of(json!([carts, stock])), of(json!([stock])), of(json!([])), json!({})]).await
}

#[tokio::test]
async fn stream_routes_and_their_plugins() -> Result<()> {
    let of = |routes: Value| {
        let upstream = json!({ "scheme": "tcp", "nodes": nodes() });
        json!({ "services": [service("broker", json!({ "upstream": upstream, "stream_routes": routes }))] })
    };
    let inner = json!({ "name": "inner", "server_port": 5672, "server_addr": "10.0.0.1" });
    let outer = |plugins: Value| json!({ "name": "outer", "server_port": 5671, "plugins": plugins });
    let allowed = json!({ "ip-restriction": { "whitelist": ["10.0.0.0/8"] } });
    let steps = [of(json!([inner, outer(allowed)])), of(json!([inner, { "name": "outer", "server_port": 5671 }]))];
    live(&[steps[0].clone(), steps[1].clone(), of(json!([inner])), json!({})]).await
}

/// A typed client sends every field that has a default of its own, whole numbers with a point, and `pass_host` for streams
/// as well.
#[tokio::test]
async fn upstreams_as_a_typed_client_spells_them_out() -> Result<()> {
    let node = json!({ "host": "10.1.2.3", "port": 5432, "weight": 1, "priority": 0.0 });
    let own = json!({ "type": "roundrobin", "scheme": "tcp", "pass_host": "pass", "nodes": [node] });
    let active = json!({
        "type": "https", "timeout": 2.0, "concurrency": 4, "port": 9000, "host": "probe.example", "http_method": "HEAD",
        "http_path": "/up", "http_req_body": "", "https_verify_certificate": false,
        "healthy": { "interval": 3, "http_statuses": [204], "successes": 1 },
        "unhealthy": { "interval": 2, "http_statuses": [500, 503], "http_failures": 2, "tcp_failures": 1, "timeouts": 4 },
    });
    let passive = json!({ "type": "http", "unhealthy": { "http_statuses": [502], "http_failures": 3 } });
    let canary = json!({
        "name": "canary", "type": "chash", "hash_on": "header", "key": "x-tenant", "scheme": "https", "nodes": [node],
        "retries": 1, "retry_timeout": 0.0, "timeout": { "connect": 60.0, "send": 60.0, "read": 60.0 },
        "keepalive_pool": { "size": 32, "idle_timeout": 60.0, "requests": 500 }, "pass_host": "rewrite",
        "upstream_host": "inner.example", "checks": { "active": active, "passive": passive },
    });
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let shop = service("shop", json!({ "upstreams": [canary] }));
    let stream = json!({ "name": "database", "upstream": own, "stream_routes": [] });
    adc.sync(&json!({ "services": [shop, stream] })).await?;
    let dump = adc.dump().await?;
    let found = |name: &str| {
        let services = dump["services"].as_array().into_iter().flatten();
        services.into_iter().find(|service| service["name"] == name).cloned().with_context(|| format!("no {name}"))
    };
    let node = json!({ "host": "10.1.2.3", "port": 5432, "weight": 1, "priority": 0 });
    ensure!(found("database")?["upstream"]["nodes"] == json!([node]), "{dump:#}");
    let mut canary = canary;
    canary["nodes"] = json!([node]);
    canary["retry_timeout"] = json!(0);
    canary["timeout"] = json!({ "connect": 60, "send": 60, "read": 60 });
    canary["keepalive_pool"]["idle_timeout"] = json!(60);
    canary["checks"]["active"]["timeout"] = json!(2);
    ensure!(holds(&found("shop")?["upstreams"][0], &canary), "{dump:#}");
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn further_upstreams_of_a_service() -> Result<()> {
    let of = |upstreams: Value| json!({ "services": [service("shop", json!({ "upstreams": upstreams }))] });
    let named = |name: &str, more: f64| json!({ "name": name, "type": "roundrobin", "scheme": "https", "nodes": nodes(), "retry_timeout": more });
    let (east, west) = (named("east", 1.5), named("west", 7.25));
    live(&[of(json!([east, west])), of(json!([named("east", 60.5), west])), of(json!([west])), json!({})]).await
}

/// Headers of probes have another name in older builds of the client, and so has the description of a service's upstream.
#[tokio::test]
async fn what_older_clients_leave_under_their_own_names_is_taken() -> Result<()> {
    let probe = |field: &str| json!({ "active": { "http_path": "/up", field: ["X-Probe: 1"] } });
    let upstream = |field: &str| json!({ "nodes": nodes(), "checks": probe(field) });
    let shop = |field: &str| json!({ "services": [service("shop", json!({ "upstream": upstream(field) }))] });
    live(&[shop("http_req_headers"), shop("req_headers")]).await?;

    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let described = json!({ "nodes": nodes(), "description": "two halls" });
    adc.sync(&json!({ "services": [service("shop", json!({ "upstream": described }))] })).await?;
    let dump = adc.dump().await?;
    ensure!(dump["services"][0]["upstream"]["desc"] == "two halls", "{dump}");
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn consumers_and_their_credentials() -> Result<()> {
    let with = |credentials: Value| json!({ "consumers": [{ "username": "mara", "credentials": credentials }] });
    let key = |key: &str| json!({ "name": "first", "type": "key-auth", "config": { "key": key } });
    let basic = json!({
        "name": "second", "type": "basic-auth", "description": "of the till", "labels": { "till": "4" },
        "config": { "username": "mara", "password": "a long one" },
    });
    let own = json!({ "username": "till", "description": "by plugin", "plugins": { "key-auth": { "key": "tills" } } });
    live(&[
        with(json!([key("one"), basic])),
        with(json!([key("another"), basic])),
        with(json!([])),
        json!({ "consumers": [own] }),
        json!({ "consumers": [] }),
    ])
    .await
}

#[tokio::test]
async fn certificates() -> Result<()> {
    let (first, second) = (certificate("a.example")?, certificate("b.example")?);
    let ssl = |names: &[&str], certificates: &[&Value], more: Value| {
        let mut ssl = json!({ "snis": names, "certificates": certificates, "type": "server" });
        if let (Value::Object(ssl), Value::Object(more)) = (&mut ssl, more) {
            ssl.extend(more);
        }
        ssl
    };
    let a = |more: Value| ssl(&["a.example", "*.a.example"], &[&first], more);
    let b = ssl(&["b.example"], &[&second, &first], json!({}));
    let client = json!({ "client": { "ca": second["certificate"] }, "labels": { "team": "edge" } });
    live(&[
        json!({ "ssls": [a(json!({})), b] }),
        json!({ "ssls": [a(client.clone()), b] }),
        json!({ "ssls": [a(json!({ "client": { "ca": second["certificate"], "depth": 2 } }))] }),
        json!({ "ssls": [] }),
    ])
    .await
}

/// Plugins take fields that they do not know.
#[tokio::test]
async fn global_rules_and_metadata() -> Result<()> {
    let of = |rules: Value, metadata: Value| json!({ "global_rules": rules, "plugin_metadata": metadata });
    let format = json!({ "log_format": { "at": "$time_iso8601", "who": "$remote_addr" } });
    let more = json!({ "log_format": { "at": "$time_iso8601" }, "note": "ours" });
    let names = json!({ "prefer_name": true });
    let file = json!({ "path": "logs/all.log" });
    live(&[
        of(
            json!({ "prometheus": names, "file-logger": file }),
            json!({ "http-logger": format, "file-logger": format }),
        ),
        of(
            json!({ "prometheus": { "prefer_name": false, "note": "ours" }, "file-logger": file }),
            json!({ "http-logger": more, "file-logger": format }),
        ),
        of(json!({ "file-logger": file }), json!({ "file-logger": format })),
        of(json!({}), json!({})),
    ])
    .await
}

/// With every default spelt out, as exports of a dashboard have it.
#[tokio::test]
async fn a_mixed_configuration() -> Result<()> {
    let limit = json!({ "limit-count": {
        "_meta": { "disable": false }, "allow_degradation": false, "count": 30, "time_window": 10, "policy": "local",
        "key": "$http_x_app $remote_addr", "key_type": "var_combination", "rejected_code": 429,
        "show_limit_quota_header": true,
    } });
    let upstream = json!({
        "name": "default", "scheme": "http", "type": "roundrobin", "hash_on": "vars", "retry_timeout": 0,
        "pass_host": "pass", "nodes": [{ "host": "backend", "port": 8080, "weight": 20, "priority": 0 }],
        "checks": { "active": {
            "type": "tcp", "timeout": 1, "concurrency": 10, "http_path": "/", "https_verify_certificate": true,
            "healthy": { "interval": 1, "http_statuses": [200, 302], "successes": 2 },
            "unhealthy": {
                "interval": 1, "http_statuses": [429, 500, 503], "http_failures": 5, "tcp_failures": 2, "timeouts": 3,
            },
        } },
    });
    let route = |name: &str, method: &str| json!({ "name": name, "description": "", "uris": ["/orders"], "methods": [method], "enable_websocket": false });
    let mut routes = json!([route("read", "GET"), route("write", "POST")]);
    routes[0]["plugins"] = limit.clone();
    let orders = json!({
        "name": "orders", "description": "all of them", "upstream": upstream, "plugins": limit, "routes": routes,
    });
    let plain = service("plain", json!({ "routes": [route("all", "PURGE")] }));
    let all = json!({
        "services": [orders, plain],
        "ssls": [{ "type": "server", "snis": ["c.example"], "certificates": [certificate("c.example")?] }],
        "global_rules": { "prometheus": { "_meta": { "disable": false }, "prefer_name": false } },
        "plugin_metadata": { "http-logger": { "log_format": { "@timestamp": "$time_iso8601", "host": "$host" } } },
    });
    live(&[all, json!({})]).await
}

#[tokio::test]
async fn names_and_descriptions_of_64_kib_and_ids_of_one_s_own() -> Result<()> {
    let long = "n".repeat(64 * 1024);
    let routes = json!([{ "name": long, "uris": ["/long"] }]);
    let own = json!([{ "id": "the-route.1_a", "name": "one", "uris": ["/one"] }]);
    live(&[
        json!({ "services": [service(&long, json!({ "description": long, "routes": routes }))] }),
        json!({ "services": [service("one", json!({ "id": "the-service", "routes": own }))] }),
        json!({ "services": [service("renamed", json!({ "id": "the-service", "routes": own }))] }),
        json!({}),
    ])
    .await
}

#[tokio::test]
async fn what_was_written_last_is_listed_first() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let ssl = |name: &str, team: &str| -> Result<Value> {
        Ok(json!({ "snis": [name], "certificates": [certificate(name)?], "labels": { "team": team } }))
    };
    let (first, second) = (ssl("a.example", "x")?, ssl("b.example", "x")?);
    adc.sync(&json!({ "ssls": [first] })).await?;
    adc.sync(&json!({ "ssls": [first, second] })).await?;
    ensure!(adc.dump().await?["ssls"][0]["snis"] == json!(["b.example"]));
    let mut changed = first;
    changed["labels"]["team"] = json!("y");
    adc.sync(&json!({ "ssls": [changed, second] })).await?;
    ensure!(adc.dump().await?["ssls"][0]["snis"] == json!(["a.example"]));
    api.stop().await;
    Ok(())
}

/// What is refused ends a sync there; what was written before it stays.
#[tokio::test]
async fn a_sync_ends_at_what_is_refused() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let good = service("good", json!({}));
    let bad = service("bad", json!({ "path_prefix": 12345 }));
    adc.sync(&json!({ "services": [good] })).await?;
    let error = adc.sync(&json!({ "services": [good, bad], "consumers": [{ "username": "never" }] })).await;
    let text = error.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(text.contains("Error at \\\"/path_prefix\\\": value must be a string"), "{text}");
    let dump = adc.dump().await?;
    ensure!(dump["services"].as_array().map(Vec::len) == Some(1) && dump["consumers"] == json!([]), "{dump}");
    let unknown = Adc::with_token(&api, "nowhere").dump().await;
    ensure!(unknown.err().is_some_and(|error| error.to_string() == "gateway group \"nowhere\" does not exist"));
    api.stop().await;
    Ok(())
}

/// The credentials of a consumer are all of them, whatever labels the client selects consumers by.
#[tokio::test]
async fn a_label_selector_is_asked_of_consumers_and_not_of_their_credentials() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let credential = |name: &str, team: &str| json!({ "name": name, "labels": { "team": team }, "type": "key-auth", "config": { "key": name } });
    let one = json!({ "username": "one", "labels": { "team": "a" }, "credentials": [credential("k1", "a"), credential("k2", "b")] });
    let two = json!({ "username": "two", "labels": { "team": "b" } });
    Adc::with_token(&api, "default").sync(&json!({ "consumers": [one, two] })).await?;
    for (team, name, credentials) in [("a", "one", 2), ("b", "two", 0)] {
        let dump = Adc::with_token(&api, "default").selecting("team", team).dump().await?;
        let found = dump["consumers"].as_array().context("consumers")?;
        ensure!(found.len() == 1 && found[0]["username"] == name, "{dump}");
        ensure!(found[0]["credentials"].as_array().map(Vec::len) == Some(credentials), "{dump}");
    }
    api.stop().await;
    Ok(())
}

#[tokio::test]
async fn validation_takes_what_is_right_and_tells_of_every_fault() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let adc = Adc::with_token(&api, "default");
    let shop = |routes: Value| service("shop", json!({ "routes": routes }));
    let consumer = json!({ "username": "mara", "plugins": { "key-auth": { "key": "maras" } } });
    for good in [
        json!({}),
        json!({ "services": [shop(json!([{ "name": "r", "uris": ["/r"], "methods": ["GET"] }]))] }),
        json!({ "consumers": [consumer] }),
        json!({ "services": [shop(json!([]))], "consumers": [consumer], "global_rules": { "prometheus": { "prefer_name": true } } }),
    ] {
        let faults = adc.validate(&good).await?;
        ensure!(faults.is_empty(), "{good}: {faults:?}");
    }
    let unlimited =
        |name: &str| json!({ "name": name, "uris": [format!("/{name}")], "plugins": { "limit-count": {} } });
    let faults = adc.validate(&json!({ "services": [shop(json!([unlimited("a"), unlimited("b")]))] })).await?;
    let places: Vec<_> = faults.iter().map(|(kind, index, _)| (kind.as_str(), *index)).collect();
    ensure!(places == [("routes", 0), ("routes", 1)], "{faults:?}");
    let faults = adc.validate(&json!({ "services": [shop(json!([{ "name": "r", "uris": [7] }]))] })).await?;
    ensure!(faults.len() == 1 && faults[0].0 == "routes", "{faults:?}");
    ensure!(super::shapes::is_empty(&adc.dump().await?), "nothing is stored");
    api.stop().await;
    Ok(())
}
