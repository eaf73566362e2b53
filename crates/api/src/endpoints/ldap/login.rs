//! `POST /api/ldap/{login_option_id}/login`

use api_types::{LdapLogin, Me, Valued};
use axum::Extension;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use control::Control;
use control::iam::LoginKind;
use http::{HeaderMap, Method, Uri, header};
use sign_on::SignOnError;

use crate::attempt::Attempt;
use crate::auth::refuse_other_origins;
use crate::endpoints::me;
use crate::endpoints::session::cookie;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::{JsonBody, PathOf};
use crate::serve::Connection;
use crate::sign_on::{self as own, Clients};

/// Logs in with a directory's name and password. The answer sets the cookie that carries the session.
#[utoipa::path(post, path = "/api/ldap/{login_option_id}/login", tag = "access", request_body = LdapLogin,
    params(("login_option_id" = String, Path)),
    responses((status = OK, body = Valued<Me>), (status = UNAUTHORIZED, body = api_types::ErrorBody),
        (status = CONFLICT, body = api_types::ErrorBody), (status = TOO_MANY_REQUESTS, body = api_types::ErrorBody)))]
pub(crate) async fn ldap_login(
    State(control): State<Control>,
    Extension(connection): Extension<Connection>,
    attempt: Attempt,
    PathOf(id): PathOf<String>,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(typed): JsonBody<LdapLogin>,
) -> ApiResult<Response> {
    refuse_other_origins(&Method::POST, &uri, &headers)?;
    attempt.tries_login(&typed.username);
    control.begin_sign_on(&attempt.request().address)?;
    let option = control.login_option_in_use(&id, LoginKind::Ldap).await?;
    control.may_try_password(&option.id, &typed.username)?;
    let identity = Clients::ldap(&option)?.sign_in(&typed.username, &typed.password).await;
    let identity = identity.map_err(|error| {
        if matches!(error, SignOnError::Credentials { .. } | SignOnError::Ambiguous { .. }) {
            control.note_wrong_password(&option.id, &typed.username);
        }
        own::refused(&option, &error)
    })?;
    control.note_right_password(&option.id, &typed.username);
    let session = control.login_external(&option, own::identified(&option, identity)?, attempt.request()).await?;
    let cookie = cookie::set(&session.token, session.max_age_seconds, connection.secure);
    let me = value(me::get::shown(&session.actor));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), me).into_response())
}
