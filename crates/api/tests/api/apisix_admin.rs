//! The Admin API of Apache APISIX: what its clients send and must get.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::fixture::{APISIX_KEY, Fixture};

/// Sends it with the key of `default`; status and body.
async fn ask(fixture: &Fixture, method: &str, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
    let response = fixture.admin(APISIX_KEY, method, path, body.as_ref()).await?;
    let server = response.headers().get("server").context("a server header")?.to_str()?.to_owned();
    ensure!(server.starts_with("APISIX/3."), "{server}");
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// One request after another: method, path, body, status, and what the answer holds at a pointer.
type Step = (&'static str, &'static str, Option<Value>, u16, &'static str, Value);

async fn walk(fixture: &Fixture, steps: Vec<Step>) -> Result<()> {
    for (method, path, body, status, pointer, expected) in steps {
        let (got, answer) = ask(fixture, method, path, body).await.with_context(|| format!("{method} {path}"))?;
        let found = answer.pointer(pointer).cloned().unwrap_or_default();
        ensure!((got, &found) == (status, &expected), "{method} {path}: {got} {answer}, not {status} {expected}");
    }
    Ok(())
}

fn nodes() -> Value {
    json!({ "127.0.0.1:1980": 1 })
}

#[tokio::test]
async fn a_resource_s_life() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let route = |uri: &str| {
        Some(
            json!({ "uri": uri, "name": "shop", "labels": { "env": "prod" }, "upstream": { "type": "roundrobin", "nodes": nodes() } }),
        )
    };
    walk(
        &fixture,
        vec![
            ("GET", "routes", None, 200, "/total", json!(0)),
            ("PUT", "routes/1", route("/a"), 201, "/key", json!("/apisix/routes/1")),
            ("PUT", "routes/1", route("/b"), 200, "/value/uri", json!("/b")),
            ("GET", "routes/1", None, 200, "/value/id", json!("1")),
            ("GET", "routes/1", None, 200, "/createdIndex", json!(1)),
            ("GET", "routes/1", None, 200, "/modifiedIndex", json!(2)),
            ("GET", "routes/1", None, 200, "/value/status", json!(1)),
            ("GET", "routes/1", None, 200, "/value/upstream/nodes", nodes()),
            ("PATCH", "routes/1", Some(json!({ "desc": "d", "name": null })), 200, "/value/desc", json!("d")),
            ("GET", "routes/1", None, 200, "/value/name", Value::Null),
            ("PATCH", "routes/1/methods", Some(json!(["GET", "POST"])), 200, "/value/methods", json!(["GET", "POST"])),
            (
                "PATCH",
                "routes/1/upstream/nodes",
                Some(json!({ "b:1": 2 })),
                200,
                "/value/upstream/nodes",
                json!({ "b:1": 2 }),
            ),
            ("PATCH", "routes/1/uri/x", Some(json!(1)), 400, "/error_msg", json!("invalid sub-path: /uri/x")),
            ("GET", "routes", None, 200, "/list/0/key", json!("/apisix/routes/1")),
            ("DELETE", "routes/1", None, 200, "", json!({ "deleted": "1", "key": "/apisix/routes/1" })),
            ("DELETE", "routes/1", None, 404, "", json!({ "message": "Key not found" })),
            ("GET", "routes/1", None, 404, "", json!({ "message": "Key not found" })),
            ("PATCH", "routes/1", Some(json!({ "desc": "d" })), 404, "/message", json!("Key not found")),
        ],
    )
    .await?;
    let (status, made) = ask(&fixture, "POST", "routes", route("/c")).await?;
    ensure!(status == 201, "{made}");
    let id = made["value"]["id"].as_str().context("an id")?;
    ensure!(made["key"] == format!("/apisix/routes/{id}"), "{made}");
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn keys_decide_who_may_and_for_which_group() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    for (key, why) in [("wrong", "wrong apikey"), ("", "missing apikey")] {
        let query = if key.is_empty() { "routes" } else { "routes?api_key=wrong" };
        let request = reqwest::Client::builder()
            .tls_backend_preconfigured(no_tls()?)
            .build()?
            .get(format!("{}{query}", fixture.apisix_admin));
        let answer = request.send().await?;
        ensure!(answer.status() == 401, "{}", answer.status());
        let body: Value = answer.json().await?;
        ensure!(body == json!({ "error_msg": "failed to check token", "description": why }), "{body}");
    }
    let group = fixture.post("/api/gateway_groups", json!({ "name": "other" })).await?.good()?;
    let group = group.body["value"]["id"].as_str().context("an id")?.to_owned();
    let key = fixture.put(&format!("/api/gateway_groups/{group}/admin_key"), json!({})).await?.good()?;
    let key = key.body["value"]["key"].as_str().context("a key")?.to_owned();
    let body = json!({ "uri": "/other", "upstream": { "nodes": nodes() } });
    ensure!(fixture.admin(&key, "PUT", "routes/1", Some(&body)).await?.status() == 201);
    let (_, of_default) = ask(&fixture, "GET", "routes", None).await?;
    ensure!(of_default["total"] == 0, "{of_default}");
    let seen = fixture.get(&format!("/apisix/admin/routes/1?gateway_group_id={group}")).await?.good()?;
    ensure!(seen.body["value"]["uri"] == "/other", "{}", seen.body);
    // A personal token is good for the group default here.
    ensure!(fixture.admin(&fixture.token, "GET", "routes", None).await?.status() == 200);
    fixture.stop().await;
    Ok(())
}

fn no_tls() -> Result<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

#[tokio::test]
async fn every_kind_is_there() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let plugins = json!({ "limit-count": { "count": 1, "time_window": 60 } });
    walk(
        &fixture,
        vec![
            ("PUT", "upstreams/1", Some(json!({ "nodes": nodes() })), 201, "/value/type", json!("roundrobin")),
            (
                "PUT",
                "services/1",
                Some(json!({ "upstream_id": "1", "plugins": plugins })),
                201,
                "/value/type",
                Value::Null,
            ),
            (
                "PUT",
                "plugin_configs/1",
                Some(json!({ "plugins": plugins })),
                201,
                "/key",
                json!("/apisix/plugin_configs/1"),
            ),
            (
                "PUT",
                "routes/1",
                Some(json!({ "uri": "/x", "service_id": "1", "plugin_config_id": "1" })),
                201,
                "/value/service_id",
                json!("1"),
            ),
            ("PUT", "consumer_groups/gold", Some(json!({ "plugins": plugins })), 201, "/value/id", json!("gold")),
            (
                "PUT",
                "consumers",
                Some(json!({ "username": "jack", "group_id": "gold" })),
                201,
                "/key",
                json!("/apisix/consumers/jack"),
            ),
            (
                "PUT",
                "consumers/jack",
                Some(json!({ "username": "jack", "group_id": "gold", "desc": "d" })),
                200,
                "/value/desc",
                json!("d"),
            ),
            ("GET", "consumers/jack", None, 200, "/value/id", Value::Null),
            (
                "PUT",
                "consumers/jack/credentials/c",
                Some(json!({ "plugins": { "key-auth": { "key": "k" } } })),
                201,
                "/key",
                json!("/apisix/consumers/jack/credentials/c"),
            ),
            ("GET", "consumers/jack/credentials", None, 200, "/total", json!(1)),
            ("PUT", "global_rules/1", Some(json!({ "plugins": { "prometheus": {} } })), 201, "/value/id", json!("1")),
            (
                "PUT",
                "global_rules/2",
                Some(json!({ "plugins": { "prometheus": {} } })),
                400,
                "/error_msg",
                json!("plugin 'prometheus' already exists in global rule with id '1'"),
            ),
            (
                "PUT",
                "plugin_configs/grouped",
                Some(json!({ "plugins": { "limit-count": { "count": 1, "time_window": 60, "group": "g" } } })),
                201,
                "/value/id",
                json!("grouped"),
            ),
            (
                "PUT",
                "plugin_configs/other",
                Some(json!({ "plugins": { "limit-count": { "count": 2, "time_window": 60, "group": "g" } } })),
                400,
                "/error_msg",
                json!("failed to check the configuration of plugin limit-count err: group conf mismatched"),
            ),
            ("DELETE", "plugin_configs/grouped", None, 200, "/deleted", json!("1")),
            (
                "PUT",
                "plugin_metadata/limit-count",
                Some(json!({ "limit_header": "X-L" })),
                201,
                "/value",
                json!({
                    "id": "limit-count", "limit_header": "X-L", "remaining_header": "X-RateLimit-Remaining",
                    "reset_header": "X-RateLimit-Reset",
                }),
            ),
            ("PUT", "protos/1", Some(json!({ "content": "syntax = \"proto3\";" })), 201, "/value/id", json!("1")),
            (
                "PUT",
                "secrets/vault/1",
                Some(json!({ "uri": "http://v", "prefix": "kv", "token": "t" })),
                201,
                "/value/id",
                json!("vault/1"),
            ),
            ("GET", "secrets/vault/1", None, 200, "/value/token", Value::Null),
            ("GET", "consumers/nobody/credentials", None, 404, "/message", json!("Key not found")),
            (
                "PATCH",
                "stream_routes/1",
                Some(json!({})),
                405,
                "/error_msg",
                json!("not supported `PATCH` method for stream route"),
            ),
            ("GET", "secrets/vault", None, 200, "/list/0/key", json!("/apisix/secrets/vault/1")),
            ("GET", "secrets/aws", None, 200, "/total", json!(0)),
            ("GET", "secrets/other/1", None, 404, "/message", json!("Key not found")),
            (
                "PUT",
                "secrets/other/1",
                Some(json!({ "uri": "http://v" })),
                400,
                "/error_msg",
                json!("invalid secret manager: other"),
            ),
            (
                "PUT",
                "stream_routes/1",
                Some(json!({ "server_port": 9100, "upstream": { "nodes": nodes(), "scheme": "tcp" } })),
                201,
                "/value/server_port",
                json!(9100),
            ),
            ("GET", "ssls", None, 200, "/total", json!(0)),
            (
                "PUT",
                "ssls/1",
                Some(json!({ "sni": "a.test", "cert": "$env://CERT", "key": "$secret://vault/1/tls/key" })),
                201,
                "/value/cert",
                json!("$env://CERT"),
            ),
            ("GET", "ssls/1", None, 200, "/value/key", Value::Null),
            ("GET", "nothing", None, 404, "/error_msg", json!("Unsupported resource type: nothing")),
            // Those that others refer to stay, unless force is asked for.
            (
                "DELETE",
                "upstreams/1",
                None,
                400,
                "/error_msg",
                json!("can not delete this upstream, service [1] is still using it now"),
            ),
            (
                "DELETE",
                "services/1",
                None,
                400,
                "/error_msg",
                json!("can not delete this service directly, route [1] is still using it now"),
            ),
            (
                "DELETE",
                "plugin_configs/1",
                None,
                400,
                "/error_msg",
                json!("can not delete this plugin config, route [1] is still using it now"),
            ),
            (
                "DELETE",
                "consumer_groups/gold",
                None,
                400,
                "/error_msg",
                json!("can not delete this consumer group, consumer [jack] is still using it now"),
            ),
            // Those that lose what they refer to keep the reference, and are served no more.
            (
                "DELETE",
                "plugin_configs/1?force=anything",
                None,
                400,
                "/error_msg",
                json!("can not delete this plugin config, route [1] is still using it now"),
            ),
            ("DELETE", "plugin_configs/1?force=true", None, 200, "/deleted", json!("1")),
            ("GET", "routes/1", None, 200, "/value/plugin_config_id", json!("1")),
            ("DELETE", "upstreams/1?force=true", None, 200, "/deleted", json!("1")),
            ("GET", "services/1", None, 200, "/value/upstream_id", json!("1")),
            ("DELETE", "services/1?force=true", None, 200, "/key", json!("/apisix/services/1")),
            ("GET", "routes/1", None, 200, "/value/service_id", json!("1")),
            ("DELETE", "services/1?force=true", None, 404, "/message", json!("Key not found")),
            ("DELETE", "routes/1", None, 200, "/deleted", json!("1")),
            ("DELETE", "consumers/jack", None, 200, "/deleted", json!("1")),
            ("DELETE", "consumer_groups/gold", None, 200, "/deleted", json!("1")),
        ],
    )
    .await?;
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_said_in_apisix_words() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let with = |plugins: Value| Some(json!({ "uri": "/x", "plugins": plugins, "upstream": { "nodes": nodes() } }));
    walk(&fixture, vec![
        ("PUT", "routes/1", None, 400, "/error_msg", json!("missing configurations")),
        ("PUT", "routes", Some(json!({ "uri": "/x" })), 400, "/error_msg", json!("missing route id")),
        ("PUT", "routes/1", Some(json!({ "id": "2", "uri": "/x" })), 400, "/error_msg", json!("wrong route id")),
        ("POST", "routes", Some(json!({ "id": "2", "uri": "/x" })), 400, "/error_msg", json!("wrong route id, do not need it")),
        ("DELETE", "routes", None, 400, "/error_msg", json!("missing route id")),
        ("POST", "consumers", Some(json!({ "username": "a" })), 405, "/error_msg", json!("not supported `POST` method for consumer")),
        ("PATCH", "plugin_metadata/x", Some(json!({})), 405, "/error_msg", json!("not supported `PATCH` method for plugin_metadata")),
        ("PUT", "consumers", Some(json!({})), 400, "/error_msg", json!("invalid configuration: property \"username\" is required")),
        ("PUT", "routes/1", Some(json!({ "uri": 5 })), 400, "/error_msg", json!("invalid configuration: property \"uri\" validation failed: wrong type: expected string, got number")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "nope": 1 })), 400, "/error_msg", json!("invalid configuration: additional properties forbidden, found nope")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "service_id": "7" })), 400, "/error_msg", json!("failed to fetch service info by service id [7], response code: 404")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "upstream_id": "7" })), 400, "/error_msg", json!("failed to fetch upstream info by upstream id [7], response code: 404")),
        ("PUT", "consumers", Some(json!({ "username": "a", "group_id": "g" })), 400, "/error_msg", json!("failed to fetch consumer group info by consumer group id [g], response code: 404")),
        ("PUT", "routes/1", with(json!({ "nope": {} })), 400, "/error_msg", json!("unknown plugin [nope]")),
        ("PUT", "routes/1", with(json!({ "limit-count": { "time_window": 1 } })), 400, "/error_msg", json!("failed to check the configuration of plugin limit-count err: value should match only one schema, but matches none")),
        ("GET", "routes?page=0", None, 200, "/total", json!(0)),
        ("GET", "routes?page=1&page_size=5", None, 400, "", json!("page_size must be between 10 and 500")),
        ("PUT", "routes/1?ttl=x", Some(json!({ "uri": "/x" })), 400, "/error_msg", json!("invalid argument ttl: should be a number")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "create_time": 1 })), 400, "/error_msg", json!("the property is forbidden:  create_time")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "upstream": { "nodes": nodes(), "update_time": 1 } })), 400, "/error_msg", json!("the property is forbidden:  upstream.update_time")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "plugins": {}, "host": "a.com", "hosts": ["b.com"] })), 400, "/error_msg", json!("only one of host or hosts is allowed")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x" })), 400, "/error_msg", json!("invalid configuration: object matches none of the required: [\"plugins\",\"uri\"] or [\"upstream\",\"uri\"] or [\"upstream_id\",\"uri\"] or [\"service_id\",\"uri\"] or [\"plugins\",\"uris\"] or [\"upstream\",\"uris\"] or [\"upstream_id\",\"uris\"] or [\"service_id\",\"uris\"] or [\"script\",\"uri\"] or [\"script\",\"uris\"]")),
        ("PUT", "routes/1", Some(json!({})), 400, "/error_msg", json!("invalid configuration: allOf 1 failed: value should match only one schema, but matches none")),
        ("PUT", "upstreams/1", Some(json!({ "nodes": nodes(), "type": "chash" })), 400, "/error_msg", json!("missing key")),
        ("PUT", "routes/1", Some(json!({ "uri": "/x", "plugins": {}, "vars": [["arg_a", "=", "b"]] })), 400, "/error_msg", json!("failed to validate the 'vars' expression: invalid operator '='")),
        ("PUT", "consumers", Some(json!({ "username": "a b" })), 400, "/error_msg", json!("invalid configuration: property \"username\" validation failed: failed to match pattern \"^[a-zA-Z0-9_\\\\-]+$\" with \"a b\"")),
        ("PUT", "upstreams/1", Some(json!({ "nodes": nodes(), "type": "none" })), 400, "/error_msg", json!("invalid configuration: property \"type\" validation failed: matches none of the enum values")),
        ("PUT", "consumers/jack", Some(json!({ "username": "jill" })), 400, "/error_msg", json!("wrong username")),
        ("PUT", "consumers", Some(json!({ "username": "jack", "plugins": { "key-auth": {} } })), 400, "/error_msg", json!("invalid plugins configuration: failed to check the configuration of plugin key-auth err: property \"key\" is required")),
        ("PUT", "consumers/jack/credentials/c", Some(json!({ "plugins": { "key-auth": { "key": "k" } } })), 404, "", json!({ "error_msg": "consumer not found" })),
        ("PUT", "consumers", Some(json!({ "username": "jack" })), 201, "/value/username", json!("jack")),
        ("PUT", "consumers/jack/credentials", Some(json!({ "plugins": { "key-auth": { "key": "k" } } })), 400, "/error_msg", json!("missing credential id")),
        ("PUT", "consumers/jack/credentials/c", Some(json!({ "plugins": { "cors": {} } })), 400, "/error_msg", json!("only supports auth type plugins in consumer credential")),
        ("PUT", "plugin_metadata/nope", Some(json!({})), 400, "/error_msg", json!("invalid plugin name")),
        ("PUT", "secrets/vault/1", Some(json!({})), 400, "/error_msg", json!("invalid configuration: property \"uri\" is required")),
        ("PUT", "global_rules/1", Some(json!({ "plugins": { "cors": {} } })), 201, "/value/id", json!("1")),
        ("PUT", "global_rules/2", Some(json!({ "plugins": { "cors": {} } })), 400, "/error_msg", json!("plugin 'cors' already exists in global rule with id '1'")),
        ("PUT", "global_rules/1", Some(json!({ "plugins": { "cors": {} } })), 200, "/value/id", json!("1")),
        ("GET", "plugins/cors?schema_type=consumer", None, 400, "/error_msg", json!("not found schema")),
        ("GET", "plugins/list?subsystem=x", None, 400, "", json!("invalid subsystem passed")),
        ("GET", "plugins/reload", None, 405, "/error_msg", json!("please use PUT method to reload the plugins, GET method is not allowed.")),
        ("PATCH", "protos/1", Some(json!({})), 405, "/error_msg", json!("not supported `PATCH` method for proto")),
        ("GET", "schema/nothing", None, 400, "/error_msg", json!("not found schema: nothing")),
        ("GET", "plugins/nope", None, 404, "/error_msg", json!("plugin not found in subsystem http")),
        ("GET", "plugins?all=true&subsystem=x", None, 400, "/error_msg", json!("unsupported subsystem: x")),
        ("POST", "schema/validate/routes", Some(json!({ "uri": 5 })), 400, "/error_msg", json!("property \"uri\" validation failed: wrong type: expected string, got number")),
    ]).await?;
    let response = fixture.admin(APISIX_KEY, "GET", "routes", None).await?;
    ensure!(response.json::<Value>().await?["total"] == 0, "nothing of it was stored");
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn lists_are_filtered_and_paged() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    for n in 0..25 {
        let env = if n % 2 == 0 { "prod" } else { "test" };
        let route = json!({ "uri": format!("/p{n}/*"), "name": format!("route-{n:02}"), "labels": { "env": env }, "upstream": { "nodes": nodes() } });
        ensure!(ask(&fixture, "PUT", &format!("routes/r{n:02}"), Some(route)).await?.0 == 201);
    }
    let count = async |query: &str| -> Result<(usize, u64, String)> {
        let (status, answer) = ask(&fixture, "GET", &format!("routes?{query}"), None).await?;
        ensure!(status == 200, "{answer}");
        let list = answer["list"].as_array().context("a list")?;
        let first = list.first().and_then(|entry| entry["value"]["id"].as_str()).unwrap_or_default().to_owned();
        Ok((list.len(), answer["total"].as_u64().context("a total")?, first))
    };
    ensure!(count("").await? == (25, 25, "r00".into()));
    ensure!(count("page=2&page_size=10").await? == (10, 25, "r10".into()));
    ensure!(count("page=3&page_size=10").await? == (5, 25, "r20".into()));
    ensure!(count("name=route-1").await? == (10, 10, "r10".into()));
    ensure!(count("uri=p24").await? == (1, 1, "r24".into()));
    ensure!(count("name=^route-[01]1$").await? == (2, 2, "r01".into()));
    ensure!(count("filter=service_id%3Dnone").await?.1 == 0);
    ensure!(count("label=env").await?.1 == 25);
    ensure!(count("label=en").await?.1 == 0);
    ensure!(count("label=env:test").await? == (12, 12, "r01".into()));
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn pages_have_their_sizes_and_filters_hold_for_their_kinds() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let up = |name: &str, env: &str| Some(json!({ "name": name, "nodes": nodes(), "labels": { "env": env } }));
    let service = |upstream: &str| Some(json!({ "name": "s", "upstream_id": upstream, "labels": { "env": "prod" } }));
    let route = |uri: &str, by: &str, id: &str| Some(json!({ "uri": uri, "name": "r", by: id }));
    let stream = |port: u16, by: &str, id: &str| Some(json!({ "server_port": port, by: id }));
    let tcp = Some(json!({ "upstream": { "nodes": nodes(), "scheme": "tcp" } }));
    let writes = [
        ("upstreams/u1", up("alpha", "prod")),
        ("upstreams/u2", up("beta", "test")),
        ("upstreams/t1", Some(json!({ "nodes": nodes(), "scheme": "tcp" }))),
        ("services/s1", service("u1")),
        ("services/s2", service("u2")),
        ("services/s3", tcp),
        ("routes/1", route("/a", "service_id", "s1")),
        ("routes/2", route("/b", "service_id", "s2")),
        ("routes/3", route("/c", "service_id", "s1")),
        ("routes/4", route("/d", "upstream_id", "u1")),
        ("stream_routes/1", stream(9101, "service_id", "s3")),
        ("stream_routes/2", stream(9102, "upstream_id", "t1")),
        ("consumers/jack", Some(json!({ "username": "jack", "labels": { "plan": "gold" } }))),
        ("consumers/jill", Some(json!({ "username": "jill" }))),
    ];
    for (path, body) in writes {
        let (status, answer) = ask(&fixture, "PUT", path, body).await?;
        ensure!(status == 201, "{path}: {status} {answer}");
    }
    for (query, expected) in [
        ("routes?filter=service_id%3Ds1", vec!["routes/1", "routes/3"]),
        ("routes?filter=upstream_id%3Du1", vec!["routes/4"]),
        ("routes?filter=service_id%3Ds1%26upstream_id%3Du1", vec![]),
        ("routes?filter=service_id%3Ds1&uri=c", vec!["routes/3"]),
        ("stream_routes?filter=service_id%3Ds3", vec!["stream_routes/1"]),
        ("stream_routes?filter=upstream_id%3Dt1", vec!["stream_routes/2"]),
        ("stream_routes?filter=upstream_id%3Dnone", vec![]),
        // Other kinds are not filtered by references, and other fields by nothing.
        ("services?filter=upstream_id%3Du1", vec!["services/s1", "services/s2", "services/s3"]),
        ("routes?filter=name%3Dnone", vec!["routes/1", "routes/2", "routes/3", "routes/4"]),
        ("upstreams?name=alp", vec!["upstreams/u1"]),
        ("upstreams?label=env:test", vec!["upstreams/u2"]),
        ("services?label=env&name=s", vec!["services/s1", "services/s2"]),
        ("consumers?label=plan", vec!["consumers/jack"]),
        ("consumers?label=plan:silver", vec![]),
        ("upstreams?name=alpha&page=1&page_size=10", vec!["upstreams/u1"]),
    ] {
        let (status, answer) = ask(&fixture, "GET", query, None).await?;
        let keys: Vec<_> =
            answer["list"].as_array().into_iter().flatten().filter_map(|one| one["key"].as_str()).collect();
        let keys: Vec<_> = keys.iter().map(|key| key.trim_start_matches("/apisix/")).collect();
        ensure!(status == 200 && keys == expected && answer["total"] == expected.len(), "{query}: {status} {answer}");
    }
    for (size, is_good) in [("9", false), ("10", true), ("500", true), ("501", false), ("-10", false), ("0", false)] {
        for kind in ["routes", "upstreams", "consumers"] {
            let (status, answer) = ask(&fixture, "GET", &format!("{kind}?page=1&page_size={size}"), None).await?;
            let refusal = json!("page_size must be between 10 and 500");
            ensure!(
                if is_good { status == 200 } else { (status, &answer) == (400, &refusal) },
                "{kind} {size}: {answer}"
            );
        }
    }
    fixture.stop().await;
    Ok(())
}

