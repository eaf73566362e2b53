//! `GET /api/users/{user_id}`

use api_types::{User, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// One user. Everybody may see itself.
#[utoipa::path(get, path = "/api/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)),
    responses((status = OK, body = Valued<User>)))]
pub(crate) async fn get_user(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
) -> ApiResult<Json<Valued<User>>> {
    let found = control.get_user(&caller.actor, &user).await?;
    Ok(value(super::shown(found)))
}
