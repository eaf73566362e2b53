//! `GET /api/permission_policies/{permission_policy_id}`

use api_types::{PermissionPolicy, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// One permission policy.
#[utoipa::path(get, path = "/api/permission_policies/{permission_policy_id}", tag = "permission policies",
    params(("permission_policy_id" = String, Path)),
    responses((status = OK, body = Valued<PermissionPolicy>)))]
pub(crate) async fn get_permission_policy(
    caller: Caller,
    State(control): State<Control>,
    PathOf(policy): PathOf<String>,
) -> ApiResult<Json<Valued<PermissionPolicy>>> {
    let found = control.get_policy(&caller.actor, &policy).await?;
    Ok(value(super::shown(found)?))
}
