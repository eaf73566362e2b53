//! `GET /scim/v2/Groups`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::scim::{self, Base, ScimCaller, ScimQuery, ScimResult};

/// The groups that meet a filter.
#[utoipa::path(get, path = "/scim/v2/Groups", tag = "scim",
    params(("filter" = Option<String>, Query), ("startIndex" = Option<u32>, Query), ("count" = Option<u32>, Query),
        ("sortBy" = Option<String>, Query), ("sortOrder" = Option<String>, Query),
        ("attributes" = Option<String>, Query), ("excludedAttributes" = Option<String>, Query)),
    responses((status = OK, body = serde_json::Value, content_type = "application/scim+json"),
        (status = BAD_REQUEST, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn list_scim_groups(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    query: ScimQuery,
) -> ScimResult<Response> {
    scim::groups(&control, &caller.actor, &query, &base.0).await
}
