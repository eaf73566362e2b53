//! /api/invites, /api/users, /api/roles, /api/permission_policies, /api/can_i

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use control::iam::Actor;
use reqwest::Method;
use serde_json::json;
use store::audit::AuditFilter;
use store::iam::login_failures::{LockRule, LoginFailure};
use store::{AuditEntry, Direction, Outcome, SecretHash};

use crate::fixture::{ADMIN, Fixture, no_trust, read};
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

/// A session that was left open, or a token that was found, must not be enough to take the account over.
#[tokio::test]
async fn nobody_resets_their_own_password() -> Result<()> {
    let api = Fixture::start().await?;
    let login = json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let session = api.request(Method::POST, "/api/login").json(&login).send().await?;
    let cookie = session.headers().get("set-cookie").context("cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    let id = read(session).await?.body["value"]["id"].as_str().context("id")?.to_owned();
    let (ann, token) = token_of(&api, "ann", &["super_admin_id"]).await?;
    let ask = |method, path: &str, body: &serde_json::Value| api.request(method, path).json(body);
    let other = json!({ "password": "taken over" });
    let own = format!("/api/users/{id}/password_reset");
    for request in [
        ask(Method::PUT, &own, &other).header("cookie", &cookie),
        ask(Method::PUT, &own, &other).header("X-API-KEY", &api.token),
        ask(Method::PUT, &own, &other).basic_auth(ADMIN.0, Some(ADMIN.1)),
        ask(Method::PUT, &format!("/api/users/{ann}/password_reset"), &other).header("X-API-KEY", &token),
    ] {
        let refused = read(request.send().await?).await?;
        assert!(refused.status == 409 && refused.error().contains("by PUT /api/password"), "{refused:?}");
    }
    let change = json!({ "old_password": ADMIN.1, "new_password": "another passphrase" });
    let changed = ask(Method::PUT, "/api/password", &change).header("cookie", &cookie).send().await?;
    assert_eq!(changed.status(), 200, "the old one was good still");
    let by_another = ask(Method::PUT, &own, &other).header("X-API-KEY", &token).send().await?;
    assert_eq!(by_another.status(), 200);
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
pub(crate) fn code(secret: &str, step_offset: i64) -> Result<String> {
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes())?;
    let now = now()?;
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
    let own = api.delete(&format!("/api/users/{id}/second_factor")).await?;
    assert!(own.status == 409 && own.error().contains("code"), "one's own is not removed without a code: {own:?}");
    let (_, other) = token_of(&api, "other", &["super_admin_id"]).await?;
    let path = format!("/api/users/{id}/second_factor");
    read(api.request(Method::DELETE, &path).header("X-API-KEY", other).send().await?).await?.good()?;
    login(None).await?.good()?;
    Ok(())
}

/// Whoever has a session or a token of the user, and no code.
#[tokio::test]
async fn a_second_factor_is_replaced_and_removed_with_a_code_of_it_alone() -> Result<()> {
    let api = Fixture::start().await?;
    let begin = async || -> Result<String> {
        let begun = api.post("/api/second_factor", json!({})).await?.good()?.body;
        Ok(begun["value"]["secret"].as_str().context("secret")?.to_owned())
    };
    let own = begin().await?;
    api.put("/api/second_factor", json!({ "code": code(&own, -1)? })).await?.good()?;
    let another = begin().await?;
    let swap = async |old_code: Option<String>| {
        api.put("/api/second_factor", json!({ "code": code(&another, 0)?, "old_code": old_code })).await
    };
    let without = swap(None).await?;
    assert!(without.status == 400 && without.error().contains("/old_code"), "{without:?}");
    let with_its_own = swap(Some(code(&another, 0)?)).await?;
    assert!(with_its_own.status == 400 && with_its_own.error().contains("/old_code"), "{with_its_own:?}");
    let body = json!({ "username": ADMIN.0, "password": ADMIN.1, "totp_code": code(&own, 0)? });
    read(api.request(Method::POST, "/api/login").json(&body).send().await?).await?.good()?;

    // Wrong codes are counted, whichever of the two they are tried by, and the owner's logins do not wait for it.
    let mut statuses = Vec::new();
    for n in 0..8 {
        statuses.push(match n % 2 {
            0 => swap(Some("000000".to_owned())).await?.status,
            _ => api.send(Method::DELETE, "/api/second_factor", Some(&json!({ "code": "000000" }))).await?.status,
        });
    }
    assert_eq!(statuses[..4], [400; 4], "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    let body = json!({ "username": ADMIN.0, "password": ADMIN.1, "totp_code": "000000" });
    let login = read(api.request(Method::POST, "/api/login").json(&body).send().await?).await?;
    assert_eq!(login.status, 401, "{login:?}");

    let deadline = Instant::now() + Duration::from_secs(60);
    while swap(Some(code(&own, 1)?)).await?.status == 429 {
        ensure!(Instant::now() < deadline, "it goes on waiting");
        tokio::task::yield_now().await;
    }
    let body = json!({ "username": ADMIN.0, "password": ADMIN.1, "totp_code": code(&another, 1)? });
    read(api.request(Method::POST, "/api/login").json(&body).send().await?).await?.good()?;
    Ok(())
}

/// A client at this address of the loopback network.
fn client_at(last: u8) -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().tls_backend_preconfigured(no_trust()?);
    Ok(builder.local_address(IpAddr::from([127, 0, 0, last])).build()?)
}

/// Who is answered 429, and what it is told.
async fn refused(answers: Vec<reqwest::Response>) -> Result<BTreeSet<String>> {
    let mut told = BTreeSet::new();
    for answer in answers {
        let has_wait = answer.headers().contains_key("retry-after");
        let answer = read(answer).await?;
        assert_eq!(answer.status == 429, has_wait, "{answer:?}");
        if answer.status == 429 {
            told.insert(
                answer.body["error_msg"].as_str().or(answer.body["detail"].as_str()).unwrap_or_default().to_owned(),
            );
        }
    }
    Ok(told)
}

/// Ten keys, each of them used once.
#[tokio::test]
async fn a_flood_of_one_address_is_answered_429_whatever_keys_it_shows() -> Result<()> {
    let api = Fixture::start_paced(1).await?;
    let (client, mut answers) = (client_at(2)?, Vec::new());
    for n in 0..10 {
        let request = client.get(format!("{}/api/status", api.http)).header("X-API-KEY", format!("key {n}"));
        answers.push(request.send().await?);
    }
    assert_eq!(answers[0].status(), 200);
    let told = refused(answers).await?;
    assert!(told.len() == 1 && told.iter().all(|text| text.contains("from this address")), "{told:?}");
    let rows =
        api.control.audit_log(&Actor::system(), &AuditFilter::default(), Direction::Descending, None).await?.list;
    let row = rows.into_iter().find(|row| row.entry.outcome == Outcome::Refused).context("it is not on record")?.entry;
    assert_eq!(
        (row.action.as_str(), row.request.address.as_str(), row.credential.kind.as_str()),
        ("Request", "127.0.0.2", "admin_key")
    );
    assert!(row.error.contains("too many requests"), "{row:?}");
    Ok(())
}

/// Ten addresses, each of which sends one request.
#[tokio::test]
async fn a_flood_of_one_key_is_answered_429_wherever_it_comes_from() -> Result<()> {
    let shown = [
        ("X-API-KEY", "flood", "/api/status"),
        ("cookie", "session=another", "/api/status"),
        ("authorization", "Basic Zmxvb2Q6Zmxvb2Q=", "/api/status"),
        ("authorization", "Bearer flood", "/scim/v2/Schemas"),
    ];
    let api = Fixture::start_paced(1).await?;
    for (at, (name, value, path)) in shown.into_iter().enumerate() {
        let mut answers = Vec::new();
        for n in 0..10 {
            let client = client_at(u8::try_from(10 + at * 10 + n)?)?;
            answers.push(client.get(format!("{}{path}", api.http)).header(name, value).send().await?);
        }
        assert_ne!(answers[0].status(), 429, "{value}");
        let told = refused(answers).await?;
        assert!(told.len() == 1 && told.iter().all(|text| text.contains("from this key")), "{value}: {told:?}");
    }
    Ok(())
}

/// What a trusted proxy says of the client counts for the log and the pace; what anybody else says does not.
#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_comes_from() -> Result<()> {
    let trusting = Fixture::start_behind("127.0.0.0/8", 1).await?;
    let ask = async |api: &Fixture, client: &str| {
        let request = api.request(Method::GET, "/api/me").header("x-forwarded-for", client);
        anyhow::Ok(request.header("X-API-KEY", format!("a7ee-{client}")).send().await?)
    };
    let addresses = async |api: &Fixture| -> Result<BTreeSet<String>> {
        let filter = AuditFilter { outcome: Some(Outcome::Refused), ..AuditFilter::default() };
        let rows = api.control.audit_log(&Actor::system(), &filter, Direction::Descending, None).await?.list;
        Ok(rows.into_iter().map(|row| row.entry.request.address).collect())
    };
    let clients: Vec<String> = (0..10).map(|n| format!("198.51.100.{n}")).collect();
    for client in &clients {
        assert_eq!(ask(&trusting, client).await?.status(), 401, "each client has a bucket of its own");
    }
    assert_eq!(addresses(&trusting).await?, clients.iter().cloned().collect());

    let api = Fixture::start_behind("192.0.2.0/24", 1).await?;
    let mut statuses = BTreeSet::new();
    for client in &clients {
        statuses.insert(ask(&api, client).await?.status().as_u16());
    }
    assert!(statuses.contains(&429), "it writes itself new addresses: {statuses:?}");
    assert_eq!(addresses(&api).await?, BTreeSet::from(["127.0.0.1".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn a_locked_user_is_shown_and_unlocked() -> Result<()> {
    let api = Fixture::start().await?;
    let (id, _) = token_of(&api, "ann", &["viewer_id"]).await?;
    let path = format!("/api/users/{id}");
    assert_eq!(api.get(&path).await?.good()?.body["value"]["locked_until"], 0);
    let failure = LoginFailure { subject: SecretHash::of("whatever"), user: Some(id.clone()), at: now()? };
    let rule = LockRule { after: 1, seconds: 60 };
    api.store().await?.login_failures().count(&failure, rule, &AuditEntry::default()).await?;
    let shown = api.get(&path).await?.good()?.body;
    assert!(shown["value"]["locked_until"].as_i64().context("a time")? > now()?, "{shown}");
    let listed = api.get("/api/users?search=ann").await?.good()?.body;
    assert_eq!(listed["list"][0]["locked_until"], shown["value"]["locked_until"]);
    let wrong = api.patch(&path, json!({ "locked": true })).await?;
    assert!(wrong.status == 400 && wrong.error().contains("/locked"), "{wrong:?}");
    let unlocked = api.patch(&path, json!({ "locked": false })).await?.good()?.body;
    assert_eq!(unlocked["value"]["locked_until"], 0);
    Ok(())
}

fn now() -> Result<i64> {
    Ok(i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_secs())?)
}
