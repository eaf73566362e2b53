//! /api/login_options, /api/oidc, /api/ldap: a real provider, a real directory, and a browser's cookies.

mod provisioned;

use anyhow::{Context, Result, ensure};
use control::iam::RequestContext;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::authority::Authority;
use testkit::ldap::{Clients, Ldap, SUFFIX};
use testkit::oidc_provider::{Provider, Registration, User};

use crate::fixture::{ADMIN, Answer, Fixture, read};
use crate::https;
use crate::permissions::token_of;

const SECRET: &str = "the-providers-secret";

/// A browser that has been at the provider: where it is sent back to, and what it keeps.
struct Returning {
    address: String,
    cookie: String,
}

struct Scene {
    api: Fixture,
    provider: Provider,
    option: String,
    browser: reqwest::Client,
}

impl Scene {
    /// A provider whose registration fits an option that is made for it, with this mapping.
    async fn start(mapping: Value) -> Result<Self> {
        let api = Fixture::start().await?;
        let spec = |issuer: &str| oidc("company", issuer, &api.http, &mapping);
        // The option's id stands in the address that the provider must know.
        let made = api.post("/api/login_options", spec("http://127.0.0.1:1")).await?.good()?.body;
        let option = made["value"]["id"].as_str().context("id")?.to_owned();
        let redirect_uri = format!("{}/api/oidc/{option}/callback", api.http);
        let provider = Provider::start(registration(redirect_uri)).await?;
        api.put(&path(&option), spec(&provider.issuer)).await?.good()?;
        Ok(Self { api, provider, option, browser: browser()? })
    }

    async fn begin(&self) -> Result<Response> {
        let address = format!("{}/api/oidc/{}/login?return_to=/groups", self.api.http, self.option);
        Ok(self.browser.get(address).send().await?)
    }

    /// Up to the provider's answer.
    async fn at_the_provider(&self, user: &str) -> Result<Returning> {
        let begun = self.begin().await?;
        ensure!(begun.status() == 307, "status {}", begun.status());
        let set = header(&begun, "set-cookie")?;
        for part in ["HttpOnly", "SameSite=Lax", "Max-Age=600", &format!("Path=/api/oidc/{}/callback", self.option)] {
            ensure!(set.contains(part), "{part}: {set}");
        }
        let cookie = set.split(';').next().context("cookie")?.to_owned();
        let there = self.browser.get(format!("{}&login_hint={user}", header(&begun, "location")?)).send().await?;
        Ok(Returning { address: header(&there, "location")?, cookie })
    }

    async fn back(&self, returning: &Returning) -> Result<Response> {
        Ok(self.browser.get(&returning.address).header("cookie", &returning.cookie).send().await?)
    }

    /// The session's cookie.
    async fn log_in(&self, user: &str) -> Result<String> {
        session(self.back(&self.at_the_provider(user).await?).await?)
    }

    async fn user(&self, name: &str) -> Result<Value> {
        Ok(self.api.get(&format!("/api/users?search={name}")).await?.good()?.body["list"][0].clone())
    }
}

fn path(option: &str) -> String {
    format!("/api/login_options/{option}")
}

fn oidc(name: &str, issuer: &str, root_url: &str, mapping: &Value) -> Value {
    let oidc = json!({ "client_id": "flotilla", "client_secret": SECRET, "issuer": issuer, "root_url": root_url });
    let mut spec = json!({ "name": name, "type": "oidc", "logo": "https://example.com/l.png", "oidc": oidc });
    for (field, rules) in mapping.as_object().into_iter().flatten() {
        spec[field] = rules.clone();
    }
    spec
}

fn registration(redirect_uri: String) -> Registration {
    let user = |name: &str, subject: &str, shown: &str, groups: &[&str]| User {
        name: name.into(),
        subject: subject.into(),
        token_claims: json!({ "preferred_username": shown, "groups": groups }),
        userinfo: json!({ "email": format!("{shown}@example.com"), "email_verified": true }),
    };
    // The second is the first after a change of department; the third has a name that looks like the first admin's.
    let users = vec![
        user("alice", "a-1", "alice", &["admins"]),
        user("alice moved", "a-1", "alice", &["readers"]),
        user("alice left", "a-1", "alice", &[]),
        user("impostor", "i-1", "\u{430}dmin", &["admins"]),
        user("ann", "ann-1", "ann", &[]),
        // Others who say that they go by names that are taken.
        user("false ann", "evil-1", "ann", &[]),
        user("false admin", "evil-2", ADMIN.0, &[]),
        user("bob", "bob-1", "bob", &[]),
    ];
    Registration {
        client_id: "flotilla".into(),
        client_secret: SECRET.into(),
        redirect_uris: vec![redirect_uri],
        users,
    }
}

