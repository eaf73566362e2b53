//! `GET /api/gateway_groups/{gateway_group_id}/permitted_users`

use api_types::{Listing, User};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::endpoints::users::plain;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::PathOf;

/// The users who may see the group, of the first thousand that the caller may see.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/permitted_users", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)), responses((status = OK, body = Listing<User>)))]
pub(crate) async fn list_permitted_users(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Json<Listing<User>>> {
    let found = control.permitted_users(&caller.actor, &group).await?;
    Ok(page(found.list.into_iter().map(plain).collect(), found.total))
}
