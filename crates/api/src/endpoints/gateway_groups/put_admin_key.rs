//! `PUT /api/gateway_groups/{gateway_group_id}/admin_key`

use api_types::{AdminKey, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Makes the group's admin key, or a new one: the old one ends. The key is in this answer only; it is good for this group
/// alone and needs no `gateway_group_id`.
#[utoipa::path(put, path = "/api/gateway_groups/{gateway_group_id}/admin_key", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)), responses((status = OK, body = Valued<AdminKey>)))]
pub(crate) async fn put_admin_key(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Json<Valued<AdminKey>>> {
    let key = control.regenerate_admin_key(&caller.actor, &group).await?;
    Ok(value(AdminKey { key: Some(key.key), created_at: Some(key.created_at) }))
}
