//! The client verbs by the real binary: tokens, keys, groups, users, roles, policies, settings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::second_factor::set_up;
use support::verbs::{Verbs, refusal, success};
use support::{ControlPlane, client, control_plane, directory, gateway};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
const DAY: i64 = 86_400;
const READ_ONLY: &str = r#"{"statement": [{"effect": "allow", "actions": ["<.*>:Get<.*>"], "resources": ["<.*>"]}]}"#;

async fn start(dir: &Path) -> (ControlPlane, Verbs) {
    let control = control_plane(dir, ANY);
    let admin = Verbs::of(&control).await;
    (control, admin)
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|one| one[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// Whether a table has such a row; columns are padded.
fn has_row(table: &str, is_it: impl Fn(&str) -> bool) -> bool {
    table.lines().any(|line| is_it(line.trim_start()))
}

fn find<'l>(list: &'l Value, field: &str, value: &str) -> &'l Value {
    let found = list.as_array().unwrap().iter().find(|one| one[field] == value);
    found.unwrap_or_else(|| panic!("no {value} in {list}"))
}

/// Whether a moment is this far ahead, within a minute.
fn is_ahead(unix_seconds: &Value, by: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    (unix_seconds.as_i64().unwrap() - now - by).abs() < 60
}

async fn status(control: &ControlPlane, path: &str, key: &str) -> u16 {
    let url = format!("{}{path}", control.api.base);
    client().get(url).header("X-API-KEY", key).send().await.unwrap().status().as_u16()
}

/// What is left of a day: all of it in the second in which it was given.
fn shows_a_day(text: &str) -> bool {
    text.contains(" 24h") || text.contains(" 23h")
}

