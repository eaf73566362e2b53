//! `DELETE /api/gateway_groups/{gateway_group_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Removes a gateway group with its configuration, history, instances, tokens and admin key.
#[utoipa::path(delete, path = "/api/gateway_groups/{gateway_group_id}", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)), responses((status = OK)))]
pub(crate) async fn delete_gateway_group(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Response> {
    control.delete_group(&caller.actor, &group).await?;
    Ok(done())
}
