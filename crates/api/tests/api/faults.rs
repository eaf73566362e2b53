//! Bad input: what is refused, with which status, and what the answer says.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{APISIX_KEY, BODY_LIMIT, Fixture, admin, read, route, service};

#[tokio::test]
async fn invalid_resources_are_refused_with_the_pointer() -> Result<()> {
    let api = Fixture::start().await?;
    api.put(&admin("services/s1"), service("one")).await?.good()?;
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let cases = [
        (
            "services/x",
            with(service("x"), "path_prefix", json!(1)),
            "Error at \"/path_prefix\": value must be a string",
        ),
        ("services/x", with(service("x"), "colour", json!("red")), "colour"),
        ("services/x", json!([]), "Error at \"\": value must be an object"),
        ("services/x", with(service("x"), "id", json!("y")), "\"/id\""),
        ("services/x", with(service("x"), "desc", json!("x".repeat(65_537))), "\"/desc\""),
        ("services/x", with(service("x"), "plugins", json!({"no-such-plugin": {}})), "no-such-plugin"),
        ("routes/x", json!({"service_id": "none", "paths": ["/a"]}), "\"/service_id\""),
        ("routes/x", with(route("s1", "/a"), "hosts", json!(["a b"])), "\"/hosts/0\""),
        ("routes/x", with(route("s1", "/a"), "vars", json!([["uri", "~~", "("]])), "\"/vars"),
        ("routes/x", with(route("s1", "/a"), "methods", json!(["FETCH"])), "\"/methods/0\""),
        ("routes/x", with(route("s1", "/a"), "remote_addrs", json!(["10.0.0.0/99"])), "\"/remote_addrs/0\""),
        ("routes/x", with(route("s1", "/a"), "plugin_config_id", json!("none")), "\"/plugin_config_id\""),
        ("upstreams/x", json!({"nodes": [{"host": "a", "port": 70_000, "weight": 1}]}), "\"/nodes"),
        ("consumers/jack", json!({"username": "jill"}), "\"/username\""),
    ];
    for (path, body, text) in cases {
        let answer = api.put(&admin(path), body).await?;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.error().contains(text), "{path}: {text}: {answer:?}");
    }
    let orphan =
        api.put(&admin("consumers/none/credentials/c1"), json!({"plugins": {"key-auth": {"key": "k"}}})).await?;
    assert!(matches!(orphan.status, 400 | 404), "{orphan:?}");
    assert_eq!(api.get("/api/gateway_groups/default/status").await?.body["value"]["revision"], 1);
    Ok(())
}

#[tokio::test]
async fn a_description_of_64_kib_is_taken() -> Result<()> {
    let api = Fixture::start().await?;
    let mut body = service("one");
    body["desc"] = json!("x".repeat(65_536));
    api.put(&admin("services/s1"), body).await?.good()?;
    Ok(())
}

/// As long as API7 takes them, in whatever letters, and no longer.
#[tokio::test]
async fn a_name_of_64_kib_is_taken_found_and_shown() -> Result<()> {
    let api = Fixture::start().await?;
    for (id, name) in [("ascii", "n".repeat(65_536)), ("wide", "\u{652f}".repeat(65_536 / 3))] {
        let put = api.put(&admin(&format!("services/{id}")), service(&name)).await?.good()?;
        assert_eq!(put.body["value"]["name"], json!(name));
        let mut of_it = route(id, &format!("/{id}"));
        of_it["name"] = json!(name);
        api.put(&admin(&format!("routes/{id}")), of_it).await?.good()?;
        let listed = api.get(&admin(&format!("routes?service_id={id}"))).await?.good()?;
        assert_eq!(listed.body["list"][0]["name"], json!(name));
    }
    let answer = api.put(&admin("services/longer"), service(&"n".repeat(65_537))).await?;
    assert_eq!(answer.status, 400, "{}", answer.error());
    assert!(answer.error().contains("\"/name\""), "{}", answer.error());
    Ok(())
}

