//! The audit log by the real binary: what is on record, that an outsider can verify it, and that tampering is named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::process::Output;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};
use support::terminal::Terminal;
use support::verbs::Verbs;
use support::{ControlPlane, PASSWORD, client, command, control_plane, directory, upstream};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");

/// A client verb with the admin's token.
struct Verb {
    server: String,
    token: String,
}

impl Verb {
    async fn of(control: &ControlPlane) -> Self {
        let made = control.api.call("POST", "/api/tokens", Some(json!({ "name": "auditor" }))).await;
        Self { server: control.api.base.clone(), token: made["value"]["token"].as_str().expect("a token").to_owned() }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = command(arguments);
        command.env("FLOTILLA_SERVER", &self.server).env("FLOTILLA_TOKEN", &self.token);
        tokio::task::spawn_blocking(move || command.output().expect("ran")).await.expect("ran")
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

async fn login(control: &ControlPlane, password: &str) -> u16 {
    let body = json!({ "username": "admin", "password": password });
    client().post(format!("{}/api/login", control.api.base)).json(&body).send().await.expect("answer").status().as_u16()
}

/// As `docs/AUDIT.md` says it, from nothing but the export.
fn verify_as_an_outsider(rows: &[Value]) -> Result<usize, String> {
    let mut heads: HashMap<&str, (u64, &str)> = HashMap::new();
    for row in rows {
        let (link, by, request) = (&row["chain"], &row["credential"], &row["request"]);
        let values = [
            &link["scope"],
            &link["sequence"],
            &row["id"],
            &row["created_at_ms"],
            &row["actor"],
            &row["operator_id"],
            &by["kind"],
            &by["id"],
            &by["name"],
            &row["ip"],
            &request["id"],
            &request["user_agent"],
            &request["method"],
            &request["uri"],
            &row["source"],
            &row["event_type"],
            &row["gateway_group_id"],
            &row["revision"],
            &row["resource_type"],
            &row["resource_id"],
            &row["resource_name"],
            &row["outcome"],
            &row["error"],
            &row["repeats"],
        ];
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let texts = values.map(|value| (!value.is_null()).then(|| text(value)));
        let mut context = Context::new(&SHA256);
        let (scope, sequence) = (link["scope"].as_str().expect("scope"), link["sequence"].as_u64().expect("sequence"));
        let previous = link["previous_hash"].as_str().expect("hash");
        context.update(&bytes_of(previous));
        for text in texts.into_iter().chain([Some(row["detail"].to_string())]) {
            match text {
                None => context.update(&[0]),
                Some(text) => {
                    context.update(&[1]);
                    context.update(&(text.len() as u64).to_be_bytes());
                    context.update(text.as_bytes());
                }
            }
        }
        let hash = link["hash"].as_str().expect("hash");
        let follows = heads.get(scope).is_none_or(|(last, head)| (last + 1, *head) == (sequence, previous));
        if !follows || context.finish().as_ref() != bytes_of(hash) {
            return Err(format!("{scope} {sequence}"));
        }
        heads.insert(scope, (sequence, hash));
    }
    Ok(heads.len())
}

fn bytes_of(hexadecimal: &str) -> Vec<u8> {
    (0..hexadecimal.len()).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).expect("hex")).collect()
}

async fn tamper(database: &Path, statement: &'static str) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", database.display())).await.expect("the database");
    assert_eq!(sqlx::query(statement).execute(&pool).await.expect("changed").rows_affected(), 1);
    pool.close().await;
}

#[tokio::test]
async fn what_was_done_is_on_record_and_tampering_is_named() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    assert_eq!(login(&control, PASSWORD).await, 200);
    assert_eq!(login(&control, "hush-guess").await, 401);
    control.api.route("default", "/x", upstream("up").await).await;
    let verb = Verb::of(&control).await;

    let refused = verb.json(&["audit", "list", "--outcome", "refused", "--output", "json"]).await;
    let row = &refused[0];
    assert_eq!(
        (&row["event_type"], &row["credential"]["name"], &row["ip"]),
        (&json!("Login"), &json!("admin"), &json!("127.0.0.1"))
    );
    let table = verb.run(&["audit", "list", "--group", "default", "--event", "PutResource"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("route r") && table.contains("admin") && table.contains("ok"), "{table}");

    let file = dir.path().join("audit.json");
    let to = file.to_str().expect("a path");
    let exported = verb.run(&["audit", "export", "--oldest-first", "--to", to]).await;
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let text = std::fs::read_to_string(&file).expect("the export");
    assert!(!text.contains("hush-guess"), "a password is on record");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(verify_as_an_outsider(&rows), Ok(2));
    let events: Vec<_> = rows.iter().filter_map(|row| row["event_type"].as_str()).collect();
    for event in ["CreateUser", "StartControlPlane", "Login", "PutResource", "CreateToken", "ExportAudits"] {
        assert!(events.contains(&event), "no {event} in {events:?}");
    }
    let mut forged = rows.clone();
    forged[2]["ip"] = "192.0.2.1".into();
    assert!(verify_as_an_outsider(&forged).is_err());

    let found = verb.json(&["audit", "verify", "--output", "json"]).await;
    assert_eq!((&found["intact"], &found["broken"]), (&json!(true), &Value::Null));
    let change = "UPDATE audit_log SET actor = 'user:mallory' WHERE scope = 'default' AND sequence = 2";
    tamper(&dir.path().join("flotilla.db"), change).await;
    let found = verb.run(&["audit", "verify"]).await;
    assert!(!found.status.success(), "a broken log is an error");
    let told = String::from_utf8_lossy(&found.stdout).into_owned();
    let id =
        rows.iter().find(|row| row["chain"]["scope"] == "default" && row["chain"]["sequence"] == 2).expect("a row");
    let expected = format!("BROKEN  default: changed content at sequence 2 ({})", id["id"].as_str().expect("id"));
    assert!(told.contains(&expected), "{told}");
    assert!(told.contains("intact  (no group)"), "{told}");
    tamper(&dir.path().join("flotilla.db"), "DELETE FROM audit_log WHERE scope = '' AND sequence = 3").await;
    let told = String::from_utf8_lossy(&verb.run(&["audit", "verify"]).await.stdout).into_owned();
    assert!(told.contains("BROKEN  (no group): missing row at sequence 3"), "{told}");
}

#[tokio::test]
async fn at_a_terminal_long_work_shows_that_it_goes_on() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    let (status, shown) = Terminal::start(admin.command(&["audit", "verify"])).end();
    assert!(status.success(), "{shown}");
    assert!(shown.contains("walking the hash chains") && shown.contains("intact"), "{shown:?}");
    let output = admin.command(&["audit", "verify"]).output().expect("ran");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing of it elsewhere");
}
