//! What API7's clients do with a product that was just installed, in their order.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{ADMIN, Answer, Fixture, read};

const NEW_PASSWORD: &str = "a new passphrase of some length";

/// Logs in; the cookie of the session, and the answer.
async fn log_in(api: &Fixture, username: &str, password: &str) -> Result<(String, Answer)> {
    let body = json!({ "username": username, "password": password });
    let response = api.request(Method::POST, "/api/login").json(&body).send().await?;
    let cookie = response.headers().get("set-cookie").context("a cookie")?.to_str()?;
    let cookie = cookie.split(';').next().context("a pair")?.to_owned();
    Ok((cookie, read(response).await?.good()?))
}

async fn ask(api: &Fixture, cookie: &str, method: Method, path: &str, body: Value) -> Result<Answer> {
    let request = api.request(method, path).header("cookie", cookie).json(&body);
    read(request.send().await?).await
}

async fn change_password(api: &Fixture, cookie: &str, old: &str, new: &str) -> Result<()> {
    let body = json!({ "old_password": old, "new_password": new });
    ask(api, cookie, Method::PUT, "/api/password", body).await?.good().map(drop)
}

#[tokio::test]
async fn from_the_first_login_to_a_token() -> Result<()> {
    let api = Fixture::start().await?;
    let status = read(api.request(Method::GET, "/api/status").send().await?).await?.good()?;
    ensure!(status.body["value"]["status"] == "ok", "{status:?}");

    let (cookie, _) = log_in(&api, ADMIN.0, ADMIN.1).await?;
    change_password(&api, &cookie, ADMIN.1, NEW_PASSWORD).await?;
    let old = json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let old = api.request(Method::POST, "/api/login").json(&old).send().await?;
    ensure!(old.status() == 401, "the first password is good no more: {}", old.status());

    let (cookie, _) = log_in(&api, ADMIN.0, NEW_PASSWORD).await?;
    ask(&api, &cookie, Method::PUT, "/api/license", json!({ "data": "a licence" })).await?.good()?;
    let invite = json!({ "username": "ci", "password": "ci" });
    let invited = ask(&api, &cookie, Method::POST, "/api/invites", invite).await?.good()?;
    let id = invited.body["value"]["id"].as_str().context("an id")?;
    let roles = json!({ "roles": ["super_admin_id"] });
    ask(&api, &cookie, Method::PUT, &format!("/api/users/{id}/assigned_roles"), roles).await?.good()?;

    let (cookie, answer) = log_in(&api, "ci", "ci").await?;
    ensure!(answer.body["value"]["must_change_password"] == true, "{answer:?}");
    let spec = json!({ "name": "early", "expires_at": 0 });
    let early = ask(&api, &cookie, Method::POST, "/api/tokens", spec).await?;
    ensure!(early.status == 403, "with the password of the invitation nothing else can be done: {early:?}");
    change_password(&api, &cookie, "ci", NEW_PASSWORD).await?;

    let (cookie, _) = log_in(&api, "ci", NEW_PASSWORD).await?;
    let spec = json!({ "name": "adc", "expires_at": 0 });
    let made = ask(&api, &cookie, Method::POST, "/api/tokens", spec).await?.good()?;
    let token = made.body["value"]["token"].as_str().context("a token")?;
    let adc = super::client::Adc::with_given_token(&api, token, "default");
    adc.ping().await?;
    let service = json!({ "services": [{ "name": "shop", "routes": [] }] });
    ensure!(adc.sync(&service).await?.len() == 1);
    ensure!(adc.diff(&service).await?.is_empty());
    api.stop().await;
    Ok(())
}
