//! `GET /api/system_settings/built_in_login`

use api_types::{BuiltInLogin, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;

/// Whether users may log in by name and password.
#[utoipa::path(get, path = "/api/system_settings/built_in_login", tag = "login options",
    responses((status = OK, body = Valued<BuiltInLogin>)))]
pub(crate) async fn get_built_in_login(
    caller: Caller,
    State(control): State<Control>,
) -> ApiResult<Json<Valued<BuiltInLogin>>> {
    let found = control.get_built_in_login(&caller.actor).await?;
    Ok(value(BuiltInLogin { enabled: found.enabled, forced: found.forced }))
}