/// Follows nothing and keeps nothing by itself.
fn browser() -> Result<reqwest::Client> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

fn header(response: &Response, name: &str) -> Result<String> {
    let value = response.headers().get(name).with_context(|| format!("{name}, status {}", response.status()))?;
    Ok(value.to_str()?.to_owned())
}

pub(crate) fn session(response: Response) -> Result<String> {
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies.filter_map(|cookie| cookie.split(';').next()).find(|cookie| cookie.starts_with("session="));
    let cookie = cookie.with_context(|| format!("no session, status {}", response.status()))?;
    Ok(cookie.to_owned())
}

fn mapping() -> Value {
    let rule = |group: &str, role: &str| json!({ "attribute": "groups", "operator": "exact_match", "value": group, "roles": [role] });
    json!({ "role_mapping": [rule("admins", "super_admin_id"), rule("readers", "viewer_id")] })
}

async fn with_cookie(api: &Fixture, method: Method, path: &str, cookie: &str, body: Option<Value>) -> Result<Answer> {
    let request = api.request(method, path).header("cookie", cookie);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    read(request.send().await?).await
}

#[tokio::test]
async fn a_user_comes_by_a_provider_and_its_claims_decide_its_roles() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let returned = scene.back(&scene.at_the_provider("alice").await?).await?;
    assert_eq!((returned.status().as_u16(), header(&returned, "location")?.as_str()), (303, "/groups"));
    let cookie = session(returned)?;
    let me = with_cookie(&scene.api, Method::GET, "/api/me", &cookie, None).await?.good()?.body;
    assert_eq!(me["value"]["username"], "alice");
    let alice = scene.user("alice").await?;
    assert_eq!((&alice["login_option"], &alice["roles"][0]["id"]), (&json!(scene.option), &json!("super_admin_id")));
    assert_eq!(alice["email"], "alice@example.com");

    scene.log_in("alice moved").await?;
    let moved = scene.user("alice").await?;
    assert_eq!((&moved["id"], &moved["roles"][0]["id"]), (&alice["id"], &json!("viewer_id")));
    assert_eq!(moved["roles"].as_array().map(Vec::len), Some(1));
    let id = alice["id"].as_str().context("id")?;
    // Given by hand; the next login takes it away.
    scene.api.put(&format!("/api/users/{id}/assigned_roles"), json!({ "roles": ["super_admin_id"] })).await?.good()?;
    let cookie = scene.log_in("alice left").await?;
    assert_eq!(scene.user("alice").await?["roles"], json!([]));
    let refused = with_cookie(&scene.api, Method::GET, "/api/gateway_groups/default", &cookie, None).await?;
    assert_eq!(refused.status, 403);

    scene.api.patch(&format!("/api/users/{id}"), json!({ "active": false })).await?.good()?;
    let shut_out = read(scene.back(&scene.at_the_provider("alice").await?).await?).await?;
    assert!(shut_out.status == 401 && shut_out.error().contains("not active"), "{shut_out:?}");
    Ok(())
}

