//! `POST /api/gateway_groups/{gateway_group_id}/instance_token`

use std::time::Duration;

use api_types::{IssuedJoinToken, JoinTokenSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{OptionalJsonBody, PathOf};

/// Makes a token with which instances join the group. Its text is in this answer only.
#[utoipa::path(post, path = "/api/gateway_groups/{gateway_group_id}/instance_token", tag = "instances",
    request_body = Option<JoinTokenSpec>,
    params(("gateway_group_id" = String, Path),
        ("only_token" = Option<bool>, Query, description = "Understood for API7's clients; the answer is the token in any case")),
    responses((status = OK, body = Valued<IssuedJoinToken>)))]
pub(crate) async fn create_join_token(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
    OptionalJsonBody(spec): OptionalJsonBody<JoinTokenSpec>,
) -> ApiResult<Json<Valued<IssuedJoinToken>>> {
    let life = spec.expires_in.map(Duration::from_secs);
    let made = control.create_join_token(&caller.actor, &group, life, uses(spec.max_uses)).await?;
    Ok(value(IssuedJoinToken {
        id: made.id,
        token_plain_text: made.token,
        expires_at: made.expires_at.unwrap_or_default(),
        max_uses: made.max_uses.unwrap_or_default(),
    }))
}

/// 0 is the contract's way to say any number.
fn uses(max_uses: Option<u32>) -> Option<u32> {
    max_uses.filter(|uses| *uses != 0)
}
