//! Which request gets which answer.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::fault::{Endpoint, Fault};
use super::{Shared, pages, tokens};

/// Where right answers are when an endpoint redirects.
const MOVED: &str = "/moved";

pub(super) type Answer = Response<Full<Bytes>>;

/// A request with its form or query read.
pub(super) struct Asked {
    pub(super) parameters: Vec<(String, String)>,
    /// The header `authorization`.
    pub(super) authorization: Option<String>,
}

impl Asked {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let (is_moved, path) = path.strip_prefix(MOVED).map_or((false, path.as_str()), |rest| (true, rest));
    let Some(endpoint) = endpoint(path) else { return Ok(plain(StatusCode::NOT_FOUND, "no such page")) };
    let fault = {
        let mut state = shared.state();
        *state.calls.entry(endpoint).or_default() += 1;
        state.fault.filter(|_| !is_moved)
    };
    let target = |base: &str| format!("{base}{MOVED}{path}");
    match fault {
        Some(Fault::Silent(which)) if which == endpoint => std::future::pending().await,
        Some(Fault::Garbage(which)) if which == endpoint => Ok(plain(StatusCode::OK, "<html>It works!</html>")),
        Some(Fault::Broken(which)) if which == endpoint => Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "oops")),
        Some(Fault::RedirectWithin(which)) if which == endpoint => Ok(redirect(&target(&shared.issuer))),
        Some(Fault::RedirectElsewhere(which)) if which == endpoint => {
            Ok(redirect(&target(&shared.issuer.replace("127.0.0.1", "localhost"))))
        }
        Some(Fault::Huge(which)) if which == endpoint => Ok(huge(dispatch(&shared, endpoint, request).await).await),
        _ => Ok(dispatch(&shared, endpoint, request).await),
    }
}

fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/.well-known/openid-configuration" => Endpoint::Discovery,
        "/keys" => Endpoint::Keys,
        "/authorize" => Endpoint::Authorize,
        "/token" => Endpoint::Token,
        "/userinfo" => Endpoint::Userinfo,
        _ => return None,
    })
}

async fn dispatch(shared: &Shared, endpoint: Endpoint, request: Request<Incoming>) -> Answer {
    let asked = read(request).await;
    match endpoint {
        Endpoint::Discovery => json(StatusCode::OK, &description(shared)),
        Endpoint::Keys => {
            let keys: Vec<_> = shared.state().keys.iter().map(|key| key.published()).collect();
            json(StatusCode::OK, &json!({ "keys": keys }))
        }
        Endpoint::Authorize => pages::authorize(shared, &asked),
        Endpoint::Token => tokens::exchange(shared, &asked),
        Endpoint::Userinfo => tokens::userinfo(shared, &asked),
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let parameters = form_urlencoded::parse(&query).into_owned();
    let parameters = parameters.chain(form_urlencoded::parse(&body).into_owned()).collect();
    Asked { parameters, authorization }
}

/// OpenID Connect Discovery 1.0, section 3. It announces `none` and `HS256` too: clients must refuse them by themselves.
fn description(shared: &Shared) -> Value {
    let issuer = &shared.issuer;
    let mut description = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "HS256", "none"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    let state = shared.state();
    if state.fault == Some(Fault::DescribedIssuer) {
        description["issuer"] = json!("http://127.0.0.1:1");
    }
    for (name, value) in state.description.as_object().into_iter().flatten() {
        description[name] = value.clone();
    }
    if let Some(fields) = description.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    description
}

pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    let mut answer = plain(status, value.to_string());
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}

pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer
}

pub(super) fn redirect(location: &str) -> Answer {
    // 307, for a form must arrive as it was sent.
    let mut answer = plain(StatusCode::TEMPORARY_REDIRECT, "");
    match header::HeaderValue::from_str(location) {
        Ok(location) => drop(answer.headers_mut().insert(header::LOCATION, location)),
        Err(_) => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}

async fn huge(answer: Answer) -> Answer {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut padded = vec![b' '; 1 << 20];
    padded.extend_from_slice(&body);
    Response::from_parts(parts, Full::new(padded.into()))
}