/// Used, user with its body, and why the used one stays.
type Use = (&'static str, &'static str, Value, String);

async fn stays_while_used(fixture: &Fixture, cases: Vec<Use>) -> Result<()> {
    for (used, user, body, refusal) in cases {
        let (status, answer) = ask(fixture, "PUT", user, Some(body)).await?;
        ensure!(status == 201, "{user}: {status} {answer}");
        let (status, answer) = ask(fixture, "DELETE", used, None).await?;
        ensure!((status, &answer["error_msg"]) == (400, &json!(refusal)), "{used} of {user}: {status} {answer}");
        ensure!(ask(fixture, "GET", used, None).await?.0 == 200, "{used} is still there");
        ensure!(ask(fixture, "DELETE", user, None).await?.0 == 200, "{user}");
        let (status, answer) = ask(fixture, "DELETE", used, None).await?;
        ensure!(status == 200, "{used}, which nobody uses any more: {answer}");
        let (status, answer) = ask(fixture, "PUT", used, Some(used_body(used))).await?;
        ensure!(status == 201, "{used}: {answer}");
    }
    Ok(())
}

fn used_body(path: &str) -> Value {
    match path.starts_with("protos/") {
        true => json!({ "content": "syntax = \"proto3\"; message Item { string name = 1; }" }),
        false => json!({ "nodes": nodes() }),
    }
}

