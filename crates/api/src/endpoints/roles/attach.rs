//! `POST /api/roles/{role_id}/attach_permission_policies`

use api_types::PolicyIds;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Gives a role further permission policies.
#[utoipa::path(post, path = "/api/roles/{role_id}/attach_permission_policies", tag = "roles", request_body = PolicyIds,
    params(("role_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn attach_permission_policies(
    caller: Caller,
    State(control): State<Control>,
    PathOf(role): PathOf<String>,
    JsonBody(body): JsonBody<PolicyIds>,
) -> ApiResult<Response> {
    control.change_role_policies(&caller.actor, &role, &body.permission_policies, &[]).await?;
    Ok(done())
}
