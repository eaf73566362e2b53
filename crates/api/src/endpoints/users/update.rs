//! `PATCH /api/users/{user_id}`

use api_types::{User, UserChange, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::iam::UserPatch;
use model::Fault;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Changes a user's mail address, labels, and whether it may come in; ends a lock for wrong passwords. What is left out
/// stays.
#[utoipa::path(patch, path = "/api/users/{user_id}", tag = "users", request_body = UserChange,
    params(("user_id" = String, Path)),
    responses((status = OK, body = Valued<User>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn update_user(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
    JsonBody(change): JsonBody<UserChange>,
) -> ApiResult<Json<Valued<User>>> {
    let email = change.email.map(|email| Some(email).filter(|email| !email.is_empty()));
    if change.locked == Some(true) {
        return Err(Fault::new("/locked", "must be false: too many wrong passwords alone lock a user").into());
    }
    let unlock = change.locked.is_some();
    let patch = UserPatch { email, labels: change.labels, active: change.active, unlock };
    control.update_user(&caller.actor, &user, &patch).await?;
    let found = control.get_user(&caller.actor, &user).await?;
    Ok(value(super::shown(found)))
}
