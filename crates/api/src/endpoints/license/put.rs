//! `PUT /api/license`

use api_types::License;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::OptionalJsonBody;

/// Accepts a licence, writes down who put it and forgets it, so that set-up scripts of API7 run unchanged.
#[utoipa::path(put, path = "/api/license", tag = "product", request_body = License, responses((status = OK)))]
pub(crate) async fn put_license(
    caller: Caller,
    State(control): State<Control>,
    _license: OptionalJsonBody<License>,
) -> ApiResult<Response> {
    control.put_license(&caller.actor).await?;
    Ok(done())
}
