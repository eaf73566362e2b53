//! `PUT /api/second_factor`

use api_types::SecondFactorProof;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Puts the key in force of which the caller shows a code: from now on its logins take one. Where another is in force, a code
/// of that one is needed, too.
#[utoipa::path(put, path = "/api/second_factor", tag = "access", request_body = SecondFactorProof,
    responses((status = OK), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = TOO_MANY_REQUESTS, body = api_types::ErrorBody)))]
pub(crate) async fn confirm_second_factor(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(shown): JsonBody<SecondFactorProof>,
) -> ApiResult<Response> {
    control.confirm_second_factor(&caller.actor, &shown.code, shown.old_code.as_deref()).await?;
    Ok(done())
}
