//! /openapi.json

use anyhow::{Context, Result};
use std::collections::BTreeSet;

use crate::fixture::Fixture;

#[test]
fn the_document_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!("openapi", api::openapi_document());
}

#[tokio::test]
async fn the_document_is_served_and_complete() -> Result<()> {
    let api = Fixture::start().await?;
    let served: serde_json::Value =
        serde_json::from_str(&api.request(reqwest::Method::GET, "/openapi.json").send().await?.text().await?)?;
    assert_eq!(served, api::openapi_document());
    assert!(served["openapi"].as_str().context("openapi")?.starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, item) in served["paths"].as_object().context("paths")? {
        assert!(!path.contains("{kind}"), "{path} is a template");
        for operation in item.as_object().context("item")?.values() {
            let id = operation["operationId"].as_str().with_context(|| path.clone())?;
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(operation["summary"].is_string(), "{id} has no text");
        }
    }
    Ok(())
}
