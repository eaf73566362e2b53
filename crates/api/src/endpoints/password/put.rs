//! `PUT /api/password`

use api_types::PasswordChange;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Changes the caller's password.
#[utoipa::path(put, path = "/api/password", tag = "access", request_body = PasswordChange, responses((status = OK)))]
pub(crate) async fn put_password(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(change): JsonBody<PasswordChange>,
) -> ApiResult<Response> {
    control.change_password(&caller.actor, &change.old_password, &change.new_password).await?;
    Ok(done())
}
