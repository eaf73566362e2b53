//! `POST /api/roles`

use api_types::{Role, RoleSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Makes a role.
#[utoipa::path(post, path = "/api/roles", tag = "roles", request_body = RoleSpec,
    responses((status = OK, body = Valued<Role>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn create_role(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<RoleSpec>,
) -> ApiResult<Json<Valued<Role>>> {
    let (spec, policies) = super::spec(body);
    let made = control.create_role(&caller.actor, &spec, &policies).await?;
    Ok(value(super::shown(made)))
}
