//! `DELETE /api/login_options/{login_option_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;
use crate::sign_on::Kinds;

/// Removes a login option and the users who come by it. Their sessions and tokens end at once.
#[utoipa::path(delete, path = "/api/login_options/{login_option_id}", tag = "login options",
    params(("login_option_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn delete_login_option(
    caller: Caller,
    State(control): State<Control>,
    PathOf(id): PathOf<String>,
) -> ApiResult<Response> {
    control.delete_login_option(&caller.actor, &id, &Kinds).await?;
    Ok(done())
}
