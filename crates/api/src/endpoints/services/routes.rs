//! `GET /api/gateway_groups/{gateway_group_id}/services/{service_id}/routes`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use model::{GroupId, Kind, ResourceId};
use serde_json::Value;

use crate::auth::Caller;
use crate::endpoints::resources::list::list_of_service;
use crate::error::ApiResult;
use crate::input::{ListParams, ListQuery, PathOf};

/// The routes of a service: what `/apisix/admin/routes` lists with its `service_id`, by the same filters.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/services/{service_id}/routes", tag = "services",
    params(("gateway_group_id" = String, Path), ("service_id" = String, Path), ListParams),
    responses((status = OK, body = api_types::Listing<Value>), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn list_routes_of_service(
    caller: Caller,
    State(control): State<Control>,
    PathOf((group, service)): PathOf<(GroupId, ResourceId)>,
    query: ListQuery,
) -> ApiResult<Response> {
    list_of_service(&control, &caller.actor, &group, (Kind::Route, service), query).await
}
