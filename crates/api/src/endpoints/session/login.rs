//! `POST /api/login`

use api_types::{Login, Me, Valued};
use axum::Extension;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use control::Control;
use http::{HeaderMap, Method, Uri, header};

use super::cookie;
use crate::attempt::Attempt;
use crate::auth::refuse_other_origins;
use crate::endpoints::me;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;
use crate::serve::Connection;

/// Logs in with name and password. The answer sets the cookie that carries the session.
#[utoipa::path(post, path = "/api/login", tag = "access", request_body = Login,
    responses((status = OK, body = Valued<Me>), (status = UNAUTHORIZED, body = api_types::ErrorBody)))]
pub(crate) async fn login(
    State(control): State<Control>,
    Extension(connection): Extension<Connection>,
    attempt: Attempt,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(login): JsonBody<Login>,
) -> ApiResult<Response> {
    refuse_other_origins(&Method::POST, &uri, &headers)?;
    attempt.tries_login(&login.username);
    let session =
        control.login(&login.username, &login.password, login.totp_code.as_deref(), attempt.request()).await?;
    let cookie = cookie::set(&session.token, session.max_age_seconds, connection.secure);
    let me = value(me::get::shown(&session.actor));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), me).into_response())
}
