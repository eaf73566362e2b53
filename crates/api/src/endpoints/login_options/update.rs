//! `PUT /api/login_options/{login_option_id}`

use api_types::{LoginOption, LoginOptionSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};
use crate::sign_on::Kinds;

/// Replaces a login option; its type stays. Secrets that are left out, or sent as `***`, stay as long as the address
/// that they are sent to does.
#[utoipa::path(put, path = "/api/login_options/{login_option_id}", tag = "login options", request_body = LoginOptionSpec,
    params(("login_option_id" = String, Path)),
    responses((status = OK, body = Valued<LoginOption>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn update_login_option(
    caller: Caller,
    State(control): State<Control>,
    PathOf(id): PathOf<String>,
    JsonBody(body): JsonBody<LoginOptionSpec>,
) -> ApiResult<Json<Valued<LoginOption>>> {
    let changed = control.update_login_option(&caller.actor, &id, super::spec(body)?, &Kinds).await?;
    Ok(value(super::shown(changed)))
}
