//! One request, one expected answer: what users of Apache APISIX would try, in tables of JSON beside this file.
//!
//! A table has `resources` (`ECHO` stands for the address of an upstream that tells what it got, `ECHO_PORT` for its port), and `cases`;
//! `trusts` names the clients whose `X-Forwarded-*` are believed.
//! `ask` is method and target, `with` headers, `send` a body, `from` the client's address, `times` how often it asks. What is expected of the (last)
//! answer: `status`, `headers` (null for one that must not be there), `body` whole, `has` and `lacks` for parts of it, `echo` for what the
//! upstream got, by JSON pointer.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gateway::Settings;
use http::Request;
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::{Answer, Client, Echo, Gateway, put, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    trusts: String,
    resources: Map<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    ask: String,
    #[serde(default)]
    with: Map<String, Value>,
    #[serde(default)]
    send: String,
    from: Option<IpAddr>,
    times: Option<usize>,
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    echo: Map<String, Value>,
}

fn tables() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_path/cases");
    let mut tables: Vec<_> =
        fs::read_dir(directory).expect("tables").map(|entry| entry.expect("entry").path()).collect();
    tables.sort();
    tables
}

#[tokio::test]
async fn every_case_of_every_table_is_answered_as_apisix_answers_it() {
    let (tables, mut wrong, mut count) = (tables(), Vec::new(), 0);
    for path in &tables {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let echo = Echo::start().await;
        let text = fs::read_to_string(path).expect("a table").replace("ECHO_PORT", &echo.address.port().to_string());
        let text = text.replace("ECHO", &echo.address.to_string());
        let table: Table = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let resources = table.resources.into_iter().map(|(key, body)| put(&key, body)).collect();
        let trusting = Settings { trusted: table.trusts.parse().expect("networks"), ..settings() };
        let gateway = Gateway::start_with(trusting, plugins::registry(), resources);
        for (at, case) in table.cases.iter().enumerate() {
            count += 1;
            if let Err(why) = case.prove(gateway.http).await {
                wrong.push(format!("{name} {}, {}: {why}", at + 1, case.ask));
            }
        }
        gateway.stop().await;
    }
    assert!(wrong.is_empty(), "{} of {count} cases fail:\n{}", wrong.len(), wrong.join("\n"));
}

impl Case {
    async fn prove(&self, to: SocketAddr) -> Result<(), String> {
        let mut answer = self.answer(to).await?;
        for _ in 1..self.times.unwrap_or(1) {
            answer = self.answer(to).await?;
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status.as_u16() != self.status {
            return Err(format!("status {} and {text:?}", answer.status));
        }
        self.prove_headers(&answer)?;
        let is_wrong = self.body.as_ref().is_some_and(|body| *body != text)
            || !self.has.iter().all(|part| text.contains(part))
            || self.lacks.iter().any(|part| text.contains(part));
        if is_wrong {
            return Err(format!("body {text:?}"));
        }
        let got: Value = serde_json::from_str(&text).unwrap_or_default();
        match self.echo.iter().find(|(pointer, wanted)| got.pointer(pointer).unwrap_or(&Value::Null) != *wanted) {
            Some((pointer, wanted)) => Err(format!("{pointer} is not {wanted} in {got}")),
            None => Ok(()),
        }
    }

    async fn answer(&self, to: SocketAddr) -> Result<Answer, String> {
        let (method, target) = self.ask.split_once(' ').ok_or("ask is method and target")?;
        let mut request = Request::builder().method(method).uri(target);
        if !self.with.contains_key("host") {
            request = request.header("host", "example.test");
        }
        for (name, value) in &self.with {
            request = request.header(name, value.as_str().ok_or("headers are text")?);
        }
        let request = request.body(Full::new(Bytes::from(self.send.clone()))).map_err(|error| error.to_string())?;
        let mut client = Client::connect_from(self.from.unwrap_or(to.ip()), to).await;
        client.send(request).await.map_err(|error| error.to_string())
    }

    fn prove_headers(&self, answer: &Answer) -> Result<(), String> {
        for (name, wanted) in &self.headers {
            let got: Vec<_> =
                answer.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            let got = (!got.is_empty()).then(|| got.join(" | "));
            if got.as_deref() != wanted.as_str() {
                return Err(format!("{name} is {got:?}, not {wanted}"));
            }
        }
        Ok(())
    }
}
