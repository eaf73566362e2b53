//! /api/login, /api/logout, /api/me, /api/password, /api/tokens

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::json;

use crate::fixture::{ADMIN, BODY_LIMIT, Fixture, admin, read};

#[tokio::test]
async fn the_first_use_sequence_of_api7_s_clients() -> Result<()> {
    let api = Fixture::start().await?;
    let body = json!({"username": ADMIN.0, "password": ADMIN.1});
    let login = api.request(Method::POST, "/api/login").json(&body).send().await?;
    let cookie = login.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().context("empty")?.to_owned();

    let with_cookie = |method, path: &str| api.request(method, path).header("cookie", &cookie);
    let me = read(with_cookie(Method::GET, "/api/me").send().await?).await?.good()?;
    assert_eq!(me.body["value"]["username"], "admin");
    let new = "a much better passphrase";
    let change = json!({"old_password": ADMIN.1, "new_password": new});
    read(with_cookie(Method::PUT, "/api/password").json(&change).send().await?).await?.good()?;

    let again = json!({"username": ADMIN.0, "password": new});
    let login = api.request(Method::POST, "/api/login").json(&again).send().await?;
    let cookie = login.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    let with_cookie = |method, path: &str| api.request(method, path).header("cookie", &cookie);
    let license = json!({"data": "anything"});
    read(with_cookie(Method::PUT, "/api/license").json(&license).send().await?).await?.good()?;
    let spec = json!({"name": "ci", "expires_at": 0});
    let token = read(with_cookie(Method::POST, "/api/tokens").json(&spec).send().await?).await?.good()?;
    let token = token.body["value"]["token"].as_str().context("no token")?.to_owned();
    assert!(token.starts_with("a7ee-"), "{token}");

    let groups = api.request(Method::GET, "/api/gateway_groups").header("X-API-KEY", &token).send().await?;
    assert_eq!(groups.status(), 200);
    read(with_cookie(Method::POST, "/api/logout").send().await?).await?.good()?;
    assert_eq!(with_cookie(Method::GET, "/api/me").send().await?.status(), 401);
    Ok(())
}

#[tokio::test]
async fn a_cookie_is_good_from_our_own_pages_only() -> Result<()> {
    let api = Fixture::start().await?;
    let body = json!({"username": ADMIN.0, "password": ADMIN.1});
    let login = api.request(Method::POST, "/api/login").json(&body).send().await?;
    let cookie = login.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    let spec = json!({"name": "stolen"});
    let post = || api.request(Method::POST, "/api/tokens").header("cookie", &cookie).json(&spec);
    let foreign = read(post().header("origin", "https://evil.example").send().await?).await?;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let own = read(post().header("origin", &api.http).send().await?).await?;
    assert_eq!(own.status, 200, "{own:?}");
    Ok(())
}

#[tokio::test]
async fn wrong_proof_is_refused() -> Result<()> {
    let api = Fixture::start().await?;
    let wrong = json!({"username": "admin", "password": "wrong"});
    let answer = read(api.request(Method::POST, "/api/login").json(&wrong).send().await?).await?;
    assert_eq!(answer.status, 401, "{answer:?}");
    for key in ["", "a7ee-nothing", "a7adm-nothing", "ü"] {
        let answer = api.request(Method::GET, "/api/me").header("X-API-KEY", key).send().await?;
        assert_eq!(read(answer).await?.status, 401, "{key:?}");
    }
    // What can be nobody's name is refused before it is counted.
    let long = json!({"username": "x".repeat(BODY_LIMIT / 2), "password": "wrong"});
    for _ in 0..8 {
        let answer = read(api.request(Method::POST, "/api/login").json(&long).send().await?).await?;
        assert!(answer.status == 401 && answer.error().contains("wrong username or password"), "{}", answer.status);
    }
    let basic = api.request(Method::GET, "/api/me").basic_auth(ADMIN.0, Some(ADMIN.1)).send().await?;
    assert_eq!(basic.status(), 200);
    let basic = api.request(Method::GET, "/api/me").basic_auth(ADMIN.0, Some("wrong")).send().await?;
    assert_eq!(basic.status(), 401);
    Ok(())
}

#[tokio::test]
async fn a_token_ends_when_it_is_made_anew_or_deleted() -> Result<()> {
    let api = Fixture::start().await?;
    let made = api.post("/api/tokens", json!({"name": "one"})).await?.good()?.body["value"].clone();
    let id = made["id"].as_str().context("id")?.to_owned();
    let status = |token: String| {
        let request = api.request(Method::GET, "/api/me").header("X-API-KEY", token);
        async move { Ok::<_, anyhow::Error>(request.send().await?.status().as_u16()) }
    };
    let first = made["token"].as_str().context("token")?.to_owned();
    assert_eq!(status(first.clone()).await?, 200);
    let again =
        api.send(Method::PUT, &format!("/api/tokens/{id}/regenerate"), None).await?.good()?.body["value"].clone();
    let second = again["token"].as_str().context("token")?.to_owned();
    let id = again["id"].as_str().context("id")?.to_owned();
    assert_eq!((status(first).await?, status(second.clone()).await?), (401, 200));
    let listed = api.get("/api/tokens").await?.good()?;
    assert!(!listed.body.to_string().contains(&second), "a list shows a token");
    api.delete(&format!("/api/tokens/{id}")).await?.good()?;
    assert_eq!(status(second).await?, 401);
    assert_eq!(api.delete(&format!("/api/tokens/{id}")).await?.status, 404);
    let past = api.post("/api/tokens", json!({"name": "old", "expires_at": 1})).await?;
    assert_eq!(past.status, 400, "{past:?}");
    Ok(())
}

#[tokio::test]
async fn an_admin_key_decides_the_group_by_itself() -> Result<()> {
    let api = Fixture::start().await?;
    let other = api.post("/api/gateway_groups", json!({"name": "other"})).await?.good()?;
    let other = other.body["value"]["id"].as_str().context("id")?.to_owned();
    let key = api.send(Method::PUT, "/api/gateway_groups/default/admin_key", None).await?.good()?;
    let key = key.body["value"]["key"].as_str().context("key")?.to_owned();
    assert!(key.starts_with("a7adm-"), "{key}");
    let with_key = |path: &str| api.request(Method::GET, path).header("X-API-KEY", &key);
    assert_eq!(with_key("/apisix/admin/routes").send().await?.status(), 200);
    let foreign = format!("/apisix/admin/routes?gateway_group_id={other}");
    assert_eq!(with_key(&foreign).send().await?.status(), 403);
    assert!(matches!(with_key("/api/tokens").send().await?.status().as_u16(), 401 | 403));
    let without = api.request(Method::GET, "/apisix/admin/routes").header("X-API-KEY", &api.token).send().await?;
    let without = read(without).await?;
    assert_eq!(without.status, 400);
    assert!(without.error().contains("gateway_group_id"), "{without:?}");
    assert_eq!(api.get(&admin("routes")).await?.status, 200);
    Ok(())
}
