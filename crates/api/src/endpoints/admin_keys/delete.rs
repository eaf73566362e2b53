//! `DELETE /api/gateway_groups/{gateway_group_id}/admin_keys/{admin_key_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Ends an admin key of a group.
#[utoipa::path(delete, path = "/api/gateway_groups/{gateway_group_id}/admin_keys/{admin_key_id}", tag = "gateway groups",
    params(("gateway_group_id" = String, Path), ("admin_key_id" = String, Path)),
    responses((status = OK)))]
pub(crate) async fn delete_admin_key(
    caller: Caller,
    State(control): State<Control>,
    PathOf((group, key)): PathOf<(GroupId, String)>,
) -> ApiResult<Response> {
    control.delete_admin_key(&caller.actor, &group, &key).await?;
    Ok(done())
}
