//! `GET /api/oidc/{login_option_id}/login`

use std::time::SystemTime;

use axum::Extension;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use control::Control;
use control::iam::LoginKind;
use http::{StatusCode, header};

use super::pending::{Kept, own_path};
use crate::attempt::Attempt;
use crate::error::ApiResult;
use crate::input::{ListQuery, PathOf};
use crate::serve::Connection;
use crate::sign_on::{self, Clients};

/// Begins a login: sends the browser to the provider, which sends it back to the callback. `return_to` is the path
/// where the user goes in the end.
#[utoipa::path(get, path = "/api/oidc/{login_option_id}/login", tag = "access",
    params(("login_option_id" = String, Path), ("return_to" = Option<String>, Query, description = "A path of this control plane; / when left out")),
    responses((status = TEMPORARY_REDIRECT), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = UNAUTHORIZED, body = api_types::ErrorBody), (status = TOO_MANY_REQUESTS, body = api_types::ErrorBody)))]
pub(crate) async fn begin_oidc_login(
    State(control): State<Control>,
    Extension(connection): Extension<Connection>,
    Extension(clients): Extension<Clients>,
    attempt: Attempt,
    PathOf(id): PathOf<String>,
    query: ListQuery,
) -> ApiResult<Response> {
    let return_to = own_path(query.other("return_to").unwrap_or("/"))?;
    let option = control.login_option_in_use(&id, LoginKind::Oidc).await?;
    attempt.tries_login_option(&option.id, &option.spec.name);
    control.begin_sign_on(&attempt.request().address)?;
    let redirect_uri = sign_on::redirect_uri(&option)?;
    let begun = clients.oidc(&option)?.begin(&redirect_uri, SystemTime::now()).await;
    let begun = begun.map_err(|error| sign_on::refused(&option, &error))?;
    let secure = connection.secure || redirect_uri.starts_with("https:");
    let cookie = Kept { pending: begun.pending, return_to }.cookie(&control, &option, secure)?;
    let headers = AppendHeaders([(header::LOCATION, begun.url), (header::SET_COOKIE, cookie)]);
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}
