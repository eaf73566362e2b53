//! `GET /api/gateway_groups/{gateway_group_id}/admin_key`

use api_types::{AdminKey, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Whether the group has an admin key, and since when. The key itself is shown only when it is made.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/admin_key", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)), responses((status = OK, body = Valued<AdminKey>)))]
pub(crate) async fn get_admin_key(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Json<Valued<AdminKey>>> {
    let created_at = control.admin_key_created_at(&caller.actor, &group).await?;
    Ok(value(AdminKey { key: None, created_at }))
}
