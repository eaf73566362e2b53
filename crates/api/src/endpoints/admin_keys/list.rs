//! `GET /api/gateway_groups/{gateway_group_id}/admin_keys`

use api_types::{Listing, NamedAdminKey};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::PathOf;

/// The admin keys of a group, without their texts.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/admin_keys", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)),
    responses((status = OK, body = Listing<NamedAdminKey>)))]
pub(crate) async fn list_admin_keys(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Json<Listing<NamedAdminKey>>> {
    let found = control.list_admin_keys(&caller.actor, &group).await?;
    Ok(listing(found.into_iter().map(shown).collect()))
}

fn shown(key: store::iam::group_keys::GroupKey) -> NamedAdminKey {
    NamedAdminKey {
        id: key.id,
        name: key.name,
        policy_document: key.document.and_then(|document| serde_json::from_str(&document).ok()),
        expires_at: key.expires_at.unwrap_or_default(),
        last_used_at: key.last_used_at.unwrap_or_default(),
        created_at: key.created_at,
    }
}
