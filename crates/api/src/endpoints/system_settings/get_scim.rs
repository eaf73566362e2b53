//! `GET /api/system_settings/scim`

use api_types::{ScimSettings, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;

/// Whether provisioning by SCIM is on, and since when there is a token.
#[utoipa::path(get, path = "/api/system_settings/scim", tag = "scim",
    responses((status = OK, body = Valued<ScimSettings>)))]
pub(crate) async fn get_scim_settings(
    caller: Caller,
    State(control): State<Control>,
) -> ApiResult<Json<Valued<ScimSettings>>> {
    Ok(value(super::shown(control.scim_settings(&caller.actor).await?)))
}
