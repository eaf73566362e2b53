//! Five lines, four environments, three roles: docs/TEAMS.md with the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::verbs::{Verbs, success};
use support::{ControlPlane, PASSWORD, client, command, control_plane, directory, gateway};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
const LINES: [&str; 5] = ["payment", "order", "catalog", "account", "search"];
const ENVIRONMENTS: [&str; 4] = ["dev", "test", "uat", "prod"];

/// Whose group each role may change.
const TABLE: [(&str, &str, [bool; 4]); 3] = [
    ("ann", "payment-member", [false, true, false, false]),
    ("leo", "payment-leader", [false, true, true, false]),
    ("kim", "payment-qa", [false, false, true, true]),
];

/// The script of the docs, with the binary under test on the PATH.
fn set_up(admin: &Verbs) {
    let binary = command(&[]).get_program().to_owned();
    let own = Path::new(&binary).parent().unwrap().display().to_string();
    let path = format!("{own}:{}", std::env::var("PATH").unwrap_or_default());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/teams/set-up.sh");
    let mut run = Command::new(script);
    // The same server and token as any verb.
    run.envs(admin.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    run.env("PATH", path).stdin(Stdio::null());
    success(run);
}

/// Invites a user, who chooses a password at the first login; gives what it does then.
fn join(admin: &Verbs, name: &str, role: &str) -> Verbs {
    let (_, told) = admin.told(&["user", "invite", name, "--role", role]);
    let once = told.lines().find_map(|line| line.strip_prefix(&format!("one-time password of {name}: "))).unwrap();
    let user = admin.by(None);
    let chosen = user.file("chosen", PASSWORD).display().to_string();
    let mut login = user.command(&["login", "--username", name, "--password-stdin", "--new-password-file", &chosen]);
    login.stdin(std::fs::File::open(user.file("once", once)).unwrap());
    success(login);
    user
}

async fn ask(
    control: &ControlPlane,
    (name, password): (&str, &str),
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = client().request(method, format!("{}{path}", control.api.base)).basic_auth(name, Some(password));
    let answer = request.json(&body.unwrap_or_else(|| json!({}))).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn put_service(control: &ControlPlane, name: &str, group: &str) -> (u16, Value) {
    let body = json!({ "name": "orders", "upstream": { "nodes": { "127.0.0.1:1980": 1 } } });
    let path = format!("/apisix/admin/services/orders?gateway_group_id={group}");
    ask(control, (name, PASSWORD), "PUT", &path, Some(body)).await
}

#[tokio::test]
async fn each_team_touches_exactly_its_own() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    set_up(&admin);
    let listed = control.api.call("GET", "/api/gateway_groups", None).await;
    let groups: BTreeMap<String, String> = listed["list"].as_array().unwrap().iter().map(name_and_id).collect();
    assert_eq!(groups.len(), LINES.len() * ENVIRONMENTS.len() + 1, "twenty and the default one");
    let of_line = control.api.call("GET", "/api/gateway_groups?labels=line=payment", None).await;
    assert_eq!(of_line["total"], 4);

    let [ann, ..] = TABLE.map(|(name, role, _)| join(&admin, name, role));
    let eve = join(&admin, "eve", "auditor");
    for (name, _, may) in TABLE {
        let seen =
            ask(&control, (name, PASSWORD), "GET", "/api/gateway_groups?order_by=name&direction=asc", None).await.1;
        let seen: Vec<String> = seen["list"].as_array().unwrap().iter().map(|group| name_and_id(group).0).collect();
        let mut own: Vec<String> =
            ENVIRONMENTS.iter().zip(may).filter(|(_, may)| *may).map(|(env, _)| format!("payment-{env}")).collect();
        own.sort();
        assert_eq!(seen, own, "{name} sees what it may touch, and nothing else");
        for line in LINES {
            for (env, may) in ENVIRONMENTS.iter().zip(may) {
                let group = &groups[&format!("{line}-{env}")];
                let (status, answer) = put_service(&control, name, group).await;
                let may = may && line == "payment";
                assert_eq!(status, if may { 200 } else { 403 }, "{name} in {line}-{env}: {answer}");
                if !may {
                    let text = answer["error_msg"].as_str().unwrap();
                    let action = text.contains("gateway:UpdatePublishedService on service orders of gateway group");
                    assert!(action && text.contains(group.as_str()) && text.contains(name), "{text}");
                }
            }
        }
    }

    let path = format!("/api/gateway_groups/{}/permitted_users", groups["payment-uat"]);
    let permitted = control.api.call("GET", &path, None).await;
    let names: Vec<&str> =
        permitted["list"].as_array().unwrap().iter().filter_map(|user| user["username"].as_str()).collect();
    assert_eq!(names, ["admin", "kim", "leo"], "who may see payment-uat");
    on_record(&eve);
    nothing_of_others(&control, &admin, &ann, &groups).await;
    explained(&admin);
    relabelled(&control, &admin, &groups).await;
    shut_out(&control, &admin, &groups["payment-uat"]).await;
}

fn name_and_id(group: &Value) -> (String, String) {
    (group["name"].as_str().unwrap().to_owned(), group["id"].as_str().unwrap().to_owned())
}

/// The auditor sees who tried what, and sees and does nothing else.
fn on_record(eve: &Verbs) {
    let rows = eve.json(&["audit", "list", "--outcome", "refused", "--limit", "500"]);
    for (name, ..) in TABLE {
        let tried = rows.as_array().unwrap().iter().find(|row| row["operator"] == name);
        let tried = tried.unwrap_or_else(|| panic!("{name} is not on record: {rows}"));
        assert_eq!(tried["event_type"], "gateway:UpdatePublishedService", "{tried}");
    }
    let table = eve.text(&["audit", "list", "--operator", "ann", "--outcome", "refused"]);
    assert!(table.lines().any(|line| line.contains(" ann ") && line.ends_with("refused")), "{table}");
    for list in ["group", "instance", "user", "role", "policy"] {
        assert_eq!(eve.json(&[list, "list"]), json!([]), "{list}");
    }
    for (verb, action) in [
        (vec!["audit", "export"], "iam:ExportAudits"),
        (vec!["audit", "config", "set", "--retention-days", "1"], "iam:UpdateAuditConfig"),
        (vec!["group", "create", "mine"], "gateway:CreateGatewayGroup"),
    ] {
        let said = eve.refused(&verb);
        assert!(said.contains(action), "{verb:?}: {said}");
    }
}

/// What a group holds in this test, and where it is listed.
const HELD: [(&str, &str); 4] =
    [("services", "service"), ("routes", "route"), ("consumers", "consumer"), ("ssls", "ssl")];

/// A service, a route, a consumer with a credential and a certificate, so that there is something to be seen.
async fn fill(control: &ControlPlane, group: &str) {
    let certified = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    let (cert, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let put = async |path: &str, body: Value| control.api.put(group, path, body).await;
    put("services/orders", json!({ "name": "orders", "upstream": { "nodes": { "127.0.0.1:1980": 1 } } })).await;
    put("routes/orders", json!({ "name": "orders", "paths": ["/orders"], "service_id": "orders" })).await;
    put("consumers/jack", json!({ "username": "jack" })).await;
    let credential = json!({ "name": "k", "plugins": { "key-auth": { "key": format!("key-of-{group}") } } });
    put("consumers/jack/credentials/k", credential).await;
    put("ssls/shop", json!({ "cert": cert, "key": key, "snis": ["shop.example"] })).await;
}

/// Waits until as many instances are there.
async fn until_instances(control: &ControlPlane, count: u64) {
    let started = Instant::now();
    while control.api.call("GET", "/api/instances", None).await["total"] != count {
        assert!(started.elapsed() < Duration::from_secs(30), "the instances do not join");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A member sees all that her group holds, and of other groups, of users, roles and policies nothing.
async fn nothing_of_others(control: &ControlPlane, admin: &Verbs, ann: &Verbs, groups: &BTreeMap<String, String>) {
    let (own, others) = (&groups["payment-test"], ["payment-prod", "order-test"].map(|name| &groups[name]));
    let mut running = Vec::new();
    for group in [own, others[0], others[1]] {
        fill(control, group).await;
        let dir = directory();
        let token = control.api.join_token(group).await;
        let instance = gateway(dir.path(), &control.channel, Some(&token));
        running.push((instance, dir));
    }
    until_instances(control, 3).await;
    let as_ann = async |path: &str| ask(control, ("ann", PASSWORD), "GET", path, None).await;

    let instances = ann.json(&["instance", "list"]);
    let of: Vec<&Value> = instances.as_array().unwrap().iter().map(|instance| &instance["gateway_group_id"]).collect();
    assert_eq!(of, [own], "{instances}");
    let (_, counted) = as_ann("/api/instances/count/status").await;
    let counts = counted["value"].as_array().unwrap().iter().map(|status| status["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 1, "{counted}");
    for what in ["service", "route", "consumer", "ssl", "gateway_instance"] {
        let (_, counted) = as_ann(&format!("/api/gateway_groups/count/{what}")).await;
        let list = counted["list"].as_array().or(counted["value"].as_array()).unwrap_or_else(|| panic!("{counted}"));
        let of: Vec<&Value> = list.iter().map(|count| &count["key"]).collect();
        assert_eq!(of, [own], "{what}: {counted}");
    }
    for (plural, what) in HELD {
        let (status, seen) = as_ann(&format!("/apisix/admin/{plural}?gateway_group_id={own}")).await;
        assert_eq!((status, &seen["total"]), (200, &json!(1)), "{what}: {seen}");
        for other in others {
            let (status, seen) = as_ann(&format!("/apisix/admin/{plural}?gateway_group_id={other}")).await;
            assert!(status == 403 || seen == json!({ "list": [], "total": 0 }), "{what}: {status} {seen}");
        }
    }
    for other in others {
        let instance = control.api.call("GET", &format!("/api/gateway_groups/{other}/instances"), None).await;
        let instance = instance["list"][0]["id"].as_str().unwrap();
        let group = format!("/api/gateway_groups/{other}");
        let of_group =
            ["status", "revisions", "permitted_users", "admin_key", "admin_keys", "instance_tokens", "instances"];
        let of_group = of_group.map(|what| format!("{group}/{what}")).into_iter();
        let one = [
            ("services", "orders"),
            ("routes", "orders"),
            ("consumers", "jack"),
            ("consumers/jack/credentials", "k"),
            ("ssls", "shop"),
        ];
        let one = one.map(|(plural, id)| format!("/apisix/admin/{plural}/{id}?gateway_group_id={other}")).into_iter();
        let more = [
            group.clone(),
            format!("{group}/instances/{instance}"),
            format!("/apisix/admin/consumers/jack/credentials?gateway_group_id={other}"),
            format!("/apisix/admin/services/orders/upstreams?gateway_group_id={other}"),
        ];
        for path in of_group.chain(one).chain(more) {
            let (status, answer) = as_ann(&path).await;
            assert!(status == 403 || status == 404, "{path}: {status} {answer}");
        }
        let (status, answer) = as_ann(&format!("/api/instances?gateway_group_id={other}")).await;
        assert!(status == 403 || answer["total"] == 0, "{answer}");
    }
    for list in ["user", "role", "policy"] {
        assert!(!admin.json(&[list, "list"]).as_array().unwrap().is_empty());
        assert_eq!(ann.json(&[list, "list"]), json!([]), "{list}");
    }
    let users = admin.json(&["user", "list"]);
    let kim = users.as_array().unwrap().iter().find(|user| user["username"] == "kim").unwrap();
    let id = kim["id"].as_str().unwrap();
    for path in ["", "/boundaries", "/sessions"] {
        let (status, answer) = as_ann(&format!("/api/users/{id}{path}")).await;
        assert_eq!(status, 403, "{path}: {answer}");
    }
    let role = kim["roles"][0]["id"].as_str().unwrap();
    for path in
        [format!("/api/roles/{role}"), format!("/api/roles/{role}/permission_policies"), "/api/audit_logs".into()]
    {
        let (status, answer) = as_ann(&path).await;
        assert_eq!(status, 403, "{path}: {answer}");
    }
}

/// `can-i` names the statement, or what is missing.
fn explained(admin: &Verbs) {
    let can_i = |env: &str| {
        let group = format!("payment-{env}");
        let of = ["--group", &group, "--service", "orders", "--user", "ann"];
        admin.command(&[&["can-i", "gateway:UpdatePublishedService"], &of[..]].concat())
    };
    let (allowed, _) = success(can_i("test"));
    assert!(allowed.contains("policy \"payment-test\", through role \"payment-member\""), "{allowed}");
    let refused = can_i("prod").output().unwrap();
    let text = String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success() && text.contains("label env is prod, not exact_match test"), "{text}");
}

/// Other labels change who may act, with the next request.
async fn relabelled(control: &ControlPlane, admin: &Verbs, groups: &BTreeMap<String, String>) {
    let dev = &groups["payment-dev"];
    let put = async |env: &str| {
        admin.told(&["group", "update", "payment-dev", "--label", &format!("env={env}")]);
        put_service(control, "ann", dev).await.0
    };
    assert_eq!((put("test").await, put("dev").await), (200, 403));
    let (status, answer) = ask(
        control,
        ("ann", PASSWORD),
        "PUT",
        &format!("/api/gateway_groups/{}", groups["payment-test"]),
        Some(json!({ "name": "mine" })),
    )
    .await;
    assert_eq!(status, 403, "a member relabels its group: {answer}");
}

/// A disabled user is out with the next request.
async fn shut_out(control: &ControlPlane, admin: &Verbs, group: &str) {
    assert_eq!(put_service(control, "leo", group).await.0, 200);
    admin.told(&["user", "disable", "leo"]);
    assert_eq!(put_service(control, "leo", group).await.0, 401);
    admin.told(&["user", "enable", "leo"]);
    admin.told(&["user", "roles", "leo"]);
    assert_eq!(put_service(control, "leo", group).await.0, 403);
}
