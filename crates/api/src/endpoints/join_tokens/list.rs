//! `GET /api/gateway_groups/{gateway_group_id}/instance_tokens`

use api_types::{JoinToken, Listing};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::PathOf;

/// The join tokens of a group, newest first, without their texts.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/instance_tokens", tag = "instances",
    params(("gateway_group_id" = String, Path)), responses((status = OK, body = Listing<JoinToken>)))]
pub(crate) async fn list_join_tokens(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
) -> ApiResult<Json<Listing<JoinToken>>> {
    let found = control.list_join_tokens(&caller.actor, &group).await?;
    Ok(listing(found.into_iter().map(shown).collect()))
}

fn shown(token: store::join_tokens::JoinToken) -> JoinToken {
    JoinToken {
        id: token.id,
        expires_at: token.expires_at.unwrap_or_default(),
        max_uses: token.max_uses.unwrap_or_default(),
        uses: token.uses,
        revoked: token.revoked_at.is_some(),
        created_at: token.created_at,
    }
}
