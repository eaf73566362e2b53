//! Who calls: the key in `X-API-KEY`, the session cookie, or HTTP Basic.

use axum::extract::{FromRef, FromRequestParts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::Control;
use control::iam::Actor;
use http::request::Parts;
use http::{HeaderMap, Method, Uri, header};

use crate::attempt::Attempt;
use crate::error::{ApiError, ApiResult};

/// Name of the cookie that carries a session.
pub(crate) const SESSION_COOKIE: &str = "session";
const API_KEY: &str = "x-api-key";

/// An authenticated caller; a handler that takes it answers 401 to everybody else.
pub(crate) struct Caller {
    /// Who it is.
    pub(crate) actor: Actor,
}

/// What a request brings to prove who sent it.
pub(crate) enum Proof {
    /// A personal token or a group's admin key.
    Key(String),
    /// A session.
    Session(String),
    /// Name and password.
    Basic(String, String),
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Control: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let control = Control::from_ref(state);
        let attempt = Attempt::of(parts);
        let actor = match proof(&parts.headers, &attempt)? {
            Proof::Key(key) => control.authenticate_key(&key).await?,
            Proof::Session(session) => {
                refuse_other_origins(&parts.method, &parts.uri, &parts.headers)?;
                control.authenticate_session(&session).await?
            }
            Proof::Basic(username, password) => {
                refuse_other_origins(&parts.method, &parts.uri, &parts.headers)?;
                control.authenticate_password(&username, &password, attempt.request()).await?
            }
        };
        Ok(Self { actor: attempt.recognised(actor) })
    }
}

fn proof(headers: &HeaderMap, attempt: &Attempt) -> ApiResult<Proof> {
    if let Some(key) = headers.get(API_KEY) {
        attempt.tries(kind_of_key(key.to_str().unwrap_or_default()), "");
        let key = key.to_str().map_err(|_| ApiError::unauthenticated("the key in X-API-KEY is not good"))?;
        return Ok(Proof::Key(key.to_owned()));
    }
    if let Some(session) = cookie(headers, SESSION_COOKIE) {
        attempt.tries("session", "");
        return Ok(Proof::Session(session));
    }
    if let Some((username, password)) = basic(headers) {
        attempt.tries("password", &username);
        return Ok(Proof::Basic(username, password));
    }
    Err(ApiError::unauthenticated("no key: send a token in X-API-KEY, or log in at POST /api/login"))
}

/// What sort of key it is, as far as that can be told without knowing it.
pub(crate) fn kind_of_key(key: &str) -> &'static str {
    if key.starts_with("a7ee-") { "token" } else { "admin_key" }
}

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// RFC 7617
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, coded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

/// A browser sends cookies and Basic passwords by itself, whichever page asks; so a write with them must come from a page of
/// our own origin. A client that is no browser sends neither header and passes.
pub(crate) fn refuse_other_origins(method: &Method, uri: &Uri, headers: &HeaderMap) -> ApiResult<()> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"));
    let own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            // HTTP/2 carries the host in the address, HTTP/1.1 in a header.
            let host = uri.authority().map(|authority| authority.as_str()).or(text("host"));
            host.is_some() && origin.split_once("://").map(|(_, host)| host) == host
        }
        (None, None) => true,
    };
    if own {
        Ok(())
    } else {
        Err(ApiError::forbidden("writes with a session must come from a page of this control plane"))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn passes(pairs: &[(&'static str, &'static str)]) -> bool {
        refuse_other_origins(&Method::POST, &Uri::from_static("/api/tokens"), &headers(pairs)).is_ok()
    }

    #[test]
    fn writes_by_cookie_come_from_our_own_pages() {
        assert!(passes(&[("sec-fetch-site", "same-origin")]));
        assert!(!passes(&[("sec-fetch-site", "same-site")]));
        assert!(!passes(&[("sec-fetch-site", "cross-site"), ("origin", "https://cp:7443"), ("host", "cp:7443")]));
        assert!(passes(&[("origin", "https://cp:7443"), ("host", "cp:7443")]));
        assert!(!passes(&[("origin", "https://evil.example"), ("host", "cp:7443")]));
        assert!(!passes(&[("origin", "null"), ("host", "cp:7443")]));
        assert!(passes(&[("host", "cp:7443")]));
    }

    #[test]
    fn cookies_and_basic_passwords_are_found() {
        let found = cookie(&headers(&[("cookie", "a=1; session=xyz; b=2")]), "session");
        assert_eq!(found.as_deref(), Some("xyz"));
        let pair = basic(&headers(&[("authorization", "Basic YWRtaW46YTpi")]));
        assert_eq!(pair, Some(("admin".to_owned(), "a:b".to_owned())));
        assert_eq!(basic(&headers(&[("authorization", "Bearer x")])), None);
    }
}