#[tokio::test]
async fn callbacks_that_are_not_this_browsers_are_refused() -> Result<()> {
    let scene = Scene::start(json!({})).await?;
    let returning = scene.at_the_provider("alice").await?;
    let other = scene.at_the_provider("alice").await?;
    let forged = returning.address.replace("state=", "state=x");
    let cases = [
        ("without a cookie", Returning { address: returning.address.clone(), cookie: "a=b".into() }),
        ("another browser's", Returning { address: returning.address.clone(), cookie: other.cookie.clone() }),
        ("a forged cookie", Returning { address: returning.address.clone(), cookie: "sign_on=AAAA".into() }),
    ];
    for (what, case) in cases {
        let answer = scene.back(&case).await?;
        assert!(
            answer
                .headers()
                .get_all("set-cookie")
                .iter()
                .any(|set| set.to_str().is_ok_and(|set| set.contains("Max-Age=0"))),
            "{what}"
        );
        assert_eq!(answer.status(), 401, "{what}");
    }
    session(scene.back(&returning).await?)?;
    let again = read(scene.back(&returning).await?).await?;
    assert!(again.status == 401 && again.error().contains("start again"), "{again:?}");
    let third = scene.at_the_provider("alice").await?;
    assert_eq!(scene.back(&Returning { address: forged, cookie: third.cookie }).await?.status(), 401);
    let impostor = read(scene.back(&scene.at_the_provider("impostor").await?).await?).await?;
    assert!(impostor.status == 409 && impostor.error().contains("looks like"), "{impostor:?}");
    let elsewhere = format!("{}/api/oidc/{}/login?return_to=//evil.example", scene.api.http, scene.option);
    assert_eq!(scene.browser.get(elsewhere).send().await?.status(), 400);

    let rows = scene.api.get("/api/audit_logs?outcome=refused&event_type=Login&page_size=100").await?.good()?.body;
    let rows = rows["list"].as_array().context("rows")?;
    let of_the_option: Vec<&Value> = rows.iter().filter(|row| row["resource_type"] == "login_option").collect();
    // Forged and replayed ones are alike, so the first is a row and the others are counted.
    let [row] = of_the_option[..] else { panic!("{rows:?}") };
    assert_eq!(
        (&row["resource_name"], &row["credential"]["kind"], &row["credential"]["id"], &row["ip"], &row["operator"]),
        (&json!("company"), &json!("sign_on"), &json!(scene.option), &json!("127.0.0.1"), &json!("anonymous"))
    );
    assert!(row["error"].as_str().context("error")?.contains("start again"), "{row}");
    let of_the_impostor = rows.iter().find(|row| row["resource_type"] == "user").context("the impostor's")?;
    assert_eq!(of_the_impostor["resource_name"], "\u{430}dmin");
    assert!(of_the_impostor["error"].as_str().context("error")?.contains("looks like"), "{of_the_impostor}");
    scene.api.control.shutdown().await;
    let rows = scene.api.get("/api/audit_logs?outcome=refused&event_type=Login&page_size=100").await?.good()?.body;
    let repeats: Vec<i64> =
        rows["list"].as_array().into_iter().flatten().filter_map(|row| row["repeats"].as_i64()).collect();
    assert_eq!(
        repeats.iter().sum::<i64>() + i64::try_from(repeats.len())?,
        6,
        "three forged, one replayed, one with a wrong state, the impostor: {rows}"
    );
    Ok(())
}

/// Its claims draw a boundary around the user, which the next login may take away again.
#[tokio::test]
async fn claims_bound_a_user_until_a_login_without_them() -> Result<()> {
    let rule = |name: &str, field: &str, id: &str| json!({ "attribute": "groups", "operator": "exact_match", "value": name, field: [id] });
    let mapping = json!({
        "role_mapping": [rule("admins", "roles", "super_admin_id"), rule("readers", "roles", "super_admin_id")],
        "boundary_mapping": [rule("readers", "permission_policies", "viewer-permission-policy")],
    });
    let scene = Scene::start(mapping).await?;
    let may_write = async |cookie: &str, name: &str| -> Result<u16> {
        let body = Some(json!({ "name": name }));
        Ok(with_cookie(&scene.api, Method::POST, "/api/gateway_groups", cookie, body).await?.status)
    };
    let boundaries = async || -> Result<Value> {
        let id = scene.user("alice").await?["id"].as_str().context("id")?.to_owned();
        Ok(scene.api.get(&format!("/api/users/{id}/boundaries")).await?.good()?.body["list"].clone())
    };
    let bounded = scene.log_in("alice moved").await?;
    assert_eq!(boundaries().await?[0]["id"], "viewer-permission-policy");
    with_cookie(&scene.api, Method::GET, "/api/gateway_groups/default", &bounded, None).await?.good()?;
    assert_eq!(may_write(&bounded, "bounded").await?, 403);

    let free = scene.log_in("alice").await?;
    assert_eq!(boundaries().await?, json!([]));
    assert_eq!(may_write(&free, "free").await?, 200);
    let bounded = scene.log_in("alice moved").await?;
    assert_eq!(may_write(&bounded, "bounded again").await?, 403);
    let rows = scene.api.get("/api/audit_logs?event_type=UpdateUserRole&direction=asc").await?.good()?.body;
    let sides: Vec<_> = rows["list"].as_array().into_iter().flatten().map(|row| &row["detail"]).collect();
    let drawn = json!(["viewer-permission-policy"]);
    assert_eq!(
        (&sides[0]["before"]["permission_boundaries"], &sides[0]["after"]["permission_boundaries"]),
        (&drawn, &json!([]))
    );
    assert_eq!(
        (&sides[1]["before"]["permission_boundaries"], &sides[1]["after"]["permission_boundaries"]),
        (&json!([]), &drawn)
    );
    Ok(())
}

