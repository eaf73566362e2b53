//! /api/audit_logs and what is below it

mod every_write;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use client::{AuditFilter, ExportFormat};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{APISIX_KEY, Fixture, admin, read, service};

async fn rows(api: &Fixture, filter: &str) -> Result<Vec<Value>> {
    let answer = api.get(&format!("/api/audit_logs?page_size=1000&direction=asc&{filter}")).await?.good()?;
    Ok(answer.body["list"].as_array().context("list")?.clone())
}

async fn try_login(api: &Fixture, name: &str, password: &str) -> Result<u16> {
    let body = json!({ "username": name, "password": password });
    Ok(api.request(Method::POST, "/api/login").json(&body).send().await?.status().as_u16())
}

#[tokio::test]
async fn a_row_tells_who_by_what_from_where_and_in_which_request() -> Result<()> {
    let api = Fixture::start().await?;
    let put = api.request(Method::PUT, &admin("services/s")).header("X-API-KEY", &api.token).json(&service("s"));
    let answer = put.header("X-Request-Id", "my-request").header("User-Agent", "curl/8").send().await?;
    ensure!(answer.status() == 200);
    let row = rows(&api, "event_type=PutResource").await?.pop().context("a row")?;
    let told = [
        ("operator", "admin"),
        ("token_name", "tests"),
        ("resource_type", "service"),
        ("resource_id", "s"),
        ("gateway_group_id", "default"),
        ("ip", "127.0.0.1"),
        ("source", "api"),
        ("outcome", "ok"),
    ];
    for (field, expected) in told {
        assert_eq!(row[field], expected, "{field}: {row}");
    }
    let request =
        json!({ "id": "my-request", "method": "PUT", "uri": "/apisix/admin/services/s", "user_agent": "curl/8" });
    assert_eq!((&row["request"], &row["revision"]), (&request, &json!(1)));
    assert_eq!(row["detail"]["changes"][0]["before"], Value::Null);
    assert_eq!(row["detail"]["changes"][0]["after"]["name"], "s");
    let login = rows(&api, "event_type=Login").await?.pop().context("a login")?;
    assert_eq!(
        (&login["source"], &login["credential"]["kind"], &login["ip"]),
        (&json!("cli"), &json!("password"), &json!("127.0.0.1"))
    );
    Ok(())
}

#[tokio::test]
async fn refused_logins_and_keys_are_on_record_without_the_secret() -> Result<()> {
    let api = Fixture::start().await?;
    for _ in 0..5 {
        assert_eq!(try_login(&api, "admin", "hush-password").await?, 401);
    }
    assert_eq!(try_login(&api, "admin", "hush-password").await?, 429);
    assert_eq!(try_login(&api, "a\u{0}b", "hush-password").await?, 401);
    let basic = api.request(Method::GET, "/api/me").basic_auth("kim", Some("hush-password")).send().await?;
    assert_eq!(basic.status(), 401);
    for (key, path) in [("a7ee-hush", "/api/me"), ("hush", "/api/gateway_groups")] {
        assert_eq!(api.request(Method::GET, path).header("X-API-KEY", key).send().await?.status(), 401);
    }
    assert_eq!(api.admin("a7adm-hush", "GET", "routes", None).await?.status(), 401);
    assert_eq!(api.request(Method::GET, "/api/me").send().await?.status(), 401, "nothing is tried by this");

    let refused = rows(&api, "outcome=refused").await?;
    let told: Vec<_> = refused
        .iter()
        .map(|row| {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            [
                text(&row["event_type"]),
                text(&row["credential"]["kind"]),
                text(&row["resource_name"]),
                text(&row["source"]),
            ]
        })
        .collect();
    let expected = [
        ["Login", "password", "admin", "api"],
        ["Login", "password", "ab", "api"],
        ["Authenticate", "password", "kim", "api"],
        ["Authenticate", "token", "", "api"],
        ["Authenticate", "admin_key", "", "api"],
        ["Authenticate", "admin_key", "", "apisix-admin"],
    ];
    for expected in expected {
        assert!(told.iter().any(|told| *told == expected), "{expected:?} is not in {told:?}");
    }
    assert_eq!(refused.len(), expected.len(), "equal ones are counted: {refused:?}");
    assert!(refused.iter().all(|row| row["operator"] == "anonymous"));
    assert!(!json!(rows(&api, "").await?).to_string().contains("hush"), "a secret is on record");
    Ok(())
}

