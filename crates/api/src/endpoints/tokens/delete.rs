//! `DELETE /api/tokens/{token_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Ends one of the caller's personal tokens.
#[utoipa::path(delete, path = "/api/tokens/{token_id}", tag = "access", params(("token_id" = String, Path)),
    responses((status = OK), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn delete_token(
    caller: Caller,
    State(control): State<Control>,
    PathOf(token): PathOf<String>,
) -> ApiResult<Response> {
    control.delete_token(&caller.actor, &token).await?;
    Ok(done())
}
