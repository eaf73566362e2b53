//! `POST /api/gateway_groups/{gateway_group_id}/admin_keys`

use api_types::{AdminKeySpec, IssuedAdminKey, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::iam::GroupKeySpec;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};

/// Makes a further admin key of a group. Its text is in this answer only.
#[utoipa::path(post, path = "/api/gateway_groups/{gateway_group_id}/admin_keys", tag = "gateway groups", request_body = AdminKeySpec,
    params(("gateway_group_id" = String, Path)),
    responses((status = OK, body = Valued<IssuedAdminKey>), (status = BAD_REQUEST, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn create_admin_key(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
    JsonBody(body): JsonBody<AdminKeySpec>,
) -> ApiResult<Json<Valued<IssuedAdminKey>>> {
    let expires_at = Some(body.expires_at).filter(|at| *at != 0);
    let spec = GroupKeySpec { name: body.name, document: body.policy_document, expires_at };
    let made = control.create_admin_key(&caller.actor, &group, spec).await?;
    Ok(value(IssuedAdminKey { id: made.id, key: made.key }))
}
