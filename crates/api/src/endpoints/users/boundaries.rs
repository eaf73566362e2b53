//! `GET /api/users/{user_id}/boundaries`

use api_types::{Listing, PermissionPolicy};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::endpoints::permission_policies::shown;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::PathOf;

/// The permission policies that bound a user: at least one of them must allow whatever it does.
#[utoipa::path(get, path = "/api/users/{user_id}/boundaries", tag = "users",
    params(("user_id" = String, Path)),
    responses((status = OK, body = Listing<PermissionPolicy>)))]
pub(crate) async fn get_boundaries(
    caller: Caller,
    State(control): State<Control>,
    PathOf(user): PathOf<String>,
) -> ApiResult<Json<Listing<PermissionPolicy>>> {
    let found = control.boundaries_of(&caller.actor, &user).await?;
    Ok(listing(found.into_iter().map(shown).collect::<ApiResult<_>>()?))
}
