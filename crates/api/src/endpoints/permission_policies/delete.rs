//! `DELETE /api/permission_policies/{permission_policy_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Removes a permission policy that is attached to no role and bounds no user.
#[utoipa::path(delete, path = "/api/permission_policies/{permission_policy_id}", tag = "permission policies",
    params(("permission_policy_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn delete_permission_policy(
    caller: Caller,
    State(control): State<Control>,
    PathOf(policy): PathOf<String>,
) -> ApiResult<Response> {
    control.delete_policy(&caller.actor, &policy).await?;
    Ok(done())
}
