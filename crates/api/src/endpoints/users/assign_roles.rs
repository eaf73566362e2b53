//! `PUT /api/users/{user_id}/assigned_roles`

use api_types::AssignedRoles;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Replaces the roles of a user. It takes `iam:UpdateUserRole` on the user and on every role that is given or taken. The first
/// admin has the role Super Admin and no other.
#[utoipa::path(put, path = "/api/users/{user_id}/assigned_roles", tag = "users", request_body = AssignedRoles,
    params(("user_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn assign_roles(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
    JsonBody(body): JsonBody<AssignedRoles>,
) -> ApiResult<Response> {
    control.assign_roles(&caller.actor, &user, &body.roles).await?;
    Ok(done())
}
