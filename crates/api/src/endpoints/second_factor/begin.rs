//! `POST /api/second_factor`

use api_types::{NewSecondFactor, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;

/// Makes a key for the caller's authenticator app. It counts once a code of it was shown, by PUT.
#[utoipa::path(post, path = "/api/second_factor", tag = "access",
    responses((status = OK, body = Valued<NewSecondFactor>), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn begin_second_factor(
    caller: Caller,
    State(control): State<Control>,
) -> ApiResult<Json<Valued<NewSecondFactor>>> {
    let made = control.begin_second_factor(&caller.actor).await?;
    Ok(value(NewSecondFactor { secret: made.secret, uri: made.uri }))
}
