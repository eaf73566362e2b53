//! `DELETE /api/gateway_groups/{gateway_group_id}/instances/{instance_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use model::{GroupId, InstanceId};

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Revokes a gateway instance: its connection ends at once, and it cannot return.
#[utoipa::path(delete, path = "/api/gateway_groups/{gateway_group_id}/instances/{instance_id}", tag = "instances",
    params(("gateway_group_id" = String, Path), ("instance_id" = String, Path)),
    responses((status = OK), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn revoke_instance(
    caller: Caller,
    State(control): State<Control>,
    PathOf((group, instance)): PathOf<(GroupId, InstanceId)>,
) -> ApiResult<Response> {
    control.revoke_instance(&caller.actor, &group, &instance).await?;
    Ok(done())
}