/// Whatever an endpoint forbids is on record, with the action and the resource that the answer names.
#[tokio::test]
async fn every_endpoint_s_refusals_are_on_record() -> Result<()> {
    let api = Fixture::start().await?;
    let other = api.post("/api/gateway_groups", json!({ "name": "other" })).await?.good()?;
    let other = other.body["value"]["id"].as_str().context("id")?.to_owned();
    let key = api.send(Method::PUT, "/api/gateway_groups/default/admin_key", None).await?.good()?;
    let key = key.body["value"]["key"].as_str().context("key")?.to_owned();
    let mut forbidden = BTreeSet::new();
    for (path, item) in api::openapi_document()["paths"].as_object().context("paths")? {
        for method in item.as_object().context("item")?.keys().filter(|key| *key != "parameters") {
            let filled = path.replace("{gateway_group_id}", &other);
            let filled: Vec<_> = filled.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
            let address = format!("{}?gateway_group_id={other}", filled.join("/"));
            let method: Method = method.to_uppercase().parse()?;
            let request = api.request(method, &address).header("X-API-KEY", &key).json(&json!({}));
            let answer = read(request.send().await?).await?;
            if answer.status == 403 {
                forbidden.insert(answer.error().to_owned());
            }
        }
    }
    assert!(forbidden.len() >= 8, "{forbidden:?}");
    let refused = rows(&api, "outcome=refused").await?;
    let on_record: BTreeSet<_> = refused.iter().filter_map(|row| Some(row["error"].as_str()?.to_owned())).collect();
    let missing: Vec<_> = forbidden.difference(&on_record).collect();
    assert!(missing.is_empty(), "not on record: {missing:?}");
    let row = refused.iter().find(|row| row["event_type"] == "gateway:UpdatePublishedService").context("a write")?;
    assert_eq!((&row["actor"], &row["gateway_group_id"]), (&json!("admin-key:default"), &json!(other)));
    Ok(())
}

