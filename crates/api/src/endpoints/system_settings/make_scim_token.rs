//! `POST /api/system_settings/scim/token`

use api_types::{IssuedScimToken, ScimTokenSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::OptionalJsonBody;

/// Makes the SCIM token; the one before ends at once. Its text is in this answer only.
#[utoipa::path(post, path = "/api/system_settings/scim/token", tag = "scim", request_body = ScimTokenSpec,
    responses((status = OK, body = Valued<IssuedScimToken>), (status = BAD_REQUEST, body = api_types::ErrorBody)))]
pub(crate) async fn make_scim_token(
    caller: Caller,
    State(control): State<Control>,
    OptionalJsonBody(body): OptionalJsonBody<ScimTokenSpec>,
) -> ApiResult<Json<Valued<IssuedScimToken>>> {
    let expires_at = Some(body.expires_at).filter(|at| *at != 0);
    let made = control.make_scim_token(&caller.actor, expires_at).await?;
    Ok(value(IssuedScimToken { token: made.token, expires_at: made.expires_at.unwrap_or_default() }))
}
