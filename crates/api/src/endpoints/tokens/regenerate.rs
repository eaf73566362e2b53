//! `PUT /api/tokens/{token_id}/regenerate`

use api_types::{IssuedToken, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Gives one of the caller's personal tokens a new text; the old one ends. The text is in this answer only.
#[utoipa::path(put, path = "/api/tokens/{token_id}/regenerate", tag = "access", params(("token_id" = String, Path)),
    responses((status = OK, body = Valued<IssuedToken>), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn regenerate_token(
    caller: Caller,
    State(control): State<Control>,
    PathOf(token): PathOf<String>,
) -> ApiResult<Json<Valued<IssuedToken>>> {
    let made = control.regenerate_token(&caller.actor, &token).await?;
    Ok(value(super::issued(made)))
}