#[tokio::test]
async fn two_options_are_in_use_side_by_side() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let mut server = directory()?;
    let made = scene.api.post("/api/login_options", ldap(&mut server)?).await?.good()?.body;
    let second = made["value"]["id"].as_str().context("id")?.to_owned();
    let ways = read(scene.api.request(Method::GET, "/api/login_options/public").send().await?).await?.good()?.body;
    let names: Vec<_> =
        ways["value"]["login_options"].as_array().into_iter().flatten().map(|way| &way["name"]).collect();
    assert_eq!(names, ["company", "directory"]);

    let alice = scene.log_in("alice").await?;
    let body = json!({ "username": "bob", "password": "bobs secret" });
    let by_directory = || {
        let address = format!("{}/api/ldap/{second}/login", scene.api.https);
        let request = https::browser(&scene.api).map(|browser| browser.post(address).json(&body));
        async move { anyhow::Ok(request?.send().await?) }
    };
    let answer = by_directory().await?;
    https::assert_stays_here(&answer)?;
    let bob = session(answer)?;
    for (cookie, name, option) in [(&alice, "alice", &scene.option), (&bob, "bob", &second)] {
        let me = with_cookie(&scene.api, Method::GET, "/api/me", cookie, None).await?.good()?.body;
        assert_eq!(me["value"]["username"], name);
        assert_eq!(scene.user(name).await?["login_option"], json!(option));
    }
    // What one of them says of a name takes no account of the other.
    let taken = read(scene.back(&scene.at_the_provider("bob").await?).await?).await?;
    assert!(taken.status == 409 && taken.error().contains("another account"), "{taken:?}");
    scene.api.delete(&path(&scene.option)).await?.good()?;
    assert_eq!(with_cookie(&scene.api, Method::GET, "/api/me", &alice, None).await?.status, 401);
    with_cookie(&scene.api, Method::GET, "/api/me", &bob, None).await?.good()?;
    session(by_directory().await?)?;
    Ok(())
}

#[tokio::test]
async fn a_provider_s_session_over_https_stays_there() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let returning = scene.at_the_provider("alice").await?;
    let address = returning.address.replace(&scene.api.http, &scene.api.https);
    let answer = https::browser(&scene.api)?.get(address).header("cookie", &returning.cookie).send().await?;
    https::assert_stays_here(&answer)
}

/// Two admins disable the last two options at once.
#[tokio::test]
async fn of_two_who_shut_the_last_ways_in_one_is_refused() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let spec = |name: &str, enabled: bool| {
        let mut spec = oidc(name, &scene.provider.issuer, &scene.api.http, &mapping());
        spec["enabled"] = json!(enabled);
        spec
    };
    let second = scene.api.post("/api/login_options", spec("second", true)).await?.good()?.body;
    let second = second["value"]["id"].as_str().context("id")?.to_owned();
    let cookie = scene.log_in("alice").await?;
    let switch = "/api/system_settings/built_in_login";
    with_cookie(&scene.api, Method::PUT, switch, &cookie, Some(json!({ "enabled": false }))).await?.good()?;
    let (first_path, second_path) = (path(&scene.option), path(&second));
    let (one, other) = tokio::join!(
        scene.api.put(&first_path, spec("company", false)),
        scene.api.put(&second_path, spec("second", false))
    );
    let mut statuses = [one?.status, other?.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let ways = read(scene.api.request(Method::GET, "/api/login_options/public").send().await?).await?.good()?.body;
    assert_eq!(ways["value"]["login_options"].as_array().map(Vec::len), Some(1), "{ways}");
    Ok(())
}

#[tokio::test]
async fn an_option_that_is_disabled_or_gone_lets_nobody_in() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let cookie = scene.log_in("alice").await?;
    let mut spec = oidc("company", &scene.provider.issuer, &scene.api.http, &mapping());
    spec["enabled"] = json!(false);
    let returning = scene.at_the_provider("alice").await?;
    scene.api.put(&path(&scene.option), spec).await?.good()?;
    assert_eq!(scene.begin().await?.status(), 404);
    assert_eq!(scene.back(&returning).await?.status(), 404);
    let ways = read(scene.api.request(Method::GET, "/api/login_options/public").send().await?).await?.good()?.body;
    assert_eq!(ways["value"], json!({ "built_in_login": true, "login_options": [] }));
    scene.api.delete(&path(&scene.option)).await?.good()?;
    assert_eq!(with_cookie(&scene.api, Method::GET, "/api/me", &cookie, None).await?.status, 401);
    assert_eq!(scene.api.get("/api/users?search=alice").await?.good()?.body["total"], 0);
    Ok(())
}

