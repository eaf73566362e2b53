//! The Admin API of Apache APISIX, request by request: `apisix_admin_requests.json` says what is sent and what comes.

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::fixture::{APISIX_KEY, Fixture};

#[derive(Deserialize)]
struct Scene {
    what: String,
    steps: Vec<Step>,
}

/// Method, path, body, status, and what the answer holds at a pointer.
#[derive(Deserialize)]
struct Step(String, String, Value, u16, String, Value);

/// What came instead of what should; none when it is right.
async fn differs(fixture: &Fixture, step: &Step) -> Result<Option<String>> {
    let Step(method, path, body, status, pointer, expected) = step;
    let response = fixture.admin(APISIX_KEY, method, path, Some(body).filter(|body| !body.is_null())).await?;
    let got = response.status().as_u16();
    let text = response.text().await?;
    let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let found = answer.pointer(pointer).cloned().unwrap_or_default();
    let is_right = (got, &found) == (*status, expected);
    Ok((!is_right).then(|| format!("{method} {path} {body}\n  {got} {answer}\n  {status} {pointer} {expected}")))
}

#[tokio::test]
async fn what_is_sent_and_what_comes() -> Result<()> {
    let scenes: Vec<Scene> = serde_json::from_str(include_str!("apisix_admin_requests.json"))?;
    let fixture = Fixture::start_with(::plugins::registry()).await?;
    let mut wrong = Vec::new();
    for Scene { what, steps } in &scenes {
        for step in steps {
            wrong.extend(differs(&fixture, step).await?.map(|text| format!("{what}\n  {text}")));
        }
    }
    ensure!(wrong.is_empty(), "{} requests:\n{}", wrong.len(), wrong.join("\n"));
    fixture.stop().await;
    Ok(())
}
