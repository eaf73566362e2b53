//! `GET /api/login_options/{login_option_id}`

use api_types::{LoginOption, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;
use crate::sign_on::Kinds;

/// One login option, its secrets as `***`.
#[utoipa::path(get, path = "/api/login_options/{login_option_id}", tag = "login options",
    params(("login_option_id" = String, Path)),
    responses((status = OK, body = Valued<LoginOption>)))]
pub(crate) async fn get_login_option(
    caller: Caller,
    State(control): State<Control>,
    PathOf(id): PathOf<String>,
) -> ApiResult<Json<Valued<LoginOption>>> {
    Ok(value(super::shown(control.get_login_option(&caller.actor, &id, &Kinds).await?)))
}
