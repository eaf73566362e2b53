//! `DELETE /api/roles/{role_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Removes a role that nobody has.
#[utoipa::path(delete, path = "/api/roles/{role_id}", tag = "roles",
    params(("role_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn delete_role(
    caller: Caller,
    State(control): State<Control>,
    PathOf(role): PathOf<String>,
) -> ApiResult<Response> {
    control.delete_role(&caller.actor, &role).await?;
    Ok(done())
}
