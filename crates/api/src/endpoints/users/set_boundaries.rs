//! `PUT /api/users/{user_id}/boundaries`

use api_types::Boundaries;
use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Replaces the permission boundaries of a user.
#[utoipa::path(put, path = "/api/users/{user_id}/boundaries", tag = "users", request_body = Boundaries,
    params(("user_id" = String, Path)),
    responses((status = OK), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn set_boundaries(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
    JsonBody(body): JsonBody<Boundaries>,
) -> ApiResult<Response> {
    control.set_boundaries(&caller.actor, &user, &body.permission_boundaries).await?;
    Ok(done())
}