#[tokio::test]
async fn an_upstream_that_a_traffic_split_names_is_not_deleted() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let rules = json!([{ "weighted_upstreams": [{ "upstream_id": "u1", "weight": 1 }, { "weight": 1 }] }]);
    let plugins = json!({ "traffic-split": { "rules": rules } });
    let with = |more: Value| {
        let mut body = json!({ "plugins": plugins });
        body.as_object_mut().into_iter().for_each(|body| body.extend(more.as_object().cloned().unwrap_or_default()));
        body
    };
    let used = "upstreams/u1";
    ensure!(ask(&fixture, "PUT", used, Some(used_body(used))).await?.0 == 201);
    let refusal = |user: &str| format!("can not delete this upstream, plugin in {user} is still using it now");
    let cases = vec![
        (used, "routes/1", with(json!({ "uri": "/x", "upstream": { "nodes": nodes() } })), refusal("route [1]")),
        (used, "services/1", with(json!({ "upstream": { "nodes": nodes() } })), refusal("service [1]")),
        (used, "plugin_configs/1", with(json!({})), refusal("plugin_config [1]")),
        (used, "consumers/jack", with(json!({ "username": "jack" })), refusal("consumer [jack]")),
        (used, "consumer_groups/1", with(json!({})), refusal("consumer_group [1]")),
        (used, "global_rules/1", with(json!({})), refusal("global_rules [1]")),
    ];
    stays_while_used(&fixture, cases).await?;
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_definition_that_grpc_transcode_names_is_not_deleted() -> Result<()> {
    let fixture = Fixture::start_with(crate::plugins::transcoding()).await?;
    let plugins = json!({ "grpc-transcode": { "proto_id": "p1", "service": "shop.Cart", "method": "Add" } });
    let used = "protos/p1";
    ensure!(ask(&fixture, "PUT", used, Some(used_body(used))).await?.0 == 201);
    let upstream = json!({ "nodes": nodes() });
    let cases = vec![
        (
            used,
            "routes/1",
            json!({ "uri": "/x", "plugins": plugins, "upstream": upstream }),
            "can not delete this proto, route [1] is still using it now".to_owned(),
        ),
        (
            used,
            "services/1",
            json!({ "plugins": plugins, "upstream": upstream }),
            "can not delete this proto, service [1] is still using it now".to_owned(),
        ),
    ];
    stays_while_used(&fixture, cases).await?;
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn schemas_and_plugins_are_told_and_whole_configurations_checked() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let bad =
        json!({ "routes": [{ "id": "1", "uri": "/a", "plugins": {} }, { "id": "2", "uri": 5 }], "upstreams": [] });
    walk(
        &fixture,
        vec![
            ("GET", "schema/route", None, 200, "/properties/uri/type", json!("string")),
            ("GET", "schema/plugins/limit-count", None, 200, "/properties/time_window/oneOf/0/type", json!("integer")),
            ("GET", "plugins/key-auth?schema_type=consumer", None, 200, "/required", json!(["key"])),
            ("GET", "plugins?all=true", None, 200, "/key-auth/priority", json!(2500)),
            ("PUT", "plugins/reload", None, 200, "", json!("done")),
            (
                "POST",
                "schema/validate/routes",
                Some(json!({ "uri": "/x", "upstream": { "nodes": nodes() } })),
                200,
                "",
                json!(""),
            ),
            ("POST", "configs/validate", Some(bad.clone()), 400, "/error_msg", json!("Configuration validation failed")),
            (
                "POST",
                "configs/validate",
                Some(bad),
                400,
                "/errors/0",
                json!({
                    "resource_type": "routes", "index": 1,
                    "error": "invalid routes at index 1, err: invalid configuration: property \"uri\" validation failed: wrong type: expected string, got number",
                }),
            ),
            (
                "POST",
                "configs/validate",
                Some(json!({ "consumers": [{ "username": "a" }, { "username": "a" }] })),
                400,
                "/errors/0/error",
                json!("found duplicate username a in consumers"),
            ),
            (
                "POST",
                "configs/validate",
                Some(json!({ "ssls_conf_version": 7, "services_conf_version": "7", "services": [] })),
                400,
                "/errors",
                json!([{ "resource_type": "services", "error": "services_conf_version must be a number, got string" }]),
            ),
            ("POST", "configs/validate", Some(json!({ "routes": [] })), 200, "", json!("")),
            ("GET", "routes", None, 200, "/total", json!(0)),
        ],
    )
    .await?;
    let (_, names) = ask(&fixture, "GET", "plugins/list", None).await?;
    ensure!(names.as_array().is_some_and(|names| names.contains(&json!("key-auth"))), "{names}");
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn answers_look_like_apisix_s() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let route = json!({ "uri": "/x", "plugins": { "limit-count": { "count": 2, "time_window": 60 } }, "upstream": { "nodes": nodes() } });
    let made = fixture.admin(APISIX_KEY, "POST", "routes", Some(&route)).await?;
    ensure!(made.status() == 201 && made.headers()["x-api-version"] == "v3", "{made:?}");
    ensure!(
        made.headers()["access-control-allow-origin"] == "*" && made.headers()["content-type"] == "application/json"
    );
    let text = made.text().await?;
    ensure!(text.ends_with("}\n"), "{text:?}");
    let value: Value = serde_json::from_str(&text)?;
    let id = value["value"]["id"].as_str().context("an id")?;
    ensure!(id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    // What the schemas have defaults for is stored and shown.
    let conf = &value["value"]["plugins"]["limit-count"];
    ensure!(
        (&conf["rejected_code"], &conf["policy"], &conf["key"])
            == (&json!(503), &json!("local"), &json!("remote_addr")),
        "{conf}"
    );
    ensure!(
        value["value"]["upstream"]["retry_timeout"].is_null() && value["value"]["upstream"]["pass_host"] == "pass",
        "{value}"
    );
    ensure!(conf.get("redis_port").is_none(), "of a policy that was not chosen: {conf}");
    let stream = json!({ "server_port": 9100, "upstream": { "nodes": nodes() } });
    let (status, answer) = ask(&fixture, "PUT", "stream_routes/1", Some(stream)).await?;
    ensure!(status == 201 && answer["value"]["upstream"]["scheme"] == "tcp", "{answer}");
    let (status, _) = ask(&fixture, "OPTIONS", "routes", None).await?;
    ensure!(status == 200);
    let (status, answer) = ask(&fixture, "PUT", "routes/1", Some(Value::Null)).await?;
    ensure!(status == 400 && answer["error_msg"] == "invalid configuration: wrong type: expected object", "{answer}");
    let bare = reqwest::Client::builder().tls_backend_preconfigured(no_tls()?).build()?;
    let head = bare.head(fixture.apisix_admin.trim_end_matches('/')).send().await?;
    ensure!(head.status() == 200, "{head:?}");
    let wrong = bare
        .put(format!("{}routes/1", fixture.apisix_admin))
        .header("X-API-KEY", APISIX_KEY)
        .body("{uri}")
        .send()
        .await?;
    let wrong: Value = wrong.json().await?;
    let expected = json!({ "error_msg": "invalid request body: Expected object key string but found invalid token at character 2", "req_body": "{uri}" });
    ensure!(wrong == expected, "{wrong}");
    fixture.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_has_a_ttl_goes_by_itself() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let body = || Some(json!({ "uri": "/x", "plugins": {}, "upstream": { "nodes": nodes() } }));
    ensure!(ask(&fixture, "PUT", "routes/1?ttl=1", body()).await?.0 == 201);
    ensure!(ask(&fixture, "PUT", "routes/2?ttl=600", body()).await?.0 == 201);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while ask(&fixture, "GET", "routes/1", None).await?.0 == 200 {
        ensure!(tokio::time::Instant::now() < deadline, "it is still there");
        tokio::task::yield_now().await;
    }
    ensure!(ask(&fixture, "GET", "routes/2", None).await?.0 == 200);
    fixture.stop().await;
    Ok(())
}

/// Ids that are numbers, sub-paths that replace, methods that a kind does not have, and slashes at the end.
#[tokio::test]
async fn what_clients_send_besides_is_taken_as_apisix_takes_it() -> Result<()> {
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let up = || json!({ "nodes": nodes() });
    let limit = json!({ "limit-count": { "count": 2, "time_window": 60 } });
    walk(
        &fixture,
        vec![
            ("PUT", "upstreams/1", Some(json!({ "id": 1, "nodes": nodes() })), 201, "/value/id", json!("1")),
            ("PUT", "services/1", Some(json!({ "id": "1", "upstream_id": 1 })), 201, "/value/upstream_id", json!("1")),
            ("PUT", "routes/1", Some(json!({ "uri": "/a", "service_id": 1 })), 201, "/key", json!("/apisix/routes/1")),
            ("GET", "routes/1/", None, 200, "/value/uri", json!("/a")),
            ("PATCH", "routes", Some(json!({ "uri": "/b" })), 400, "/error_msg", json!("missing route id")),
            ("PATCH", "routes/1", None, 400, "/error_msg", json!("missing new configuration")),
            ("PATCH", "routes/1/plugins", Some(limit.clone()), 200, "/value/plugins/limit-count/count", json!(2)),
            ("PATCH", "routes/1/plugins", Some(json!({ "cors": {} })), 200, "/value/plugins/limit-count", Value::Null),
            ("PATCH", "routes/1/plugins/cors/max_age", Some(json!(9)), 200, "/value/plugins/cors/max_age", json!(9)),
            ("PATCH", "routes/1", Some(json!({ "plugins": { "cors": null } })), 200, "/value/plugins/cors", Value::Null),
            ("PATCH", "routes/1", Some(json!({ "status": 0 })), 200, "/value/status", json!(0)),
            ("PATCH", "routes/1/status", Some(json!(1)), 200, "/value/status", json!(1)),
            ("PATCH", "routes/1/status", Some(json!(7)), 400, "", json!({ "error_msg": "invalid configuration: property \"status\" validation failed: matches none of the enum values" })),
            ("PATCH", "upstreams/1", Some(json!({ "nodes": { "b:2": 3 } })), 200, "/value/nodes", json!({ "127.0.0.1:1980": 1, "b:2": 3 })),
            ("PATCH", "upstreams/1", Some(json!({ "nodes": { "b:2": null } })), 200, "/value/nodes", nodes()),
            ("PATCH", "upstreams/1/nodes", Some(json!({ "c:3": 1 })), 200, "/value/nodes", json!({ "c:3": 1 })),
            ("POST", "upstreams", Some(up()), 201, "/value/type", json!("roundrobin")),
            ("POST", "services", Some(json!({ "upstream": up() })), 201, "/value/upstream/nodes", nodes()),
            ("POST", "plugin_configs", Some(json!({ "plugins": limit })), 405, "/error_msg", json!("not supported `POST` method for plugin config")),
            ("POST", "global_rules", Some(json!({ "plugins": limit })), 405, "/error_msg", json!("not supported `POST` method for global rule")),
            ("POST", "consumer_groups", Some(json!({ "plugins": limit })), 405, "/error_msg", json!("not supported `POST` method for consumer group")),
            ("PATCH", "consumers/jack", Some(json!({})), 405, "/error_msg", json!("not supported `PATCH` method for consumer")),
            ("PUT", "plugin_configs/pc", Some(json!({ "plugins": limit })), 201, "/value/id", json!("pc")),
            ("PATCH", "plugin_configs/pc", Some(json!({ "desc": "d" })), 200, "/value/desc", json!("d")),
            ("PUT", "routes/dots.and-dashes_1", Some(json!({ "uri": "/c", "upstream": up() })), 201, "/value/id", json!("dots.and-dashes_1")),
        ],
    )
    .await?;
    let (status, answer) = ask(&fixture, "PUT", "routes/a%20b", Some(json!({ "uri": "/c", "upstream": up() }))).await?;
    ensure!(status == 400, "{status} {answer}");
    fixture.stop().await;
    Ok(())
}
