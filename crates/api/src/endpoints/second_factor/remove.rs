//! `DELETE /api/second_factor`

use api_types::OneTimeCode;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Removes the caller's second factor, of which it shows a code.
#[utoipa::path(delete, path = "/api/second_factor", tag = "access", request_body = OneTimeCode,
    responses((status = OK), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = TOO_MANY_REQUESTS, body = api_types::ErrorBody)))]
pub(crate) async fn remove_second_factor(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(shown): JsonBody<OneTimeCode>,
) -> ApiResult<Response> {
    control.remove_second_factor(&caller.actor, &shown.code).await?;
    Ok(done())
}
