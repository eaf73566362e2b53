//! `GET /api/roles/{role_id}/permission_policies`

use api_types::{Listing, PermissionPolicy};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::endpoints::permission_policies::shown;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::PathOf;

/// The permission policies of a role, by name.
#[utoipa::path(get, path = "/api/roles/{role_id}/permission_policies", tag = "roles",
    params(("role_id" = String, Path)),
    responses((status = OK, body = Listing<PermissionPolicy>)))]
pub(crate) async fn list_policies_of_role(
    caller: Caller,
    State(control): State<Control>,
    PathOf(role): PathOf<String>,
) -> ApiResult<Json<Listing<PermissionPolicy>>> {
    let found = control.policies_of_role(&caller.actor, &role).await?;
    Ok(listing(found.into_iter().map(shown).collect::<ApiResult<_>>()?))
}