#[tokio::test]
async fn writes_that_fail_are_on_record_and_validations_are_none() -> Result<()> {
    let api = Fixture::start().await?;
    let wrong = json!({ "name": "r", "paths": ["/"], "service_id": "none" });
    assert_eq!(api.put(&admin("routes/r"), wrong.clone()).await?.status, 400);
    assert_eq!(api.get(&admin("routes/r")).await?.status, 404);
    let faulty = json!({ "routes": [{ "id": "r", "uris": 7 }] });
    assert_eq!(api.post(&admin("configs/validate"), faulty).await?.status, 400);
    assert_eq!(api.admin(APISIX_KEY, "PUT", "routes/r", Some(&json!({ "uri": 7 }))).await?.status(), 400);
    let failed = rows(&api, "outcome=failed").await?;
    let told: Vec<_> = failed.iter().map(|row| (row["request"]["uri"].as_str(), row["source"].as_str())).collect();
    let expected =
        [(Some("/apisix/admin/routes/r"), Some("api")), (Some("/apisix/admin/routes/r"), Some("apisix-admin"))];
    assert_eq!(told, expected, "{failed:?}");
    assert!(failed[0]["error"].as_str().context("error")?.contains("service_id"), "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn filtered_and_paged() -> Result<()> {
    let api = Fixture::start().await?;
    for n in 0..12 {
        api.put(&admin(&format!("services/s{n}")), service(&format!("s{n}"))).await?.good()?;
    }
    let total = async |filter: &str| -> Result<Value> {
        Ok(api.get(&format!("/api/audit_logs?{filter}")).await?.good()?.body["total"].clone())
    };
    let cases = [
        ("event_type=PutResource", 12),
        ("event_type=PutResource&operator=admin", 12),
        ("event_type=PutResource&operator=kim", 0),
        ("resource_type=service&resource_id=s3", 1),
        ("gateway_group_id=default&event_type=PutResource", 12),
        ("outcome=ok&event_type=PutResource", 12),
        ("search=SERVICES/S1", 3),
        ("event_type=PutResource&end_at=1000", 0),
        ("event_type=PutResource&start_at=1000", 12),
    ];
    for (filter, expected) in cases {
        assert_eq!(total(filter).await?, expected, "{filter}");
    }
    let mut seen = BTreeSet::new();
    for page in 1..=3 {
        let path = format!("/api/audit_logs?event_type=PutResource&page={page}&page_size=5");
        let list = api.get(&path).await?.good()?.body["list"].as_array().context("list")?.clone();
        assert_eq!(list.len(), [5, 5, 2][page - 1]);
        seen.extend(list.iter().map(|row| row["resource_id"].to_string()));
    }
    assert_eq!(seen.len(), 12);
    let first = async |direction| -> Result<Value> {
        let path = format!("/api/audit_logs?event_type=PutResource&direction={direction}");
        Ok(api.get(&path).await?.good()?.body["list"][0]["resource_id"].clone())
    };
    assert_eq!((first("asc").await?, first("desc").await?), (json!("s0"), json!("s11")));
    let types = api.get("/api/audit_logs/event_types").await?.good()?.body["list"].to_string();
    assert!(types.contains("\"Login\"") && types.contains("\"PutResource\""), "{types}");
    for wrong in ["outcome=maybe", "start_at=yesterday", "direction=up"] {
        assert_eq!(api.get(&format!("/api/audit_logs?{wrong}")).await?.status, 400, "{wrong}");
    }
    Ok(())
}

#[tokio::test]
async fn exported_whole_as_json_and_csv() -> Result<()> {
    let api = Fixture::start().await?;
    let formula = "=HYPERLINK(\"http://evil\",\"a, b\")";
    assert_eq!(try_login(&api, formula, "x").await?, 401);
    // More than are read at a time.
    for n in 0..220 {
        api.put(&admin("services/s"), service(&format!("s{n}"))).await?.good()?;
    }
    let puts = AuditFilter { event_type: Some("PutResource".into()), oldest_first: true, ..AuditFilter::default() };
    let client = api.typed()?;
    let exported: Vec<Value> = serde_json::from_slice(&export(&client, &puts, ExportFormat::Json).await?)?;
    assert_eq!(exported, rows(&api, "event_type=PutResource").await?);
    assert_eq!(exported.len(), 220);

    let everything = AuditFilter { oldest_first: true, ..AuditFilter::default() };
    let text = export(&client, &everything, ExportFormat::Csv).await?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let mut place = |name: &str| reader.headers().ok()?.iter().position(|own| own == name);
    let (event, name) = (place("event_type").context("event")?, place("resource_name").context("name")?);
    let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    assert_eq!(lines.iter().filter(|line| &line[event] == "PutResource").count(), 220);
    let refused = lines.iter().find(|line| line[name].contains("HYPERLINK")).context("the refused login")?;
    assert_eq!(&refused[name], format!("'{formula}"));
    assert!(lines.iter().any(|line| &line[event] == "ExportAudits"), "an export is itself on record");
    let none = AuditFilter { event_type: Some("Nothing".into()), ..AuditFilter::default() };
    let empty: Vec<Value> = serde_json::from_slice(&export(&client, &none, ExportFormat::Json).await?)?;
    assert!(empty.is_empty());
    Ok(())
}

async fn export(client: &client::Client, filter: &AuditFilter, format: ExportFormat) -> Result<Vec<u8>> {
    let (mut export, mut bytes) = (client.export_audit_logs(filter, format).await?, Vec::new());
    while let Some(chunk) = export.chunk().await? {
        bytes.extend(chunk);
    }
    Ok(bytes)
}

#[tokio::test]
async fn verified_while_it_is_whole() -> Result<()> {
    let api = Fixture::start().await?;
    api.put(&admin("services/s"), service("s")).await?.good()?;
    let found = api.typed()?.verify_audit_logs().await?;
    assert!(found.intact && found.broken.is_none() && found.unchained == 0, "{found:?}");
    let scopes: Vec<_> = found.chains.iter().map(|chain| (chain.scope.as_str(), chain.intact_rows > 0)).collect();
    assert_eq!(scopes, [("", true), ("default", true)]);
    Ok(())
}

#[tokio::test]
async fn settings_are_checked_kept_and_masked() -> Result<()> {
    let api = Fixture::start().await?;
    let path = "/api/audit_logs/config";
    let config = api.get(path).await?.good()?.body["value"].clone();
    assert_eq!(config, json!({ "retention_days": 60, "stream": null }));
    let stream = json!({ "type": "webhook", "url": "http://127.0.0.1:9/", "header": { "name": "Authorization", "value": "hush" } });
    let answer = api.put(path, json!({ "retention_days": 7, "stream": stream })).await?.good()?;
    assert_eq!(answer.body["value"]["stream"]["header"]["value"], "***");
    let shown = api.get(path).await?.good()?.body["value"].clone();
    assert_eq!((&shown["retention_days"], &shown["stream"]["format"]), (&json!(7), &json!("lines")));
    assert!(shown["stream_state"].is_object() && !shown.to_string().contains("hush"), "{shown}");
    let wrong = [
        (json!({ "retention_days": 0 }), "/retention_days"),
        (json!({ "stream": { "type": "webhook", "url": "gopher://x" } }), "/stream/url"),
        (json!({ "stream": { "type": "webhook", "url": "http://x", "format": "xml" } }), "/stream/format"),
        (json!({ "stream": { "type": "syslog", "address": "x" } }), "/stream/address"),
        (json!({ "stream": { "type": "syslog", "address": "x:514", "transport": "pigeon" } }), "/stream/transport"),
    ];
    for (body, pointer) in wrong {
        let answer = api.put(path, body).await?;
        assert!(answer.status == 400 && answer.error().contains(pointer), "{pointer}: {answer:?}");
    }
    assert_eq!(api.put(path, json!({ "stream": { "type": "pigeon" } })).await?.status, 400);
    assert_eq!(api.get(path).await?.body["value"]["retention_days"], 7, "what was refused changed nothing");
    Ok(())
}
