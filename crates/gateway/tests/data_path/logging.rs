//! The access log: a line for each request, whichever way it went.

use gateway::{AccessLog, Settings};
use serde_json::json;

use crate::support::{Client, Echo, Gateway, get, one_then, put, raw, refused_port, registry, settings};

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
    let node = echo.address.to_string();
    let line = |client: &str, request: &str, answer: &str, upstream: &str| {
        let time = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]";
        format!(
            r#"^127\.0\.0\.1 - {client} {time} \S+ "{request} HTTP/1\.1" {answer} \d+\.\d{{3}} "-" "-" {upstream}$"#
        )
    };
    let upstream = format!(r#"{node} 200 \d+\.\d{{3}} "http://example\.test/a""#);
    for (line, wanted) in lines.iter().zip([
        line("-", r"GET /a\?b=%22", &format!("200 {length}"), &upstream),
        line("-", "GET /missing", r"404 \d+", r#"- - - "http://example\.test/missing""#),
    ]) {
        assert!(regex::Regex::new(&wanted).expect("a pattern").is_match(line), "{line}\n{wanted}");
    }
}

#[tokio::test]
async fn a_line_has_what_the_format_asks_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let (echo, gone) = (Echo::start().await, refused_port().await);
    let nodes = one_then(gone.parse().expect("an address"), echo.address);
    let logging = Settings {
        access_log: AccessLog::File(path.clone()),
        access_log_format:
            r"$remote_user ${route_id}:$status <$http_x_note> $upstream_status $gateway_fault $arg_none $sent_http_x_at"
                .into(),
        ..settings()
    };
    let route = put("route/r", json!({ "uri": "/a", "upstream": { "nodes": nodes } }));
    let gateway = Gateway::start_with(logging, registry(), vec![route]);
    // jack:secret
    let asked = "GET /a HTTP/1.1\r\nhost: a\r\nauthorization: Basic amFjazpzZWNyZXQ=\r\nx-note: say \"hi\" \\\r\nconnection: close\r\n\r\n";
    raw(gateway.http, asked).await;
    get(gateway.http, "/missing").await;
    gateway.stop().await;
    let log = std::fs::read_to_string(path).expect("a log");
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines, [r"jack r:200 <say \x22hi\x22 \x5C> 502, 200 - - -", "- -:404 <-> - route_not_found - -"]);
    assert!(!log.contains("secret"));
}
