//! `GET /api/oidc/{login_option_id}/callback`

use std::time::SystemTime;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use control::Control;
use control::iam::LoginKind;
use http::{HeaderMap, StatusCode, Uri, header};
use sign_on::{Callback, SignOnError};

use super::pending::{self, Kept};
use crate::attempt::Attempt;
use crate::auth;
use crate::endpoints::session::cookie;
use crate::error::{ApiError, ApiResult};
use crate::input::PathOf;
use crate::serve::Connection;
use crate::sign_on::{self as own, Clients};

/// Finishes a login that this browser began: sets the cookie that carries the session, and goes on to `return_to`.
#[utoipa::path(get, path = "/api/oidc/{login_option_id}/callback", tag = "access",
    params(("login_option_id" = String, Path), ("code" = Option<String>, Query), ("state" = Option<String>, Query),
        ("iss" = Option<String>, Query), ("error" = Option<String>, Query), ("error_description" = Option<String>, Query)),
    responses((status = SEE_OTHER), (status = UNAUTHORIZED, body = api_types::ErrorBody), (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn finish_oidc_login(
    State(control): State<Control>,
    Extension(connection): Extension<Connection>,
    Extension(clients): Extension<Clients>,
    attempt: Attempt,
    PathOf(id): PathOf<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let secure = connection.secure;
    let came = Came { control: &control, clients: &clients, option: &id, attempt: &attempt, secure };
    let mut response = came.finish(&uri, &headers).await.unwrap_or_else(IntoResponse::into_response);
    // At the first callback, whatever it brings; the id stands in the path as it came, so it may be no header's.
    if let Ok(forget) = pending::forget(&id, connection.secure).parse() {
        response.headers_mut().append(header::SET_COOKIE, forget);
    }
    response
}

/// A browser that came back.
struct Came<'a> {
    control: &'a Control,
    clients: &'a Clients,
    option: &'a str,
    attempt: &'a Attempt,
    secure: bool,
}

impl Came<'_> {
    async fn finish(&self, uri: &Uri, headers: &HeaderMap) -> ApiResult<Response> {
        let option = self.control.login_option_in_use(self.option, LoginKind::Oidc).await?;
        // Before anything is looked at, so that forged and replayed ones are on record, too.
        self.attempt.tries_login_option(&option.id, &option.spec.name);
        let refused = |why| own::refused(&option, &SignOnError::Callback(why));
        let callback = Query::<Callback>::try_from_uri(uri);
        let Query(callback) = callback.map_err(|error| ApiError::bad_request(error.body_text()))?;
        let kept = auth::cookie(headers, pending::COOKIE);
        let kept = kept.and_then(|value| Kept::open(self.control, &option.id, &value));
        let kept = kept.ok_or_else(|| refused("this browser began none"))?;
        let life = pending::LIFE_SECONDS;
        if !self.control.use_sign_on_once(&kept.pending.state, life.saturating_mul(2)).await? {
            return Err(refused("it was answered before"));
        }
        let client = self.clients.oidc(&option)?;
        let identity = client.finish(&callback, &kept.pending, SystemTime::now()).await;
        let identity = identity.map_err(|error| own::refused(&option, &error))?;
        let user = own::identified(&option, identity)?;
        self.attempt.says_it_is(&user.username);
        let session = self.control.login_external(&option, user, self.attempt.request()).await?;
        let secure = self.secure || own::redirect_uri(&option)?.starts_with("https:");
        let cookie = cookie::set(&session.token, session.max_age_seconds, secure);
        let headers = AppendHeaders([(header::LOCATION, kept.return_to), (header::SET_COOKIE, cookie)]);
        Ok((StatusCode::SEE_OTHER, headers).into_response())
    }
}
