//! `POST /api/login_options`

use api_types::{LoginOption, LoginOptionSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;
use crate::sign_on::Kinds;

/// Makes a login option. Only a Super Admin may map the role Super Admin.
#[utoipa::path(post, path = "/api/login_options", tag = "login options", request_body = LoginOptionSpec,
    responses((status = OK, body = Valued<LoginOption>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn create_login_option(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<LoginOptionSpec>,
) -> ApiResult<Json<Valued<LoginOption>>> {
    let spec = super::spec(body)?;
    let made = control.create_login_option(&caller.actor, spec, &Kinds).await?;
    Ok(value(super::shown(made)))
}
