//! `DELETE /api/users/{user_id}/second_factor`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Removes the second factor of another user who lost it; one's own goes by `DELETE /api/second_factor`.
#[utoipa::path(delete, path = "/api/users/{user_id}/second_factor", tag = "users",
    params(("user_id" = String, Path)), responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn remove_second_factor_of_user(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
) -> ApiResult<Response> {
    control.remove_second_factor_of(&caller.actor, &user).await?;
    Ok(done())
}
