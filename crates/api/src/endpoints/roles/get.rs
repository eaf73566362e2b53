//! `GET /api/roles/{role_id}`

use api_types::{Role, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// One role.
#[utoipa::path(get, path = "/api/roles/{role_id}", tag = "roles",
    params(("role_id" = String, Path)),
    responses((status = OK, body = Valued<Role>)))]
pub(crate) async fn get_role(
    caller: Caller,
    State(control): State<Control>,
    PathOf(role): PathOf<String>,
) -> ApiResult<Json<Valued<Role>>> {
    let found = control.get_role(&caller.actor, &role).await?;
    Ok(value(super::shown(found)))
}