#[tokio::test]
async fn disabling_an_option_ends_the_sessions_that_were_opened_by_it() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let (by_option, api) = (scene.log_in("alice").await?, &scene.api);
    let login = json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let by_password = session(api.request(Method::POST, "/api/login").json(&login).send().await?)?;
    let me = |cookie: String| async move { with_cookie(api, Method::GET, "/api/me", &cookie, None).await };
    let mut spec = oidc("company", &scene.provider.issuer, &api.http, &mapping());
    spec["name"] = json!("renamed");
    api.put(&path(&scene.option), spec.clone()).await?.good()?;
    me(by_option.clone()).await?.good().context("a change that leaves the option enabled ends nothing")?;

    spec["enabled"] = json!(false);
    api.put(&path(&scene.option), spec.clone()).await?.good()?;
    let ended = me(by_option.clone()).await?;
    assert!(ended.status == 401 && ended.error().contains("login option was disabled"), "{ended:?}");
    me(by_password).await?.good().context("a session by password ended, too")?;
    spec["enabled"] = json!(true);
    api.put(&path(&scene.option), spec).await?.good()?;
    assert_eq!(me(by_option).await?.status, 401, "what has ended began again");
    me(scene.log_in("alice").await?).await?.good()?;
    Ok(())
}

#[tokio::test]
async fn built_in_login_is_switched_off_only_by_who_has_another_way_in() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let switch = "/api/system_settings/built_in_login";
    let off = json!({ "enabled": false });
    let refused = scene.api.put(switch, off.clone()).await?;
    assert!(refused.status == 409 && refused.error().contains("name and password"), "{refused:?}");
    let cookie = scene.log_in("alice").await?;
    with_cookie(&scene.api, Method::PUT, switch, &cookie, Some(off)).await?.good()?;
    let basic = scene.api.request(Method::GET, "/api/me").basic_auth(ADMIN.0, Some(ADMIN.1)).send().await?;
    assert_eq!(basic.status(), 401);
    let login = json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let login = read(scene.api.request(Method::POST, "/api/login").json(&login).send().await?).await?;
    assert!(login.status == 401 && login.error().contains("switched off"), "{login:?}");
    let last = scene.api.delete(&path(&scene.option)).await?;
    assert!(last.status == 409 && last.error().contains("only way in"), "{last:?}");
    assert_eq!(scene.api.get(switch).await?.good()?.body["value"], json!({ "enabled": false, "forced": false }));
    let forced = scene.api.restarted_with_built_in_login().await?;
    let request = RequestContext::default();
    assert!(forced.authenticate_password(ADMIN.0, ADMIN.1, &request).await.is_ok(), "the emergency way is shut");
    with_cookie(&scene.api, Method::PUT, switch, &cookie, Some(json!({ "enabled": true }))).await?.good()?;
    let basic = scene.api.request(Method::GET, "/api/me").basic_auth(ADMIN.0, Some(ADMIN.1)).send().await?;
    assert_eq!(basic.status(), 200);
    Ok(())
}

