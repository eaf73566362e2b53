//! `PUT /api/system_settings/built_in_login`

use api_types::BuiltInLoginSpec;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Switches login by name and password. Off takes a Super Admin who came by a login option that is enabled: 409 else.
#[utoipa::path(put, path = "/api/system_settings/built_in_login", tag = "login options", request_body = BuiltInLoginSpec,
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn put_built_in_login(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<BuiltInLoginSpec>,
) -> ApiResult<Response> {
    control.set_built_in_login(&caller.actor, body.enabled).await?;
    Ok(done())
}
