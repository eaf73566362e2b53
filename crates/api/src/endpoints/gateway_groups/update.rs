//! `PUT /api/gateway_groups/{gateway_group_id}`

use api_types::{GatewayGroup, GatewayGroupSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use super::shown::shown;
use super::spec;
use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Replaces what a gateway group says of itself; its configuration stays.
#[utoipa::path(put, path = "/api/gateway_groups/{gateway_group_id}", tag = "gateway groups", request_body = GatewayGroupSpec,
    params(("gateway_group_id" = String, Path)),
    responses((status = OK, body = Valued<GatewayGroup>), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn update_gateway_group(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
    JsonBody(body): JsonBody<GatewayGroupSpec>,
) -> ApiResult<Json<Valued<GatewayGroup>>> {
    let changed = control.update_group(&caller.actor, &group, &spec::replacement(body)?).await?;
    Ok(value(shown(changed)))
}
