//! `GET /api/tokens`

use api_types::{Listing, Token};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;

/// The caller's personal tokens, newest first, without their texts.
#[utoipa::path(get, path = "/api/tokens", tag = "access", responses((status = OK, body = Listing<Token>)))]
pub(crate) async fn list_tokens(caller: Caller, State(control): State<Control>) -> ApiResult<Json<Listing<Token>>> {
    let found = control.list_tokens(&caller.actor).await?;
    Ok(listing(found.into_iter().map(shown).collect()))
}

fn shown(token: store::iam::tokens::Token) -> Token {
    Token {
        id: token.id,
        name: token.name,
        policy_document: token.document.and_then(|document| serde_json::from_str(&document).ok()),
        expires_at: token.expires_at.unwrap_or_default(),
        created_at: token.created_at,
        last_used_at: token.last_used_at.unwrap_or_default(),
    }
}
