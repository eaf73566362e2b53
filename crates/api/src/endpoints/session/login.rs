//! `POST /api/login`

use api_types::{Login, Me, Valued};
use axum::Extension;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use control::Control;
use control::iam::Client;
use http::{HeaderMap, Method, Uri, header};

use super::cookie;
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
    uri: Uri,
    headers: HeaderMap,
    JsonBody(login): JsonBody<Login>,
) -> ApiResult<Response> {
    refuse_other_origins(&Method::POST, &uri, &headers)?;
    let client = client(&connection, &headers);
    let session = control.login(&login.username, &login.password, &client).await?;
    let cookie = cookie::set(&session.token, session.max_age_seconds, connection.secure);
    let me = value(me::get::shown(&session.actor));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), me).into_response())
}

/// Where a login comes from.
pub(crate) fn client(connection: &Connection, headers: &HeaderMap) -> Client {
    let named = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Client { address: connection.peer.ip().to_string(), user_agent: named.unwrap_or_default().to_owned() }
}
