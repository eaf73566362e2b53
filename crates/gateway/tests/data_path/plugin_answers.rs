//! What clients see of plugins, to the byte, where only a whole gateway shows it.

use serde_json::{Value, json};

use crate::support::{Client, Echo, Gateway, get, put, settings};

fn page(status: &str) -> String {
    format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
         <hr><center>flotilla</center>\r\n</body>\r\n</html>\r\n"
    )
}

#[tokio::test]
async fn a_refusal_without_words_is_nginx_s_page() {
    let echo = Echo::start().await;
    let with = |uri: &str, plugins: Value| {
        let route = json!({ "uri": uri, "plugins": plugins, "upstream": { "nodes": echo.nodes() } });
        put(&format!("route{uri}"), route)
    };
    let limits = |rejected_code: u16| json!({ "count": 1, "time_window": 600, "key": "route_id", "rejected_code": rejected_code });
    let gateway = Gateway::start_with(
        settings(),
        plugins::registry(),
        vec![
            with("/blocked", json!({ "uri-blocker": { "block_rules": ["b"] } })),
            with("/aborted", json!({ "fault-injection": { "abort": { "http_status": 504 } } })),
            with("/hidden", json!({ "public-api": { "uri": "/none" } })),
            with("/moved", json!({ "redirect": { "uri": "/there", "ret_code": 301 } })),
            with("/worded", json!({ "uri-blocker": { "block_rules": ["w"], "rejected_msg": "no" } })),
            with(
                "/shaped",
                json!({ "uri-blocker": { "block_rules": ["s"], "_meta": { "error_response": { "a": 1 } } } }),
            ),
            with("/bare", json!({ "uri-blocker": { "block_rules": ["b"], "rejected_code": 418 } })),
            with("/limited", json!({ "limit-count": limits(429) })),
        ],
    );
    let html = "text/html; charset=utf-8";
    let text = "text/plain; charset=utf-8";
    let cases = [
        ("/blocked", 403, html, page("403 Forbidden")),
        ("/aborted", 504, html, page("504 Gateway Time-out")),
        ("/hidden", 404, html, page("404 Not Found")),
        ("/moved", 301, html, page("301 Moved Permanently")),
        ("/worded", 403, text, "{\"error_msg\":\"no\"}\n".to_owned()),
        ("/shaped", 403, text, "{\"a\":1}\n".to_owned()),
        ("/limited", 429, html, page("429 Too Many Requests")),
    ];
    assert_eq!(get(gateway.http, "/limited").await.status.as_u16(), 200);
    for (uri, status, kind, body) in cases {
        let answer = get(gateway.http, uri).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body.as_str()), "{uri}");
        assert_eq!(answer.header("content-type"), Some(kind), "{uri}");
        assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()), "{uri}");
    }
    let bare = get(gateway.http, "/bare").await;
    assert_eq!((bare.status.as_u16(), bare.text()), (418, ""));
    assert_eq!(get(gateway.http, "/moved").await.header("location"), Some("/there"));
    let limited = get(gateway.http, "/limited").await;
    assert_eq!((limited.header("x-ratelimit-limit"), limited.header("x-ratelimit-remaining")), (Some("1"), Some("0")));
    gateway.stop().await;
}

/// The test runner sets the variable.
#[tokio::test]
async fn references_to_the_environment_are_resolved_on_the_instance() {
    let echo = Echo::start().await;
    let gateway = Gateway::start_with(
        settings(),
        plugins::registry(),
        vec![
            put(
                "route/r",
                json!({ "uri": "/*", "plugins": { "key-auth": {} }, "upstream": { "nodes": echo.nodes() } }),
            ),
            put(
                "consumer/jack",
                json!({ "username": "jack", "plugins": { "key-auth": { "key": "$env://CARGO_PKG_NAME" } } }),
            ),
            put(
                "consumer/ann",
                json!({ "username": "ann", "plugins": { "key-auth": { "key": "$ENV://FLOTILLA_NOBODY_SETS_IT" } } }),
            ),
        ],
    );
    let mut client = Client::connect(gateway.http).await;
    for (key, status) in
        [("flotilla-gateway", 200), ("$env://CARGO_PKG_NAME", 401), ("$ENV://FLOTILLA_NOBODY_SETS_IT", 401)]
    {
        let request = http::Request::get("/").header("host", "a.example").header("apikey", key);
        let answer =
            client.send(request.body(http_body_util::Full::default()).expect("a request")).await.expect("an answer");
        assert_eq!(answer.status.as_u16(), status, "{key}");
    }
    gateway.stop().await;
}
