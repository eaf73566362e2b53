//! `PUT /api/system_settings/scim`

use api_types::{ScimSettings, ScimSwitch, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Switches provisioning by SCIM on or off. The token stays.
#[utoipa::path(put, path = "/api/system_settings/scim", tag = "scim", request_body = ScimSwitch,
    responses((status = OK, body = Valued<ScimSettings>)))]
pub(crate) async fn put_scim_settings(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<ScimSwitch>,
) -> ApiResult<Json<Valued<ScimSettings>>> {
    Ok(value(super::shown(control.set_scim_enabled(&caller.actor, body.enabled).await?)))
}
