//! `GET /scim/v2/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`: what clients are told of the server.

use axum::response::Response;
use http::StatusCode;
use scim::schema;
use serde_json::Value;

use crate::input::PathOf;
use crate::scim::{Base, MAX_COUNT, ScimCaller, ScimError, ScimResult, json_answer, listing};

/// What of SCIM is served.
#[utoipa::path(get, path = "/scim/v2/ServiceProviderConfig", tag = "scim",
    responses((status = OK, body = Value, content_type = "application/scim+json")))]
pub(crate) async fn get_service_provider_config(_caller: ScimCaller, base: Base) -> Response {
    json_answer(StatusCode::OK, &schema::service_provider_config(&base.0, MAX_COUNT.into()))
}

/// The sorts of resource.
#[utoipa::path(get, path = "/scim/v2/ResourceTypes", tag = "scim",
    responses((status = OK, body = Value, content_type = "application/scim+json")))]
pub(crate) async fn list_resource_types(_caller: ScimCaller, base: Base) -> Response {
    all(schema::resource_types(&base.0))
}

/// One sort of resource.
#[utoipa::path(get, path = "/scim/v2/ResourceTypes/{name}", tag = "scim", params(("name" = String, Path)),
    responses((status = OK, body = Value, content_type = "application/scim+json")))]
pub(crate) async fn get_resource_type(
    _caller: ScimCaller,
    base: Base,
    PathOf(name): PathOf<String>,
) -> ScimResult<Response> {
    one(schema::resource_types(&base.0), &name)
}

/// The schemas with their attributes.
#[utoipa::path(get, path = "/scim/v2/Schemas", tag = "scim",
    responses((status = OK, body = Value, content_type = "application/scim+json")))]
pub(crate) async fn list_schemas(_caller: ScimCaller, base: Base) -> Response {
    all(schema::schemas(&base.0))
}

/// One schema.
#[utoipa::path(get, path = "/scim/v2/Schemas/{urn}", tag = "scim", params(("urn" = String, Path)),
    responses((status = OK, body = Value, content_type = "application/scim+json")))]
pub(crate) async fn get_schema(_caller: ScimCaller, base: Base, PathOf(urn): PathOf<String>) -> ScimResult<Response> {
    one(schema::schemas(&base.0), &urn)
}

fn all(resources: Vec<Value>) -> Response {
    listing(resources.len() as u64, 1, resources)
}

fn one(resources: Vec<Value>, id: &str) -> ScimResult<Response> {
    let found = resources.into_iter().find(|resource| resource["id"] == id);
    let found = found.ok_or_else(|| ScimError::new(404, format!("there is no {id:?} here")))?;
    Ok(json_answer(StatusCode::OK, &found))
}
