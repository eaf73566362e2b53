//! `PUT /api/users/{user_id}/password_reset`

use api_types::PasswordReset;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Gives another user a new one-time password. Its sessions end. One's own is changed with the old one, by `PUT /api/password`.
#[utoipa::path(put, path = "/api/users/{user_id}/password_reset", tag = "users", request_body = PasswordReset,
    params(("user_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn reset_password(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
    JsonBody(body): JsonBody<PasswordReset>,
) -> ApiResult<Response> {
    control.reset_password(&caller.actor, &user, &body.password).await?;
    Ok(done())
}
