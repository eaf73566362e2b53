//! `DELETE /api/users/{user_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Removes a user. Its sessions and tokens end at once.
#[utoipa::path(delete, path = "/api/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn delete_user(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
) -> ApiResult<Response> {
    control.delete_user(&caller.actor, &user).await?;
    Ok(done())
}
