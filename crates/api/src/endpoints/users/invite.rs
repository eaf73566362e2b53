//! `POST /api/invites`

use api_types::{Invitation, User, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::iam;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Makes a user without any role. Its password is good for one login, at which another must be chosen.
#[utoipa::path(post, path = "/api/invites", tag = "users", request_body = Invitation,
    responses((status = OK, body = Valued<User>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn invite_user(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<Invitation>,
) -> ApiResult<Json<Valued<User>>> {
    let Invitation { username, password, email, labels, permission_boundaries } = body;
    let email = email.filter(|email| !email.is_empty());
    let invitation = iam::Invitation { username, password, email, labels, boundaries: permission_boundaries };
    let made = control.invite_user(&caller.actor, invitation).await?;
    Ok(value(super::plain(made)))
}
