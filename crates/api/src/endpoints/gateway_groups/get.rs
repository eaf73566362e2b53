//! `GET /api/gateway_groups/{gateway_group_id}`

use api_types::{GatewayGroup, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use super::shown::shown;
use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// One gateway group.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)), responses((status = OK, body = Valued<GatewayGroup>)))]
pub(crate) async fn get_gateway_group(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Json<Valued<GatewayGroup>>> {
    let found = control.get_group(&caller.actor, &group).await?;
    Ok(value(shown(found)))
}