#[tokio::test]
async fn tokens_are_made_narrowed_renewed_and_deleted() {
    let dir = directory();
    let (control, admin) = start(dir.path()).await;
    let made = admin.json(&["token", "create", "--name", "ci", "--expires", "1d"]);
    let text = made["token"].as_str().unwrap();
    assert!(text.starts_with("a7ee-") && is_ahead(&made["expires_at"], DAY), "{made}");
    let listed = admin.json(&["token", "list"]);
    assert_eq!(find(&listed, "name", "ci")["id"], made["id"]);
    assert!(!listed.to_string().contains(text), "it is shown once");
    let table = admin.text(&["token", "list"]);
    assert!(has_row(&table, |line| line.starts_with("ci ") && line.contains(" all ") && shows_a_day(line)), "{table}");
    assert_eq!(status(&control, "/api/me", text).await, 200);

    let renewed = admin.text(&["token", "regenerate", "ci"]);
    assert_eq!(status(&control, "/api/me", text).await, 401, "the old text ended");
    assert_eq!(status(&control, "/api/me", renewed.trim()).await, 200);
    assert!(admin.text(&["token", "delete", "ci"]).starts_with("deleted token ci "));
    assert_eq!(status(&control, "/api/me", renewed.trim()).await, 401);
    assert!(admin.refused(&["token", "delete", "ci"]).contains("token \"ci\" does not exist"));
    assert!(admin.refused(&["token", "create", "--name", "x", "--expires", "soon"]).contains("\"soon\" is no time"));
    assert!(admin.refused(&["token", "create", "--name", ""]).contains("/name"));
    admin.told(&["token", "create", "--name", "twin"]);
    assert!(admin.refused(&["token", "create", "--name", "twin"]).contains("409"), "names tell tokens apart");

    admin.told(&["group", "create", "payment-test"]);
    let narrow = admin.json(&["token", "create", "--name", "narrow", "--group", "payment-test"]);
    let narrow = admin.by(narrow["token"].as_str());
    assert_eq!(names(&narrow.json(&["group", "list"]), "name"), ["payment-test"]);
    narrow.told(&["can-i", "gateway:UpdatePublishedService", "--group", "payment-test", "--service", "orders"]);
    narrow.refused(&["can-i", "gateway:UpdatePublishedService", "--group", "default", "--service", "orders"]);
    assert!(narrow.refused(&["token", "create", "--name", "more"]).contains("403"));
    assert!(
        admin.refused(&["token", "create", "--name", "x", "--group", "nowhere"]).contains("\"nowhere\" does not exist")
    );

    let file = admin.file("read-only.json", READ_ONLY).display().to_string();
    let reader = admin.json(&["token", "create", "--name", "reader", "--policy", &file]);
    let reader = admin.by(reader["token"].as_str());
    assert_eq!(reader.json(&["group", "list"]).as_array().unwrap().len(), 2);
    assert!(reader.refused(&["group", "create", "more"]).contains("gateway:CreateGatewayGroup"));
    let wrong = admin.file("wrong.json", r#"{"statement": []}"#).display().to_string();
    assert!(
        admin.refused(&["token", "create", "--name", "x", "--policy", &wrong]).contains("/policy_document/statement")
    );
}

#[tokio::test]
async fn keys_of_a_group_are_made_narrowed_renewed_and_deleted() {
    let dir = directory();
    let (control, admin) = start(dir.path()).await;
    let file = admin.file("read-only.json", READ_ONLY).display().to_string();
    let of = ["group", "key", "create", "default", "--name", "ingress", "--expires", "1d", "--policy", &file];
    let made = admin.json(&of);
    let text = made["key"].as_str().unwrap();
    let services = "/apisix/admin/services";
    assert!(text.starts_with("a7adm-") && status(&control, services, text).await == 200, "{made}");
    assert!(admin.refused(&of).contains("409"), "the name is taken");
    let before = admin.json(&["group", "key", "list", "default"]);
    let before = find(&before, "name", "ingress").clone();
    assert!(is_ahead(&before["expires_at"], DAY) && before["policy_document"].is_object(), "{before}");

    let renewed = admin.json(&["group", "key", "regenerate", "default", "ingress"]);
    let renewed = renewed["key"].as_str().unwrap();
    assert_eq!((status(&control, services, text).await, status(&control, services, renewed).await), (401, 200));
    let after = admin.json(&["group", "key", "list", "default"]);
    let after = find(&after, "name", "ingress");
    assert_eq!((&after["expires_at"], &after["policy_document"]), (&before["expires_at"], &before["policy_document"]));
    let table = admin.text(&["group", "key", "list", "default"]);
    assert!(has_row(&table, |line| line.starts_with("ingress ") && line.contains(" narrowed ")), "{table}");

    assert!(admin.refused(&["group", "key", "regenerate", "default", "nobody"]).contains("\"nobody\" does not exist"));
    let known = admin.text(&["group", "key", "regenerate", "default"]);
    assert_eq!(status(&control, services, known.trim()).await, 200);
    let again = admin.text(&["group", "key", "regenerate", "default"]);
    assert_eq!(
        (status(&control, services, known.trim()).await, status(&control, services, again.trim()).await),
        (401, 200)
    );
    assert_eq!(names(&admin.json(&["group", "key", "list", "default"]), "name"), ["admin-key", "ingress"]);
    admin.told(&["group", "key", "delete", "default", "ingress"]);
    assert_eq!(status(&control, services, renewed).await, 401);
}

#[tokio::test]
async fn groups_and_roles_change_what_is_named_and_nothing_else() {
    let dir = directory();
    let (control, admin) = start(dir.path()).await;
    let made = admin.json(&[
        "group",
        "create",
        "payment-dev",
        "--label",
        "env=dev",
        "--label",
        "line=payment",
        "--region",
        "eu",
    ]);
    let path = format!("/api/gateway_groups/{}", made["id"].as_str().unwrap());
    let spec = json!({ "name": "payment-dev", "labels": { "env": "dev", "line": "payment" }, "region": "eu",
        "variables": { "home": "eu-1" }, "enforce_service_publishing": true });
    control.api.call("PUT", &path, Some(spec)).await;
    let update =
        ["group", "update", "payment-dev", "--label", "env=test", "--remove-label", "line", "--description", "Tests"];
    let changed = admin.json(&update);
    assert_eq!((&changed["labels"], &changed["desc"]), (&json!({ "env": "test" }), &json!("Tests")));
    let kept = json!({ "name": "payment-dev", "region": "eu", "variables": { "home": "eu-1" }, "enforce_service_publishing": true });
    for (field, value) in kept.as_object().unwrap() {
        assert_eq!(&changed[field], value, "{field}");
    }
    let said = admin.text(&["group", "update", "payment-dev", "--name", "payment-test", "--region", ""]);
    assert!(said.starts_with("updated group payment-test ("), "{said}");
    let shown = admin.json(&["group", "show", "payment-test"]);
    assert_eq!((&shown["desc"], &shown["region"], &shown["id"]), (&json!("Tests"), &Value::Null, &made["id"]));
    assert!(admin.refused(&["group", "update", "payment-test"]).contains("--remove-label"), "nothing to change");
    let slip = admin.refused(&["group", "update", "payment-test", "--remove-label", "lien"]);
    assert!(slip.contains("no label \"lien\""), "{slip}");

    admin.told(&["role", "create", "leader", "--policy", "super-admin-permission-policy", "--label", "line=payment"]);
    admin.told(&["role", "label", "leader", "--label", "team=a", "--remove-label", "line"]);
    let changed = admin.json(&["role", "update", "leader", "--name", "lead", "--description", "Leads"]);
    let expected = (&json!("lead"), &json!("Leads"), &json!({ "team": "a" }));
    assert_eq!((&changed["name"], &changed["desc"], &changed["labels"]), expected);
    let renamed = admin.json(&["role", "update", "lead", "--name", "leader"]);
    assert_eq!((&renamed["desc"], &renamed["labels"]), (&json!("Leads"), &json!({ "team": "a" })));
    assert_eq!(admin.json(&["role", "policies", "leader"]).as_array().unwrap().len(), 1, "its policies stay");
    assert!(admin.refused(&["role", "update", "leader"]).contains("--description"));
    assert!(admin.refused(&["role", "label", "leader"]).contains("--remove-label"));
}

#[tokio::test]
async fn users_are_labelled_bounded_and_looked_after() {
    let dir = directory();
    let (control, admin) = start(dir.path()).await;
    let file = admin.file("read-only.json", READ_ONLY).display().to_string();
    admin.told(&["policy", "save", "readers", "--file", &file]);
    let mut invite = admin.command(&["user", "invite", "ann", "--label", "team=a", "--password-stdin"]);
    invite.stdin(std::fs::File::open(admin.file("once", "one-time\n")).unwrap());
    success(invite);
    let labelled = admin.json(&["user", "label", "ann", "--label", "site=x", "--remove-label", "team"]);
    assert_eq!(labelled["labels"], json!({ "site": "x" }));

    assert_eq!(admin.json(&["user", "boundary", "ann"]), json!([]));
    assert_eq!(names(&admin.json(&["user", "boundary", "ann", "readers"]), "name"), ["readers"]);
    assert_eq!(names(&admin.json(&["user", "boundary", "ann"]), "name"), ["readers"]);
    assert_eq!(admin.json(&["user", "boundary", "ann", "--lift"]), json!([]));

    let (own, ann) = ("a passphrase of my own", admin.by(None));
    let chosen = admin.file("chosen", own).display().to_string();
    let log_in = |password: &str| {
        let mut login =
            ann.command(&["login", "--username", "ann", "--password-stdin", "--new-password-file", &chosen]);
        login.stdin(std::fs::File::open(admin.file("password", &format!("{password}\n"))).unwrap());
        login
    };
    let in_browser = async || {
        let body = json!({ "username": "ann", "password": own });
        let answer = client().post(format!("{}/api/login", control.api.base)).json(&body).send().await.unwrap();
        answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let is_in = async |cookie: &str| {
        let request = client().get(format!("{}/api/me", control.api.base)).header("cookie", cookie);
        request.send().await.unwrap().status() == 200
    };
    success(log_in("one-time"));
    let cookie = in_browser().await;
    let sessions = admin.json(&["user", "sessions", "ann"]);
    assert!(sessions.as_array().unwrap().len() == 1 && sessions[0]["address"] == "127.0.0.1", "{sessions}");
    let id = sessions[0]["id"].as_str().unwrap();
    let ended = admin.json(&["user", "end-session", "ann", id]);
    assert_eq!((&ended["ended"], is_in(&cookie).await), (&json!([id]), false));
    assert!(admin.refused(&["user", "end-session", "ann", id]).contains("404"));
    let cookie = in_browser().await;
    assert!(is_in(&cookie).await && shows_a_day(&admin.text(&["user", "sessions", "ann"])));
    assert!(admin.text(&["user", "end-session", "ann", "--all"]).contains("ended: 1"));
    assert!(!is_in(&cookie).await);

    set_up(&control.api, ("ann", own)).await;
    assert_eq!(find(&admin.json(&["user", "list"]), "username", "ann")["has_second_factor"], true);
    assert!(refusal(log_in(own)).contains("--code"));
    assert_eq!(admin.json(&["user", "second-factor", "off", "ann"])["has_second_factor"], false);
    success(log_in(own));

    assert_eq!(admin.json(&["user", "disable", "ann"])["active"], false);
    assert!(refusal(log_in(own)).contains("401"));
    assert_eq!(admin.json(&["user", "enable", "ann"])["active"], true);
    let cookie = in_browser().await;
    let (said, told) = admin.told(&["user", "reset-password", "ann"]);
    assert!(said.contains("must choose a password") && !is_in(&cookie).await, "{said}");
    assert!(refusal(log_in(own)).contains("401"), "the old password ended");
    let once = told.lines().find_map(|line| line.strip_prefix("one-time password of ann: ")).unwrap();
    std::fs::write(&chosen, "another passphrase").unwrap();
    success(log_in(once));
}

#[tokio::test]
async fn a_new_policy_is_tried_out_before_it_is_saved() {
    let dir = directory();
    let (_control, admin) = start(dir.path()).await;
    let file = admin.file("read-only.json", READ_ONLY).display().to_string();
    let little = READ_ONLY.replace("<.*>:Get<.*>", "gateway:GetConsumer");
    let little = admin.file("little.json", &little).display().to_string();
    admin.told(&["policy", "save", "consumers", "--file", &little]);
    admin.told(&["role", "create", "member", "--policy", "consumers"]);
    admin.told(&["user", "invite", "ann", "--role", "member"]);
    let ask = "gateway:GetGatewayGroup=arn:api7:gateway:gatewaygroup/default";
    let simulate = ["policy", "simulate", "--new", "--role", "member", "--file", &file, "--ask", ask];
    let found = admin.json(&simulate);
    assert_eq!(names(&found["differences"], "username"), ["ann"], "{found}");
    assert_eq!((&found["differences"][0]["now"], &found["differences"][0]["then"]), (&json!(false), &json!(true)));
    let table = admin.text(&simulate);
    assert!(
        has_row(&table, |line| line.starts_with("ann ") && line.contains("refused") && line.ends_with("allowed")),
        "{table}"
    );
    assert!(!names(&admin.json(&["policy", "list"]), "name").contains(&"read-only".to_owned()), "nothing is saved");

    admin.told(&["policy", "save", "readers", "--file", &file]);
    admin.told(&["role", "attach", "member", "readers"]);
    let gone = admin.json(&["policy", "simulate", "readers", "--ask", ask]);
    assert_eq!((&gone["differences"][0]["now"], &gone["differences"][0]["then"]), (&json!(true), &json!(false)));
    for (wrong, told) in [
        (vec!["policy", "simulate", "--new", "--file", &file, "--ask", ask], "--role"),
        (vec!["policy", "simulate", "--new", "--role", "member", "--ask", ask], "--file"),
        (vec!["policy", "simulate", "readers", "--role", "member", "--ask", ask], "--new"),
        (vec!["policy", "simulate", "--file", &file, "--ask", ask], "NAME"),
        (
            vec!["policy", "simulate", "--new", "--role", "nobody", "--file", &file, "--ask", ask],
            "role \"nobody\" does not exist",
        ),
    ] {
        let said = admin.refused(&wrong);
        assert!(said.contains(told), "{wrong:?}: {said}");
    }
}

#[tokio::test]
async fn login_options_are_kept_by_files() {
    let dir = directory();
    let (_control, admin) = start(dir.path()).await;
    let option = |port: u16, secret: Option<&str>| {
        let mut ldap = json!({ "host": "ldap.example.com", "port": port, "base_dn": "dc=example,dc=com" });
        if let Some(secret) = secret {
            ldap["bind_dn"] = "cn=reader,dc=example,dc=com".into();
            ldap["bind_password"] = secret.into();
        }
        let text = json!({ "name": "Directory", "type": "ldap", "ldap": ldap }).to_string();
        admin.file("option.json", &text).display().to_string()
    };
    let made = admin.json(&["login-option", "create", "--file", &option(389, Some("hidden"))]);
    assert!(made["enabled"] == true && made["ldap"]["bind_password"] == "***", "{made}");
    let shown = admin.text(&["login-option", "show", "Directory"]);
    assert!(shown.contains("\"***\"") && !shown.contains("hidden"), "{shown}");
    assert!(admin.text(&["login-option", "disable", "Directory"]).starts_with("disabled login option Directory "));
    let listed = admin.json(&["login-option", "list"]);
    assert_eq!((&listed[0]["enabled"], &listed[0]["ldap"]["bind_password"]), (&json!(false), &json!("***")));
    assert_eq!(admin.json(&["login-option", "enable", "Directory"])["enabled"], true);
    let table = admin.text(&["login-option", "list"]);
    assert!(
        has_row(&table, |line| line.starts_with("Directory ") && line.contains(" ldap ") && line.contains(" yes ")),
        "{table}"
    );

    // What `show` prints is what `update` reads.
    let same = admin.file("same.json", &shown).display().to_string();
    assert_eq!(admin.json(&["login-option", "update", "Directory", "--file", &same])["ldap"]["port"], 389);
    let moved = admin.refused(&["login-option", "update", "Directory", "--file", &option(390, Some("***"))]);
    assert!(moved.contains("/ldap/bind_password"), "a secret does not go to another address: {moved}");
    let changed = admin.json(&["login-option", "update", "Directory", "--file", &option(390, Some("other"))]);
    assert_eq!(changed["ldap"]["port"], 390);
    let wrong = admin.file("wrong.json", r#"{"name": "x", "type": "cas"}"#).display().to_string();
    assert!(admin.refused(&["login-option", "create", "--file", &wrong]).contains("/type"));
    admin.told(&["login-option", "delete", "Directory"]);
    assert_eq!(admin.json(&["login-option", "list"]), json!([]));
    assert!(
        admin.refused(&["login-option", "show", "Directory"]).contains("login option \"Directory\" does not exist")
    );
}

#[tokio::test]
async fn provisioning_and_the_audit_log_are_set() {
    let dir = directory();
    let (control, admin) = start(dir.path()).await;
    let scim = async |token: &str| {
        let request = client().get(format!("{}/scim/v2/Users", control.api.base)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(admin.json(&["scim", "status"])["enabled"], false);
    assert!(admin.text(&["scim", "enable"]).contains("provisioning  on"));
    let first = admin.text(&["scim", "token"]);
    assert!(first.starts_with("a7scim-") && scim(first.trim()).await == 200, "{first}");
    let second = admin.json(&["scim", "token", "--expires", "1d"]);
    assert!(is_ahead(&second["expires_at"], DAY));
    assert_eq!((scim(first.trim()).await, scim(second["token"].as_str().unwrap()).await), (401, 200));
    let status = admin.text(&["scim", "status"]);
    assert!(shows_a_day(&status) && status.contains("/scim/v2"), "{status}");
    assert_eq!(admin.json(&["scim", "disable"])["enabled"], false);

    assert_eq!(admin.json(&["audit", "config", "show"])["retention_days"], 60);
    let stream = json!({ "type": "webhook", "url": "http://127.0.0.1:9/in", "header": { "name": "Authorization", "value": "hidden" } });
    let stream = admin.file("stream.json", &stream.to_string()).display().to_string();
    let set = admin.json(&["audit", "config", "set", "--retention-days", "90", "--stream", &stream]);
    assert_eq!((&set["retention_days"], &set["stream"]["header"]["value"]), (&json!(90), &json!("***")));
    let kept = admin.json(&["audit", "config", "set", "--retention-days", "30"]);
    assert_eq!((&kept["retention_days"], &kept["stream"]["url"]), (&json!(30), &json!("http://127.0.0.1:9/in")));
    let shown = admin.text(&["audit", "config", "show"]);
    assert!(shown.contains("kept    30 days") && shown.contains("sent    http://127.0.0.1:9/in (lines)"), "{shown}");
    assert!(admin.json(&["audit", "config", "set", "--no-stream"])["stream"].is_null());
    assert!(admin.refused(&["audit", "config", "set"]).contains("--no-stream"));
    assert!(admin.refused(&["audit", "config", "set", "--retention-days", "0"]).contains("/retention_days"));
    let wrong = admin.file("wrong.json", r#"{"type": "pigeon"}"#).display().to_string();
    let said = admin.refused(&["audit", "config", "set", "--stream", &wrong]);
    assert!(said.contains("is no stream") && said.contains("pigeon"), "{said}");
}

#[tokio::test]
async fn instances_join_by_a_groups_token_are_shown_and_revoked_and_groups_go() {
    let dir = directory();
    let (control, admin) = start(&dir.path().join("control")).await;
    let group = admin.json(&["group", "create", "shop"])["id"].as_str().unwrap().to_owned();
    let token = admin.text(&["group", "token", "shop"]);
    let instance = gateway(&dir.path().join("g"), &control.channel, Some(token.trim()));
    control.api.until_acknowledged(&group).await;
    let listed = admin.json(&["instance", "list"]);
    let [one] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    let id = one["id"].as_str().unwrap();
    assert_eq!(admin.json(&["instance", "show", id])["id"], one["id"]);
    let shown = admin.text(&["instance", "show", id]);
    assert!(shown.contains(id) && shown.contains("healthy"), "{shown}");
    assert!(has_row(&admin.text(&["instance", "list"]), |row| row.contains("healthy")), "as a table");
    assert!(admin.refused(&["instance", "show", "nobody"]).contains("nobody"));

    assert_eq!(admin.json(&["instance", "revoke", id])["revoked"], json!(true));
    let begun = Instant::now();
    while admin.json(&["instance", "show", id])["status"] == "healthy" {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is still there");
    }
    instance.kill();

    let said = admin.text(&["group", "delete", "shop"]);
    assert!(said.contains("shop"), "{said}");
    assert_eq!(names(&admin.json(&["group", "list"]), "name"), ["default"]);
    assert!(admin.refused(&["group", "delete", "shop"]).contains("shop"), "it is gone");
}

#[tokio::test]
async fn policies_are_saved_attached_taken_away_and_deleted() {
    let dir = directory();
    let (_control, admin) = start(dir.path()).await;
    let file = admin.file("read.json", READ_ONLY).display().to_string();
    admin.told(&["policy", "save", "read", "--file", &file]);
    assert_eq!(admin.json(&["policy", "show", "read"])["name"], "read");
    assert!(admin.text(&["policy", "show", "read"]).contains("allow"));
    admin.told(&["role", "create", "reader"]);
    admin.told(&["role", "attach", "reader", "read"]);
    assert_eq!(names(&admin.json(&["role", "policies", "reader"]), "name"), ["read"]);
    let refused = admin.refused(&["policy", "delete", "read"]);
    assert!(refused.contains("cannot be removed: roles have it"), "{refused}");
    admin.told(&["user", "invite", "ann", "--role", "reader"]);
    let refused = admin.refused(&["role", "delete", "reader"]);
    assert!(refused.contains("cannot be removed: users have it"), "{refused}");

    admin.told(&["user", "delete", "ann"]);
    assert!(!names(&admin.json(&["user", "list"]), "username").contains(&"ann".to_owned()));
    admin.told(&["role", "detach", "reader", "read"]);
    assert_eq!(admin.json(&["role", "policies", "reader"]), json!([]));
    assert!(has_row(&admin.text(&["role", "list"]), |row| row.starts_with("reader")));
    admin.told(&["role", "delete", "reader"]);
    assert!(!has_row(&admin.text(&["role", "list"]), |row| row.starts_with("reader")));
    admin.told(&["policy", "delete", "read"]);
    assert!(admin.refused(&["policy", "show", "read"]).contains("read"));
}
