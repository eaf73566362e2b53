//! `DELETE /scim/v2/Users/{id}`

use axum::extract::State;
use axum::response::Response;
use control::Control;

use crate::input::PathOf;
use crate::scim::{Base, Preconditions, ScimCaller, ScimError, ScimResult, removed, user_shape};

/// Removes a user. Its sessions and tokens end at once.
#[utoipa::path(delete, path = "/scim/v2/Users/{id}", tag = "scim", params(("id" = String, Path)),
    responses((status = NO_CONTENT),
        (status = FORBIDDEN, body = serde_json::Value, content_type = "application/scim+json"),
        (status = NOT_FOUND, body = serde_json::Value, content_type = "application/scim+json")))]
pub(crate) async fn delete_scim_user(
    caller: ScimCaller,
    State(control): State<Control>,
    base: Base,
    preconditions: Preconditions,
    PathOf(id): PathOf<String>,
) -> ScimResult<Response> {
    let check = |found: &_| preconditions.check(&user_shape::shown(found, &base.0).version);
    control.deprovision_user::<ScimError>(&caller.actor, &id, check).await?;
    Ok(removed())
}
