//! The access log: a line for each request, whichever way it went.

use gateway::{AccessLog, Settings};
use serde_json::json;

use crate::support::{Client, Echo, Gateway, get, put, registry, settings};

#[tokio::test]
async fn every_request_leaves_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logs/access.log");
    let echo = Echo::start().await;
    let route = put("route/r", json!({ "uri": "/a", "upstream": { "nodes": echo.nodes() } }));
    let logging = Settings { access_log: AccessLog::File(path.clone()), ..settings() };
    let gateway = Gateway::start_with(logging, registry(), vec![route]);
    let mut client = Client::connect(gateway.http).await;
    let length = client.get("/a?b=%22").await.expect("an answer").body.len();
    get(gateway.http, "/missing").await;
    gateway.stop().await;
    let log = std::fs::read_to_string(path).expect("a log");
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    let found = format!("\"GET /a?b=%22 HTTP/1.1\" 200 {length} ");
    assert!(lines[0].starts_with("127.0.0.1 - - [") && lines[0].contains(&found), "{log}");
    assert!(lines[0].contains(&echo.address.to_string()) && lines[0].contains("route=r "), "{log}");
    assert!(lines[1].contains("\"GET /missing HTTP/1.1\" 404 ") && lines[1].contains("fault=route_not_found"), "{log}");
}
