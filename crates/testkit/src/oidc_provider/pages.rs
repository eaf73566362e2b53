//! Where users sign in and allow it (OpenID Connect Core 1.0, section 3.1.2; RFC 7636, section 4.4).

use http::{StatusCode, header};

use super::endpoints::{Answer, Asked, plain, redirect};
use super::fault::Fault;
use super::keys::random;
use super::{Grant, Shared, User};

pub(super) fn authorize(shared: &Shared, asked: &Asked) -> Answer {
    let Some(redirect_uri) = known_redirect(shared, asked) else {
        // Such a request must not be redirected (RFC 6749, section 4.1.2.1).
        return plain(StatusCode::BAD_REQUEST, "unknown client_id or redirect_uri");
    };
    if asked.parameter("deny").is_some() {
        return send_back(
            shared,
            asked,
            redirect_uri,
            &[("error", "access_denied"), ("error_description", "not today")],
        );
    }
    let Some(challenge) = right_challenge(asked) else {
        return send_back(shared, asked, redirect_uri, &[("error", "invalid_request")]);
    };
    let Some(hint) = asked.parameter("login_hint") else { return choice(shared, asked) };
    let (Some(user), Ok(code)) = (shared.user(|user| user.name == hint), random()) else {
        return plain(StatusCode::BAD_REQUEST, "no such user");
    };
    shared.state().grants.insert(code.clone(), grant(asked, user, redirect_uri, challenge));
    send_back(shared, asked, redirect_uri, &[("code", &code)])
}

fn known_redirect<'a>(shared: &Shared, asked: &'a Asked) -> Option<&'a str> {
    let registration = &shared.registration;
    let redirect_uri = asked.parameter("redirect_uri")?;
    let is_known = registration.redirect_uris.iter().any(|known| known == redirect_uri)
        && asked.parameter("client_id") == Some(&registration.client_id);
    is_known.then_some(redirect_uri)
}

/// The challenge, when the request is one for a code of OpenID Connect with PKCE.
fn right_challenge(asked: &Asked) -> Option<&str> {
    let is_right = asked.parameter("response_type") == Some("code")
        && asked.parameter("code_challenge_method") == Some("S256")
        && asked.parameter("scope").is_some_and(|scope| scope.split(' ').any(|scope| scope == "openid"));
    asked.parameter("code_challenge").filter(|challenge| is_right && challenge.len() == 43)
}

fn grant(asked: &Asked, user: &User, redirect_uri: &str, challenge: &str) -> Grant {
    Grant {
        user: user.name.clone(),
        redirect_uri: redirect_uri.to_owned(),
        nonce: asked.parameter("nonce").map(str::to_owned),
        challenge: challenge.to_owned(),
    }
}

/// Back to the client, with the issuer's name (RFC 9207).
fn send_back(shared: &Shared, asked: &Asked, redirect_uri: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    if let Some(state) = asked.parameter("state") {
        query.append_pair("state", state);
    }
    match shared.state().fault {
        Some(Fault::NamelessCallback) => {}
        Some(Fault::CallbackIssuer) => drop(query.append_pair("iss", "http://127.0.0.1:1")),
        _ => drop(query.append_pair("iss", &shared.issuer)),
    }
    let mut answer = redirect(&format!("{redirect_uri}?{}", query.finish()));
    *answer.status_mut() = StatusCode::FOUND;
    answer
}

/// A page on which a person chooses who they are.
fn choice(shared: &Shared, asked: &Asked) -> Answer {
    let link = |name: &str, value: &str, text: &str| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&asked.parameters).append_pair(name, value);
        format!("<p><a href=\"/authorize?{}\">{text}</a></p>", query.finish().replace('&', "&amp;"))
    };
    let users = shared.registration.users.iter();
    let links: String =
        users.map(|user| link("login_hint", &user.name, &format!("Sign in as {}", user.name))).collect();
    let page = format!("<!doctype html><title>Sign in</title>{links}{}", link("deny", "1", "Cancel"));
    let mut answer = plain(StatusCode::OK, page);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}