#[tokio::test]
async fn unicode_and_percent_encoded_paths() -> Result<()> {
    let api = Fixture::start().await?;
    let mut body = service("Zahlungen – 支払い");
    body["desc"] = json!("\u{1F680} \"quoted\" \\ \u{7f}");
    let put = api.put(&admin("services/s%31"), body).await?.good()?;
    assert_eq!((&put.body["value"]["id"], &put.body["value"]["name"]), (&json!("s1"), &json!("Zahlungen – 支払い")));
    assert_eq!(api.get(&admin("services/s1")).await?.body, put.body);
    let found = api.get(&admin("services?name=Zahlungen%20%E2%80%93%20%E6%94%AF%E6%89%95%E3%81%84")).await?.good()?;
    assert_eq!(found.body["total"], 1);
    for id in ["a%20b", "a%2Fb", "%E6%94%AF", "%FF", "%00"] {
        let answer = api.put(&admin(&format!("services/{id}")), service("x")).await?;
        assert_eq!(answer.status, 400, "{id}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_long() -> Result<()> {
    let api = Fixture::start().await?;
    let send = |body: String| {
        let request = api.request(Method::PUT, &admin("services/s1")).header("X-API-KEY", &api.token).body(body);
        async move { read(request.send().await?).await }
    };
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, status) in [
        (String::new(), 400),
        ("{".to_owned(), 400),
        ("{} {}".to_owned(), 400),
        (deep, 400),
        (format!("{{\"name\": \"{}\"}}", "x".repeat(BODY_LIMIT)), 413),
    ] {
        let start: String = body.chars().take(20).collect();
        let answer = send(body).await?;
        assert_eq!(answer.status, status, "{start}: {answer:?}");
        assert!(answer.body["error_msg"].is_string(), "{start}: {answer:?}");
    }
    Ok(())
}

/// Puts a body that comes in chunks, so that nobody knows its length before.
async fn put_chunked(url: &str, key: &str, body: &str) -> Result<(u16, Value)> {
    let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("a plain URL")?;
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("PUT /{path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\nconnection: close\r\n");
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(chunked.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a head")?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((status, serde_json::from_str(body).with_context(|| answer.clone())?))
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_all_the_same() -> Result<()> {
    let api = Fixture::start().await?;
    let (ours, apisix) = (format!("{}{}", api.http, admin("services/s1")), format!("{}services/s2", api.apisix_admin));
    let long = "x".repeat(BODY_LIMIT);
    for (url, key, made, refused, text) in [
        (&ours, api.token.as_str(), 200, 413, "body limit"),
        // As APISIX says it.
        (&apisix, APISIX_KEY, 201, 400, "is greater than the maximum size"),
    ] {
        let (status, answer) = put_chunked(url, key, &json!({"name": "n", "desc": long}).to_string()).await?;
        let told = answer["error_msg"].as_str().unwrap_or_default();
        assert!(status == refused && told.contains(text), "{url}: {status} {answer}");
        let (status, answer) = put_chunked(url, key, &service("n").to_string()).await?;
        assert_eq!(status, made, "{url}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json() -> Result<()> {
    let api = Fixture::start().await?;
    for (method, path, status) in [
        (Method::GET, "/api/nothing".to_owned(), 404),
        (Method::GET, admin("nothing"), 404),
        (Method::GET, admin("routes/none"), 404),
        (Method::GET, admin("routes/r1/upstreams"), 404),
        (Method::GET, admin("services/none/upstreams"), 404),
        (Method::GET, "/apisix/admin/plugins/no-such-plugin".to_owned(), 404),
        (Method::GET, "/apisix/admin/routes?gateway_group_id=none".to_owned(), 404),
        (Method::GET, "/apisix/admin/routes?gateway_group_id=a%20b".to_owned(), 400),
        (Method::GET, "/apisix/admin/routes".to_owned(), 400),
        (Method::PUT, "/api/version".to_owned(), 405),
    ] {
        let answer = api.send(method, &path, None).await?;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body["error_msg"].is_string(), "{path}: {answer:?}");
    }
    Ok(())
}

/// What every answer has whose endpoint does not say otherwise.
const SAFE_HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
];

#[tokio::test]
async fn every_answer_has_a_request_id_and_safe_headers() -> Result<()> {
    let api = Fixture::start().await?;
    let answer = api.request(Method::GET, "/api/status").header("x-request-id", "mine-1").send().await?;
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    let answers = [
        ("a good one", api.request(Method::GET, "/api/status")),
        ("one with a key", api.request(Method::GET, "/api/me").header("X-API-KEY", &api.token)),
        ("a refusal", api.request(Method::GET, "/api/me")),
        ("of what is not there", api.request(Method::GET, "/api/nothing")),
        ("of SCIM", api.request(Method::GET, "/scim/v2/Users")),
    ];
    for (what, request) in answers {
        let answer = request.send().await?;
        for (name, value) in SAFE_HEADERS {
            assert_eq!(
                answer.headers().get(name).map(|value| value.as_bytes()),
                Some(value.as_bytes()),
                "{what}: {name}"
            );
        }
        assert!(answer.headers().get("strict-transport-security").is_none(), "it would hold for the plain port, too");
    }
    let answer = api.request(Method::GET, "/api/nothing").send().await?;
    assert_eq!(answer.headers()["x-request-id"].len(), 36);
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    let docs = api.request(Method::GET, "/").send().await?;
    assert_eq!((docs.status().as_u16(), docs.url().path()), (200, "/docs"));
    assert_eq!(docs.headers()["x-frame-options"], "DENY");
    assert!(docs.headers()["content-security-policy"].to_str()?.contains("script-src 'self'"));
    Ok(())
}

/// In a path, in a search, in a filter and in a body; for whoever asks, and in the words of each API.
#[tokio::test]
async fn the_character_nul_is_refused_everywhere() -> Result<()> {
    const TOLD: &str = "a text with the character NUL cannot be kept or looked for";
    let api = Fixture::start().await?;
    for path in [
        "/api/users?search=a%00",
        "/api/users/a%00",
        "/api/users/a%00/sessions",
        "/api/roles?labels=env%3Da%00",
        "/api/roles/a%00",
        "/api/permission_policies?name=a%00",
        "/api/gateway_groups?search=a%00",
        "/api/gateway_groups?labels=a%00",
        "/api/instances?search=a%00",
        "/api/audit_logs?search=a%00",
        "/api/gateway_groups/default/instances?search=a%00",
        "/apisix/admin/services?gateway_group_id=default&search=a%00",
        "/apisix/admin/routes?gateway_group_id=default&labels=a%00%3Db",
    ] {
        let answer = api.get(path).await?;
        assert!(answer.status == 400 && answer.error().contains(TOLD), "{path}: {answer:?}");
    }
    let labelled = |key: &str, value: &str| json!({ "name": "n", "labels": { key: value } });
    let mut service_of = service("a\0");
    for (path, body) in [
        ("/api/gateway_groups", json!({ "name": "a\0" })),
        ("/api/gateway_groups", json!({ "name": "n", "description": "a\0" })),
        ("/api/gateway_groups", labelled("env", "a\0")),
        ("/api/roles", json!({ "name": "n", "description": "a\0" })),
        ("/api/roles", labelled("a\0", "")),
        ("/api/roles", json!({ "name": "n", "permission_policies": ["a\0"] })),
        ("/api/tokens", json!({ "name": "a\0" })),
        ("/apisix/admin/services?gateway_group_id=default", service_of.clone()),
    ] {
        let answer = api.post(path, body.clone()).await?;
        assert!(answer.status == 400 && answer.error().contains(TOLD), "{path} {body}: {answer:?}");
    }
    let removed = api.delete("/api/roles/a%00").await?;
    assert!(removed.status == 400 && removed.error().contains(TOLD), "{removed:?}");

    service_of["upstream"] = json!({ "nodes": { "127.0.0.1:80": 1 } });
    let of_apisix = read(api.admin(APISIX_KEY, "PUT", "services/s", Some(&service_of)).await?).await?;
    let told = format!("invalid configuration: {TOLD}");
    assert_eq!((of_apisix.status, of_apisix.error()), (400, told.as_str()));

    let scim = crate::scim::token(&api).await?;
    let ask = |method, path: &str| api.request(method, path).bearer_auth(&scim);
    let user = json!({ "userName": "ann", "externalId": "a\0" });
    for request in [
        ask(Method::GET, "/scim/v2/Users/a%00"),
        ask(Method::GET, "/scim/v2/Users").query(&[("filter", "userName eq \"a\\u0000\"")]),
        ask(Method::GET, "/scim/v2/Groups").query(&[("filter", "displayName co \"a\\u0000\"")]),
        ask(Method::POST, "/scim/v2/Users").json(&user),
    ] {
        let answer = read(request.send().await?).await?;
        let is_told = answer.body["detail"].as_str().is_some_and(|detail| detail.contains(TOLD));
        assert!(answer.status == 400 && is_told && answer.body["scimType"] == "invalidValue", "{answer:?}");
    }

    let stranger = api.request(Method::GET, "/api/users/a%00").send().await?;
    assert_eq!(stranger.status(), 401);
    let powerless = crate::permissions::token_of(&api, "powerless", &[]).await?.1;
    let asked = api.request(Method::DELETE, "/api/users/a%00").header("X-API-KEY", powerless).send().await?;
    let status = asked.status().as_u16();
    assert!(matches!(status, 400 | 403), "{status}");
    Ok(())
}
