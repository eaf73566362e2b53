//! `DELETE /api/users/{user_id}/sessions/{session_id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::auth::Caller;
use crate::envelope::done;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Ends a session of a user, who is told why. Everybody may end its own.
#[utoipa::path(delete, path = "/api/users/{user_id}/sessions/{session_id}", tag = "users",
    params(("user_id" = String, Path), ("session_id" = String, Path)),
    responses((status = OK)))]
pub(crate) async fn end_session(
    caller: Caller,
    State(control): State<Control>,
    PathOf((user, session)): PathOf<(String, String)>,
) -> ApiResult<Response> {
    control.end_session(&caller.actor, &user, &session).await?;
    Ok(done())
}
