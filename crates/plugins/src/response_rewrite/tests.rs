use plugin_api::testing::input;

use super::*;
use crate::testing::{self, compile};

fn answered(status: u16) -> Exchange {
    let mut exchange = testing::exchange("/", &[]);
    exchange.response.status = StatusCode::from_u16(status).expect("status");
    exchange.response.headers.insert("content-length", "3".parse().expect("value"));
    exchange.response.headers.insert("etag", "x".parse().expect("value"));
    exchange
}

#[test]
fn status_body_and_headers_are_replaced() {
    let conf =
        r#"{"status_code": 201, "body": "{\"a\":1}", "headers": {"set": {"X-A": "$status"}, "remove": ["X-B"]}}"#;
    let mut exchange = answered(500);
    compile(&ResponseRewrite, conf).header_filter(&mut exchange);
    assert_eq!(exchange.response.status, StatusCode::CREATED);
    assert_eq!(exchange.response.body.as_deref(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(exchange.response.headers["x-a"], "201");
    assert!(!exchange.response.headers.contains_key("etag"));
}

#[test]
fn base64_bodies_are_decoded_and_bad_ones_named() {
    let mut exchange = answered(200);
    compile(&ResponseRewrite, r#"{"body": "aGk=", "body_base64": true}"#).header_filter(&mut exchange);
    assert_eq!(exchange.response.body.as_deref(), Some(&b"hi"[..]));
    let conf = json!({ "body": "?", "body_base64": true });
    let fault = ResponseRewrite.compile(&input(&conf)).err();
    assert_eq!(fault.expect("fault").pointer, "/body");
}

#[test]
fn nothing_happens_when_vars_do_not_hold() {
    let conf = r#"{"status_code": 201, "vars": [["status", "==", 500]]}"#;
    let plugin = compile(&ResponseRewrite, conf);
    for (status, expected) in [(500, 201), (200, 200)] {
        let mut exchange = answered(status);
        plugin.header_filter(&mut exchange);
        assert_eq!(exchange.response.status.as_u16(), expected);
    }
}

#[test]
fn filters_replace_in_the_body() {
    let filter = |scope: &str, options: &str| {
        let conf = json!({ "filters": [{ "regex": "a+", "scope": scope, "replace": "$0x", "options": options }] });
        let plugin = compile(&ResponseRewrite, &conf.to_string());
        let mut exchange = answered(200);
        plugin.header_filter(&mut exchange);
        let mut chunk = Chunk { data: Bytes::from_static(b"aa b A aa"), last: true };
        plugin.body_filter(&mut exchange, &mut chunk);
        String::from_utf8(chunk.data.to_vec()).expect("text")
    };
    assert_eq!(filter("once", "jo"), "aax b A aa");
    assert_eq!(filter("global", "jo"), "aax b A aax");
    assert_eq!(filter("global", "ijo"), "aax b Ax aax");
    assert_eq!(filter("global", "ajo"), "aax b A aa");
}

#[test]
fn filters_may_look_around() {
    let filtered = |regex: &str, scope: &str, options: &str, body: &'static [u8]| {
        let conf = json!({ "filters": [{ "regex": regex, "scope": scope, "replace": "<$0>", "options": options }] });
        let plugin = compile(&ResponseRewrite, &conf.to_string());
        let mut exchange = answered(200);
        plugin.header_filter(&mut exchange);
        let mut chunk = Chunk { data: Bytes::from_static(body), last: true };
        plugin.body_filter(&mut exchange, &mut chunk);
        String::from_utf8_lossy(&chunk.data).into_owned()
    };
    assert_eq!(filtered("a(?!b)", "global", "jo", b"ab a A a"), "ab <a> A <a>");
    assert_eq!(filtered("a(?!b)", "once", "ijo", b"ab A a"), "ab <A> a");
    assert_eq!(filtered("(.)\\1 # twice", "global", "xjo", b"aab cc"), "<aa>b <cc>");
    assert_eq!(filtered("(?=\u{e9})", "global", "jo", "\u{e9}\u{e9}x".as_bytes()), "<>\u{e9}<>\u{e9}x");
    assert_eq!(filtered("a(?!b) # x", "once", "axjo", b"a a"), "<a> a");
    assert_eq!(filtered("a(?!b)", "global", "jo", b"a\xff"), "a\u{fffd}", "what is no text is left alone");
    assert_eq!(filtered("a", "global", "jo", b"a\xff"), "<a>\u{fffd}");
}

#[test]
fn a_body_is_filtered_only_by_configurations_whose_vars_held() {
    let plugin = |status: u16, replace: &str| {
        let conf = json!({
            "vars": [["status", "==", status]],
            "filters": [{ "regex": "a", "replace": replace, "scope": "global" }],
        });
        compile(&ResponseRewrite, &conf.to_string())
    };
    let plugins = [plugin(200, "b"), plugin(500, "c")];
    for (status, expected) in [(200, "bb"), (500, "cc"), (404, "aa")] {
        let mut exchange = answered(status);
        plugins.iter().for_each(|plugin| plugin.header_filter(&mut exchange));
        let mut chunk = Chunk { data: Bytes::from_static(b"aa"), last: true };
        plugins.iter().for_each(|plugin| plugin.body_filter(&mut exchange, &mut chunk));
        assert_eq!(chunk.data, expected);
    }
}

#[test]
fn filters_look_into_gzip_and_leave_what_they_cannot_read() {
    type Case<'c> = (&'static str, &'c [u8], &'c [u8], Option<&'static str>);
    let conf = r#"{"filters": [{"regex": "a", "replace": "b"}], "max_resp_body_size": 5}"#;
    let plugin = compile(&ResponseRewrite, conf);
    let (packed, long) = (testing::gzip(b"a a"), testing::gzip(b"a a a a"));
    let cases: [Case<'_>; 6] = [
        ("gzip", &packed, b"b a", None),
        ("gzip", b"", b"", None),
        ("gzip", b"a", b"a", Some("gzip")),
        ("gzip", &long, &long, Some("gzip")),
        ("br", b"a", b"a", Some("br")),
        ("identity", b"a", b"b", None),
    ];
    for (encoding, body, expected, told) in cases {
        let mut exchange = answered(200);
        exchange.response.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        plugin.header_filter(&mut exchange);
        let mut chunk = Chunk { data: Bytes::copy_from_slice(body), last: true };
        plugin.body_filter(&mut exchange, &mut chunk);
        assert_eq!(chunk.data, expected, "{encoding}");
        let encoding = exchange.response.headers.get(CONTENT_ENCODING).map(|value| value.to_str().expect("text"));
        assert_eq!(encoding, told);
    }
}

#[test]
fn a_body_that_was_no_gzip_is_told_to_be_it_below_what_was_done_since() {
    let plugin = compile(&ResponseRewrite, r#"{"filters": [{"regex": "a", "replace": "b"}]}"#);
    let mut exchange = answered(200);
    exchange.response.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    plugin.header_filter(&mut exchange);
    exchange.response.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    plugin.body_filter(&mut exchange, &mut Chunk { data: Bytes::from_static(b"a"), last: true });
    assert!(exchange.response.headers.get_all(CONTENT_ENCODING).iter().eq(["gzip", "br"]));
}

#[test]
fn a_filter_asks_for_the_whole_body() {
    let need = |conf: &str| compile(&ResponseRewrite, conf).response_body();
    let filters = r#""filters": [{"regex": "a", "replace": "b"}]"#;
    assert_eq!(need(&format!("{{{filters}, \"max_resp_body_size\": 10}}")), BodyNeed::Whole { limit: 10 });
    assert_eq!(need(&format!("{{{filters}}}")), BodyNeed::Whole { limit: 67_108_864 });
    assert_eq!(need(r#"{"body": "x"}"#), BodyNeed::Stream);
}

#[test]
fn wrong_configurations_are_named_by_field() {
    let filter = |regex: &str, replace: &str, options: &str| json!({ "filters": [{ "regex": regex, "replace": replace, "options": options }] });
    let cases = [
        (filter("(", "", "jo"), "/filters/0/regex"),
        (filter("(?=a", "", "jo"), "/filters/0/regex"),
        (filter("a", "$x", "jo"), "/filters/0/replace"),
        (filter("a", "", "q"), "/filters/0/options"),
        (json!({ "body": "", "body_base64": true }), "/body"),
        (json!({ "headers": { "add": ["a b: c"] } }), "/headers/add/0"),
        (json!({ "headers": { "x-a": true } }), "/headers/x-a"),
    ];
    for (conf, pointer) in cases {
        let fault = ResponseRewrite.compile(&input(&conf)).err();
        assert_eq!(fault.expect("a fault").pointer, pointer, "{conf}");
    }
    let conf = json!({ "vars": [["status", "?", 1]] });
    let fault = ResponseRewrite.compile(&input(&conf)).err().expect("a fault");
    assert!(fault.pointer.starts_with("/vars"), "{fault}");
    assert!(fault.message.starts_with("failed to validate the 'vars' expression: "), "{fault}");
}

#[test]
fn body_and_filters_exclude_each_other() {
    let conf = json!({ "body": "x", "filters": [{ "regex": "a", "replace": "b" }] });
    let fault = crate::registry().check("response-rewrite", &conf).expect_err("a fault");
    let reason = "failed to validate dependent schema for \"body\": value wasn't supposed to match schema";
    assert!(fault.message.ends_with(reason), "{}", fault.message);
}
