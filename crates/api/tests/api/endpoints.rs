//! Every endpoint of the OpenAPI document asks for a key, but for those named here.

use anyhow::{Context, Result};
use reqwest::Method;

use crate::fixture::{Fixture, read};

const OPEN: [&str; 6] = [
    "POST /api/login",
    "GET /api/status",
    "GET /api/login_options/public",
    "GET /api/oidc/{login_option_id}/login",
    "GET /api/oidc/{login_option_id}/callback",
    "POST /api/ldap/{login_option_id}/login",
];

#[tokio::test]
async fn nothing_but_the_open_endpoints_answers_without_a_key() -> Result<()> {
    let api = Fixture::start().await?;
    let document = api::openapi_document();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().context("paths")? {
        for method in item.as_object().context("item")?.keys().filter(|key| *key != "parameters") {
            let method: Method = method.to_uppercase().parse()?;
            let name = format!("{method} {path}");
            if OPEN.contains(&name.as_str()) {
                continue;
            }
            for address in addresses(path) {
                let answer = read(api.request(method.clone(), &address).send().await?).await?;
                assert_eq!(answer.status, 401, "{name} ({address}) answers without a key: {answer:?}");
                asked += 1;
            }
        }
    }
    assert!(asked > 80, "the document names {asked} endpoints only");
    Ok(())
}

/// With values for the parameters, and with a group for what needs one.
fn addresses(path: &str) -> Vec<String> {
    let filled: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
    let filled = filled.join("/");
    vec![format!("{filled}?gateway_group_id=default"), filled]
}

#[tokio::test]
async fn the_open_endpoints_answer() -> Result<()> {
    let api = Fixture::start().await?;
    for path in ["/api/status", "/openapi.json", "/docs", "/docs/reader.js", "/docs/reader.css"] {
        assert_eq!(api.request(Method::GET, path).send().await?.status(), 200, "{path}");
    }
    let version = api.get("/api/version").await?.good()?;
    assert_eq!(version.body["value"], "3.9.19");
    Ok(())
}

#[tokio::test]
async fn schemas_of_resources_and_plugins() -> Result<()> {
    let api = Fixture::start().await?;
    let core = api.get("/api/schema/core").await?.good()?.body["value"].clone();
    for name in [
        "route",
        "service",
        "stream_service",
        "stream_route",
        "upstream",
        "ssl",
        "consumer",
        "consumer_credential",
        "global_rule",
        "plugin_metadata",
    ] {
        assert_eq!(core[name]["type"], "object", "{name}");
    }
    assert_eq!(core["route"]["properties"]["priority"]["default"], 0);
    assert_eq!(core["service"]["properties"]["strip_path_prefix"]["default"], true);
    let names = api.get("/apisix/admin/plugins/list").await?.good()?.body;
    let names = names.as_array().context("names")?.clone();
    assert_eq!(api.get("/api/plugins").await?.body["total"], names.len());
    for name in names.iter().filter_map(|name| name.as_str()) {
        let schema = api.get(&format!("/apisix/admin/plugins/{name}")).await?.good()?;
        assert_eq!(schema.body["type"], "object", "{name}");
    }
    Ok(())
}
