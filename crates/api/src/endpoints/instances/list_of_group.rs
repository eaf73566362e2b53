//! `GET /api/gateway_groups/{gateway_group_id}/instances`

use api_types::{Instance, Listing};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use super::filter::filter;
use super::shown::shown;
use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{InstanceParams, ListQuery, PathOf};

/// The gateway instances of a group.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/instances", tag = "instances",
    params(("gateway_group_id" = String, Path), InstanceParams), responses((status = OK, body = Listing<Instance>)))]
pub(crate) async fn list_instances_of_group(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
    query: ListQuery,
) -> ApiResult<Json<Listing<Instance>>> {
    let found = control.list_instances(&caller.actor, &filter(&query, Some(group))?).await?;
    Ok(page(found.list.into_iter().map(shown).collect(), found.total))
}
