//! `POST /api/tokens`

use api_types::{IssuedToken, TokenSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::iam;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Makes a personal token of the caller. Its text is in this answer only.
#[utoipa::path(post, path = "/api/tokens", tag = "access", request_body = TokenSpec,
    responses((status = OK, body = Valued<IssuedToken>), (status = BAD_REQUEST, body = api_types::ErrorBody)))]
pub(crate) async fn create_token(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(spec): JsonBody<TokenSpec>,
) -> ApiResult<Json<Valued<IssuedToken>>> {
    let asked = iam::TokenSpec { name: spec.name, document: spec.policy_document, expires_at: expiry(spec.expires_at) };
    let made = control.create_token(&caller.actor, asked).await?;
    Ok(value(super::issued(made)))
}

/// 0 is the contract's way to say never.
fn expiry(expires_at: i64) -> Option<i64> {
    Some(expires_at).filter(|at| *at != 0)
}
