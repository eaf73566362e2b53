//! Five lines, four environments, three roles: docs/TEAMS.md with the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{ControlPlane, PASSWORD, client, command, control_plane, directory};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
const LINES: [&str; 5] = ["payment", "order", "catalog", "account", "search"];
const ENVIRONMENTS: [&str; 4] = ["dev", "test", "uat", "prod"];

/// Whose group each role may change.
const TABLE: [(&str, &str, [bool; 4]); 3] = [
    ("ann", "payment-member", [false, true, false, false]),
    ("leo", "payment-leader", [false, true, true, false]),
    ("kim", "payment-qa", [false, false, true, true]),
];

/// A client verb of the binary, as the first admin.
fn verb(control: &ControlPlane, token: &str, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env("FLOTILLA_SERVER", &control.api.base).env("FLOTILLA_TOKEN", token).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> String {
    let output = command.output().expect("it ran");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    format!("{out}{err}")
}

/// The script of the docs, with the binary under test on the PATH.
fn set_up(control: &ControlPlane, token: &str) {
    let binary = command(&[]).get_program().to_owned();
    let own = Path::new(&binary).parent().unwrap().display().to_string();
    let path = format!("{own}:{}", std::env::var("PATH").unwrap_or_default());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/teams/set-up.sh");
    let mut command = Command::new(script);
    command.env("PATH", path).env("FLOTILLA_SERVER", &control.api.base).env("FLOTILLA_TOKEN", token);
    run(command);
}

async fn token(control: &ControlPlane) -> String {
    let made = control.api.call("POST", "/api/tokens", Some(json!({ "name": "teams" }))).await;
    made["value"]["token"].as_str().unwrap().to_owned()
}

/// Invites a user by the command line and chooses a password by the printed one.
async fn join(control: &ControlPlane, token: &str, name: &str, role: &str) {
    let printed = run(verb(control, token, &["user", "invite", name, "--role", role]));
    let once = printed.lines().find_map(|line| line.strip_prefix(&format!("one-time password of {name}: "))).unwrap();
    let change = json!({ "old_password": once, "new_password": PASSWORD });
    let (status, answer) = ask(control, (name, once), "PUT", "/api/password", Some(change)).await;
    assert_eq!(status, 200, "{answer}");
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
    let token = token(&control).await;
    set_up(&control, &token);
    let listed = control.api.call("GET", "/api/gateway_groups", None).await;
    let groups: BTreeMap<String, String> = listed["list"].as_array().unwrap().iter().map(name_and_id).collect();
    assert_eq!(groups.len(), LINES.len() * ENVIRONMENTS.len() + 1, "twenty and the default one");
    let of_line = control.api.call("GET", "/api/gateway_groups?labels=line=payment", None).await;
    assert_eq!(of_line["total"], 4);

    for (name, role, _) in TABLE {
        join(&control, &token, name, role).await;
    }
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
    on_record(&control, &groups["order-prod"]).await;
    explained(&control, &token).await;
    relabelled(&control, &groups).await;
    shut_out(&control, &token, &groups["payment-uat"]).await;
}

fn name_and_id(group: &Value) -> (String, String) {
    (group["name"].as_str().unwrap().to_owned(), group["id"].as_str().unwrap().to_owned())
}

/// The auditor sees who tried what.
async fn on_record(control: &ControlPlane, group: &str) {
    let path = format!("/api/audit_logs?outcome=refused&gateway_group_id={group}");
    let rows = control.api.call("GET", &path, None).await;
    let tried: Vec<&str> = rows["list"].as_array().unwrap().iter().filter_map(|row| row["actor"].as_str()).collect();
    for (name, ..) in TABLE {
        assert!(tried.contains(&format!("user:{name}").as_str()), "{name} is not on record: {rows}");
    }
    let row = &rows["list"][0];
    assert_eq!(row["event_type"], "gateway:UpdatePublishedService", "{row}");
}

/// `can-i` names the statement, or what is missing.
async fn explained(control: &ControlPlane, token: &str) {
    let can_i = |env: &str| {
        let group = format!("payment-{env}");
        verb(
            control,
            token,
            &["can-i", "gateway:UpdatePublishedService", "--group", &group, "--service", "orders", "--user", "ann"],
        )
    };
    let allowed = run(can_i("test"));
    assert!(allowed.contains("policy \"payment-test\", through role \"payment-member\""), "{allowed}");
    let refused = can_i("prod").output().unwrap();
    let text = String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success() && text.contains("label env is prod, not exact_match test"), "{text}");
}

/// Other labels change who may act, with the next request.
async fn relabelled(control: &ControlPlane, groups: &BTreeMap<String, String>) {
    let dev = &groups["payment-dev"];
    let put = async |env: &str| {
        let spec = json!({ "name": "payment-dev", "labels": { "line": "payment", "env": env } });
        control.api.call("PUT", &format!("/api/gateway_groups/{dev}"), Some(spec)).await;
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
async fn shut_out(control: &ControlPlane, token: &str, group: &str) {
    assert_eq!(put_service(control, "leo", group).await.0, 200);
    run(verb(control, token, &["user", "disable", "leo"]));
    assert_eq!(put_service(control, "leo", group).await.0, 401);
    run(verb(control, token, &["user", "enable", "leo"]));
    run(verb(control, token, &["user", "roles", "leo"]));
    assert_eq!(put_service(control, "leo", group).await.0, 403);
}
