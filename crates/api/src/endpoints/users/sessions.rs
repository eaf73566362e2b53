//! `GET /api/users/{user_id}/sessions`

use api_types::{Listing, Session};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::PathOf;

/// The open sessions of a user, the latest first. Everybody may see its own.
#[utoipa::path(get, path = "/api/users/{user_id}/sessions", tag = "users",
    params(("user_id" = String, Path)),
    responses((status = OK, body = Listing<Session>)))]
pub(crate) async fn list_sessions(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
) -> ApiResult<Json<Listing<Session>>> {
    let found = control.list_sessions(&caller.actor, &user).await?;
    Ok(listing(found.into_iter().map(shown).collect()))
}

fn shown(session: store::iam::sessions::Session) -> Session {
    Session {
        id: session.id,
        address: session.address,
        user_agent: session.user_agent,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
    }
}
