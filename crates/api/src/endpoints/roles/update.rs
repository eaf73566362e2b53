//! `PUT /api/roles/{role_id}`

use api_types::{Role, RoleSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Gives a role another name, description and labels. Its policies stay.
#[utoipa::path(put, path = "/api/roles/{role_id}", tag = "roles", request_body = RoleSpec,
    params(("role_id" = String, Path)),
    responses((status = OK, body = Valued<Role>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn update_role(
    caller: Caller,
    State(control): State<Control>,
    PathOf(role): PathOf<String>,
    JsonBody(body): JsonBody<RoleSpec>,
) -> ApiResult<Json<Valued<Role>>> {
    let changed = control.update_role(&caller.actor, &role, &super::spec(body).0).await?;
    Ok(value(super::shown(changed)))
}
