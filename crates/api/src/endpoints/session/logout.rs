//! `POST /api/logout`

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use control::Control;
use http::{HeaderMap, header};

use super::cookie;
use crate::auth::{self, Caller};
use crate::envelope::done;
use crate::error::ApiResult;

/// Ends the session of the cookie.
#[utoipa::path(post, path = "/api/logout", tag = "access", responses((status = OK)))]
pub(crate) async fn logout(caller: Caller, State(control): State<Control>, headers: HeaderMap) -> ApiResult<Response> {
    if let Some(session) = auth::cookie(&headers, auth::SESSION_COOKIE) {
        control.logout(&caller.actor, &session).await?;
    }
    Ok((AppendHeaders([(header::SET_COOKIE, cookie::forget())]), done()).into_response())
}
