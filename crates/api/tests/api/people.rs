//! /api/invites, /api/users, /api/roles, /api/permission_policies, /api/can_i

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::json;

use crate::fixture::{ADMIN, Fixture, read};
use crate::permissions::token_of;

/// The order in which API7's clients set themselves up.
#[tokio::test]
async fn an_invited_user_becomes_super_admin_and_makes_a_token() -> Result<()> {
    let api = Fixture::start().await?;
    let invited = api.post("/api/invites", json!({ "username": "ci", "password": "ci" })).await?.good()?.body;
    let id = invited["value"]["id"].as_str().context("id")?.to_owned();
    let roles = json!({ "roles": ["super_admin_id"] });
    api.put(&format!("/api/users/{id}/assigned_roles"), roles).await?.good()?;
    let login = json!({ "username": "ci", "password": "ci" });
    let session = api.request(Method::POST, "/api/login").json(&login).send().await?;
    let cookie = session.headers().get("set-cookie").context("cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    assert_eq!(read(session).await?.body["value"]["must_change_password"], true);
    let early = api.request(Method::GET, "/api/gateway_groups/default").header("cookie", &cookie).send().await?;
    let early = read(early).await?;
    assert!(early.status == 403 && early.error().contains("PUT /api/password"), "{early:?}");
    let change = json!({ "old_password": "ci", "new_password": "long enough by far" });
    let changed = api.request(Method::PUT, "/api/password").header("cookie", &cookie).json(&change).send().await?;
    assert_eq!(changed.status(), 200);
    let login = json!({ "username": "ci", "password": "long enough by far" });
    let session = api.request(Method::POST, "/api/login").json(&login).send().await?;
    let cookie = session.headers().get("set-cookie").context("cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    let spec = json!({ "name": "adc", "expires_at": 0 });
    let token = api.request(Method::POST, "/api/tokens").header("cookie", &cookie).json(&spec).send().await?;
    let token = read(token).await?.good()?.body["value"]["token"].as_str().context("token")?.to_owned();
    let made = api.request(Method::POST, "/api/gateway_groups").header("X-API-KEY", &token);
    assert_eq!(made.json(&json!({ "name": "made by ci" })).send().await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn users_are_listed_changed_and_removed() -> Result<()> {
    let api = Fixture::start().await?;
    let (id, token) = token_of(&api, "ann", &["viewer_id"]).await?;
    let path = format!("/api/users/{id}");
    let change = json!({ "email": "ann@example.com", "labels": { "team": "a" } });
    let changed = api.patch(&path, change).await?.good()?.body;
    assert_eq!(
        (&changed["value"]["email"], &changed["value"]["labels"]["team"]),
        (&json!("ann@example.com"), &json!("a"))
    );
    let by_mail = api.request(Method::GET, "/api/me").basic_auth("ann@example.com", Some("a passphrase of their own"));
    assert_eq!(by_mail.send().await?.status(), 200, "a user may log in with its mail address");
    let listed = api.get("/api/users?search=EXAMPLE&page=1&page_size=10").await?.good()?.body;
    assert_eq!((&listed["total"], &listed["list"][0]["username"]), (&json!(1), &json!("ann")));
    assert_eq!(listed["list"][0]["roles"][0]["name"], "Viewer");
    assert!(!listed.to_string().contains("argon2"), "a list shows a password's hash");
    let both = api.get("/api/users").await?.good()?.body;
    assert_eq!(both["list"][0]["username"], "admin", "by name");
    let taken = api.post("/api/invites", json!({ "username": "ANN", "password": "x" })).await?;
    assert!(taken.status == 409 && taken.error().contains("username"), "{taken:?}");
    api.patch(&path, json!({ "active": false })).await?.good()?;
    let out = api.request(Method::GET, "/api/me").header("X-API-KEY", &token).send().await?;
    assert_eq!(out.status(), 401);
    api.delete(&path).await?.good()?;
    assert_eq!(api.get(&path).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn policies_are_saved_explained_and_simulated() -> Result<()> {
    let api = Fixture::start().await?;
    let document = json!({ "statement": [{ "effect": "allow", "actions": ["gateway:<.*>"],
        "resources": ["arn:api7:gateway:gatewaygroup/default"] }] });
    let spec = json!({ "name": "default only", "desc": "d", "labels": { "team": "a" }, "policy_document": document });
    let saved = api.post("/api/permission_policies", spec.clone()).await?.good()?.body;
    let policy = saved["value"]["id"].as_str().context("id")?.to_owned();
    assert_eq!((&saved["value"]["policy_document"], &saved["value"]["type"]), (&document, &json!("custom")));
    assert!(saved.get("warning_msg").is_none(), "{saved}");
    let role = api.post("/api/roles", json!({ "name": "r" })).await?.good()?.body;
    let role = role["value"]["id"].as_str().context("id")?.to_owned();
    let attach = json!({ "permission_policies": [policy] });
    api.post(&format!("/api/roles/{role}/attach_permission_policies"), attach.clone()).await?.good()?;
    let of_role = api.get(&format!("/api/roles/{role}/permission_policies")).await?.good()?.body;
    assert_eq!(of_role["list"][0]["id"], policy);
    let (id, token) = token_of(&api, "ann", &[&role]).await?;

    let question =
        json!({ "action": "gateway:UpdateGatewayGroup", "resource": "arn:api7:gateway:gatewaygroup/default" });
    let own = api.request(Method::POST, "/api/can_i").header("X-API-KEY", &token).json(&question).send().await?;
    let own = read(own).await?.good()?.body;
    assert_eq!((&own["value"]["allowed"], &own["value"]["decided_by"][0]["policy_id"]), (&json!(true), &json!(policy)));
    let about_ann = json!({ "action": "iam:GetUser", "resource": "arn:api7:iam:user/*", "user": id });
    let about_ann = api.post("/api/can_i", about_ann).await?.good()?.body;
    assert_eq!(about_ann["value"]["allowed"], false);
    assert!(!about_ann["value"]["missing"].as_array().context("missing")?.is_empty());
    for (field, wrong) in [("action", "gateway:Nothing"), ("resource", "arn:api7:gateway:gatewaygroup/<.*>/x")] {
        let mut body = question.clone();
        body[field] = json!(wrong);
        let refused = api.post("/api/can_i", body).await?;
        assert!(refused.status == 400 && refused.error().contains(&format!("\"/{field}\"")), "{refused:?}");
    }
    let simulation = json!({ "permission_policy_id": policy, "questions": [question] });
    let simulation = api.post("/api/permission_policies/simulate", simulation).await?.good()?.body;
    let difference = &simulation["value"]["differences"][0];
    assert_eq!(
        (&difference["username"], &difference["now"], &difference["then"]),
        (&json!("ann"), &json!(true), &json!(false))
    );

    assert_eq!(api.delete(&format!("/api/permission_policies/{policy}")).await?.status, 409, "it is attached");
    api.post(&format!("/api/roles/{role}/detach_permission_policies"), attach).await?.good()?;
    api.delete(&format!("/api/permission_policies/{policy}")).await?.good()?;
    let mut odd = spec;
    odd["policy_document"]["statement"][0]["resources"] = json!(["arn:gatewaygroup:<[^:]*>"]);
    let odd = api.post("/api/permission_policies", odd).await?.good()?.body;
    assert!(odd["warning_msg"].as_str().context("warning")?.contains("arn:gatewaygroup"), "{odd}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_policy_names_every_field() -> Result<()> {
    let api = Fixture::start().await?;
    let document = json!({ "statement": [
        { "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] },
        { "effect": "maybe", "actions": ["<(a{1000}){1000}>"], "resources": [] },
    ] });
    let refused = api.post("/api/permission_policies", json!({ "name": "p", "policy_document": document })).await?;
    assert_eq!(refused.status, 400);
    for pointer in ["/statement/1/effect", "/statement/1/actions/0", "/statement/1/resources"] {
        assert!(refused.error().contains(&format!("\"/policy_document{pointer}\"")), "{pointer}: {refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn sessions_are_seen_and_ended() -> Result<()> {
    let api = Fixture::start().await?;
    let body = json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let login = api.request(Method::POST, "/api/login").header("user-agent", "a browser").json(&body).send().await?;
    let cookie = login.headers().get("set-cookie").context("cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    let id = read(login).await?.body["value"]["id"].as_str().context("id")?.to_owned();
    let open = api.get(&format!("/api/users/{id}/sessions")).await?.good()?.body;
    assert_eq!((&open["total"], &open["list"][0]["user_agent"]), (&json!(1), &json!("a browser")));
    let session = open["list"][0]["id"].as_str().context("session")?.to_owned();
    api.delete(&format!("/api/users/{id}/sessions/{session}")).await?.good()?;
    let after = read(api.request(Method::GET, "/api/me").header("cookie", &cookie).send().await?).await?;
    assert!(after.status == 401 && after.error().contains("user:admin ended it"), "{after:?}");
    Ok(())
}

#[tokio::test]
async fn a_group_has_several_admin_keys() -> Result<()> {
    let api = Fixture::start().await?;
    let document = json!({ "statement": [{ "effect": "allow", "actions": ["<.*>Get<.*>"], "resources": ["<.*>"] }] });
    let keys = "/api/gateway_groups/default/admin_keys";
    let made = api.post(keys, json!({ "name": "reader", "policy_document": document })).await?.good()?.body;
    let (id, key) = (made["value"]["id"].as_str().context("id")?, made["value"]["key"].as_str().context("key")?);
    let with = |method, path: &str| api.request(method, path).header("X-API-KEY", key);
    assert_eq!(with(Method::GET, "/apisix/admin/routes").send().await?.status(), 200);
    let put = with(Method::PUT, "/apisix/admin/services/s").json(&crate::fixture::service("s")).send().await?;
    assert_eq!(put.status(), 403);
    let listed = api.get(keys).await?.good()?.body;
    assert_eq!((&listed["total"], &listed["list"][0]["policy_document"]), (&json!(1), &document));
    assert!(!listed.to_string().contains(key), "a list shows a key");
    assert_eq!(api.post(keys, json!({ "name": "reader" })).await?.status, 409);
    api.delete(&format!("{keys}/{id}")).await?.good()?;
    assert_eq!(with(Method::GET, "/apisix/admin/routes").send().await?.status(), 401);
    Ok(())
}

/// The code that an authenticator app shows, by the secret that the API gave.
fn code(secret: &str, step_offset: i64) -> Result<String> {
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes())?;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = aws_lc_rs::hmac::sign(&key, &(now / 30 + step_offset).to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 15);
    let word = u32::from_be_bytes(tag.as_ref()[offset..offset + 4].try_into()?) & 0x7fff_ffff;
    Ok(format!("{:06}", word % 1_000_000))
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_it_is_confirmed() -> Result<()> {
    let api = Fixture::start().await?;
    let login = async |totp_code: Option<String>| {
        let body = json!({ "username": ADMIN.0, "password": ADMIN.1, "totp_code": totp_code });
        read(api.request(Method::POST, "/api/login").json(&body).send().await?).await
    };
    let begun = api.post("/api/second_factor", json!({})).await?.good()?.body;
    let secret = begun["value"]["secret"].as_str().context("secret")?.to_owned();
    assert!(begun["value"]["uri"].as_str().context("uri")?.starts_with("otpauth://totp/Flotilla:admin?secret="));
    login(None).await?.good()?;
    let wrong = api.put("/api/second_factor", json!({ "code": "000000" })).await?;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    // The step before, so that a later one is left for the login.
    let shown = code(&secret, -1)?;
    api.put("/api/second_factor", json!({ "code": shown })).await?.good()?;

    let without = login(None).await?;
    assert!(without.status == 401 && without.error().contains("totp_code"), "{without:?}");
    assert_eq!(login(Some("000000".to_owned())).await?.status, 401);
    assert_eq!(login(Some(shown)).await?.status, 401, "each code counts once");
    let next = code(&secret, 1)?;
    login(Some(next.clone())).await?.good()?;
    assert_eq!(login(Some(next)).await?.status, 401, "each code counts once");
    let basic = api.request(Method::GET, "/api/me").basic_auth(ADMIN.0, Some(ADMIN.1)).send().await?;
    assert_eq!(basic.status(), 401, "a password alone is not enough");
    api.get("/api/me").await?.good()?;

    let id = api.get("/api/me").await?.body["value"]["id"].as_str().context("id")?.to_owned();
    assert_eq!(api.get(&format!("/api/users/{id}")).await?.body["value"]["has_second_factor"], true);
    api.delete(&format!("/api/users/{id}/second_factor")).await?.good()?;
    login(None).await?.good()?;
    Ok(())
}

#[tokio::test]
async fn a_flood_of_one_key_is_answered_429() -> Result<()> {
    let api = Fixture::start_paced(5).await?;
    let mut statuses = Vec::new();
    for _ in 0..60 {
        let answer = api.request(Method::GET, "/api/status").header("X-API-KEY", "flood").send().await?;
        statuses.push((answer.status().as_u16(), answer.headers().contains_key("retry-after")));
    }
    assert!(statuses.contains(&(200, false)) && statuses.contains(&(429, true)), "{statuses:?}");
    Ok(())
}
