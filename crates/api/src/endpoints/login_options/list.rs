//! `GET /api/login_options`

use api_types::{Listing, LoginOption};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::sign_on::Kinds;

/// All login options by name, their secrets as `***`.
#[utoipa::path(get, path = "/api/login_options", tag = "login options",
    responses((status = OK, body = Listing<LoginOption>)))]
pub(crate) async fn list_login_options(
    caller: Caller,
    State(control): State<Control>,
) -> ApiResult<Json<Listing<LoginOption>>> {
    let found = control.list_login_options(&caller.actor, &Kinds).await?;
    Ok(listing(found.into_iter().map(super::shown).collect()))
}