/// Whoever changes where an option asks becomes any of its users.
#[tokio::test]
async fn an_option_of_super_admins_is_theirs_alone() -> Result<()> {
    let scene = Scene::start(mapping()).await?;
    let statement =
        json!([{ "effect": "allow", "actions": ["iam:<.*>"], "resources": ["arn:api7:iam:organization/<.*>"] }]);
    let policy = json!({ "name": "options", "policy_document": { "statement": statement } });
    let policy = scene.api.post("/api/permission_policies", policy).await?.good()?.body["value"]["id"].clone();
    let role = json!({ "name": "options", "permission_policies": [policy] });
    let role = scene.api.post("/api/roles", role).await?.good()?.body["value"]["id"].clone();
    let (_, token) = token_of(&scene.api, "keeper", &[role.as_str().context("role")?]).await?;
    let ask = async |method, path: &str, body: &Value| {
        read(scene.api.request(method, path).header("X-API-KEY", &token).json(body).send().await?).await
    };
    let mapped = oidc("other", &scene.provider.issuer, &scene.api.http, &mapping());
    let plain = oidc("plain", &scene.provider.issuer, &scene.api.http, &json!({}));
    assert_eq!(ask(Method::POST, "/api/login_options", &mapped).await?.status, 403);
    assert_eq!(ask(Method::PUT, &path(&scene.option), &plain).await?.status, 403);
    assert_eq!(ask(Method::DELETE, &path(&scene.option), &json!({})).await?.status, 403);
    ask(Method::POST, "/api/login_options", &plain).await?.good()?;
    // Without a mapping, but with a user who was made Super Admin by hand.
    scene.log_in("alice").await?;
    scene
        .api
        .put(&path(&scene.option), oidc("company", &scene.provider.issuer, &scene.api.http, &json!({})))
        .await?
        .good()?;
    let renamed = oidc("renamed", &scene.provider.issuer, &scene.api.http, &json!({}));
    assert_eq!(ask(Method::PUT, &path(&scene.option), &renamed).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn secrets_go_in_and_never_out() -> Result<()> {
    let scene = Scene::start(json!({})).await?;
    scene.log_in("alice").await?;
    let read_back = scene.api.get(&path(&scene.option)).await?.good()?.body["value"].clone();
    assert_eq!(read_back["oidc"]["client_secret"], "***");
    let spec = oidc("company", &scene.provider.issuer, &scene.api.http, &json!({}));
    for secret in [Some("***"), None] {
        let mut kept = spec.clone();
        match secret {
            Some(mask) => kept["oidc"]["client_secret"] = json!(mask),
            None => drop(kept["oidc"].as_object_mut().context("oidc")?.remove("client_secret")),
        }
        scene.api.put(&path(&scene.option), kept.clone()).await?.good()?;
        scene.log_in("alice").await?;
        kept["oidc"]["issuer"] = json!("http://127.0.0.1:9");
        let stolen = scene.api.put(&path(&scene.option), kept).await?;
        assert!(stolen.status == 400 && stolen.error().contains("client_secret"), "{stolen:?}");
    }
    let mut answers = vec![scene.api.get("/api/login_options").await?.body.to_string()];
    answers.push(scene.api.put(&path(&scene.option), spec.clone()).await?.good()?.body.to_string());
    let mut wrong = spec;
    wrong["oidc"]["issuer"] = json!("ftp://x");
    answers.push(scene.api.put(&path(&scene.option), wrong).await?.body.to_string());
    assert!(answers.iter().all(|answer| !answer.contains(SECRET)), "{answers:?}");
    for file in std::fs::read_dir(scene.api.directory.path())? {
        let bytes = std::fs::read(file?.path())?;
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "the database has it in clear");
    }
    Ok(())
}

pub(crate) fn directory() -> Result<Ldap> {
    Ldap::start(&Authority::new()?, Clients::Anyone)
}

/// A login option of a directory in which bob is, of the payments department.
pub(crate) fn ldap(server: &mut Ldap) -> Result<Value> {
    server.load(&format!(
        "dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: uid=bob,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: bob\ncn: Bob\nsn: B\n\
         departmentNumber: payments\nuserPassword: bobs secret\n"
    ))?;
    let rule = json!({ "attribute": "departmentNumber", "operator": "exact_match", "value": "payments", "roles": ["viewer_id"] });
    Ok(json!({ "name": "directory", "type": "ldap", "role_mapping": [rule], "ldap": {
        "host": "127.0.0.1", "port": server.port, "base_dn": SUFFIX,
        "bind_dn": format!("cn=admin,{SUFFIX}"), "bind_password": "admin" } }))
}

#[tokio::test]
async fn a_user_comes_by_a_directory() -> Result<()> {
    let api = Fixture::start().await?;
    let mut server = directory()?;
    let made = api.post("/api/login_options", ldap(&mut server)?).await?.good()?.body;
    assert_eq!(made["value"]["ldap"]["bind_password"], "***");
    let address = format!("/api/ldap/{}/login", made["value"]["id"].as_str().context("id")?);
    let try_with = async |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        anyhow::Ok(api.request(Method::POST, &address).json(&body).send().await?)
    };
    let cookie = session(try_with("bob", "bobs secret").await?)?;
    with_cookie(&api, Method::GET, "/api/gateway_groups/default", &cookie, None).await?.good()?;
    // Five are free, and the count pays no heed to case.
    for name in ["bob", "BOB", " bob", "Bob", "bob"] {
        assert_eq!(try_with(name, "wrong").await?.status(), 401);
    }
    assert_eq!(try_with("bob", "bobs secret").await?.status(), 429);
    Ok(())
}
