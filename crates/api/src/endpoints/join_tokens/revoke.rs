//! `DELETE /api/gateway_groups/{gateway_group_id}/instance_tokens/{token_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Ends a join token. Instances that joined with it stay.
#[utoipa::path(delete, path = "/api/gateway_groups/{gateway_group_id}/instance_tokens/{token_id}", tag = "instances",
    params(("gateway_group_id" = String, Path), ("token_id" = String, Path)),
    responses((status = OK), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn revoke_join_token(
    caller: Caller,
    State(control): State<Control>,
    PathOf((group, token)): PathOf<(GroupId, String)>,
) -> ApiResult<Response> {
    control.revoke_join_token(&caller.actor, &group, &token).await?;
    Ok(done())
}
