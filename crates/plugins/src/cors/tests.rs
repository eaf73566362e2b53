use plugin_api::testing::input;
use serde_json::json;

use super::*;
use crate::testing;

/// The response's headers of these names for a GET, `None` where there are none.
fn run(conf: &Value, metadata: Option<&Value>, headers: &[(&str, &str)]) -> Exchange {
    crate::registry().check("cors", conf).expect("valid by schema");
    let compiled = Cors.compile(&CompileInput { metadata, ..input(conf) }).expect("compiles");
    let mut exchange = testing::exchange("/hello", headers);
    assert!(testing::reply_of(compiled.rewrite(&mut exchange)).is_none());
    exchange.headers.insert(ORIGIN, HeaderValue::from_static("http://rewritten.later"));
    compiled.header_filter(&mut exchange);
    exchange
}

fn told<'e>(exchange: &'e Exchange, name: &str) -> Option<&'e str> {
    exchange.response.headers.get(name).map(|value| value.to_str().expect("text"))
}

/// What a caller from `origin` is told: allowed origin, timing, Vary.
fn origins(exchange: &Exchange) -> (Option<&str>, Option<&str>, Option<&str>) {
    let told = |name| told(exchange, name);
    (told("access-control-allow-origin"), told("timing-allow-origin"), told("vary"))
}

#[test]
fn defaults() {
    for headers in [&[][..], &[("origin", "http://a.com")]] {
        let exchange = run(&json!({}), None, headers);
        let expected = [
            ("access-control-allow-origin", Some("*")),
            ("access-control-allow-methods", Some("*")),
            ("access-control-allow-headers", Some("*")),
            ("access-control-expose-headers", None),
            ("access-control-max-age", Some("5")),
            ("access-control-allow-credentials", None),
            ("timing-allow-origin", None),
            ("vary", None),
        ];
        for (name, value) in expected {
            assert_eq!(told(&exchange, name), value, "{name}");
        }
    }
}

#[test]
fn everything_set() {
    let conf = json!({
        "allow_origins": "http://sub.domain.com,http://sub2.domain.com",
        "allow_methods": "GET,POST",
        "allow_headers": "headr1,headr2",
        "expose_headers": "ex-headr1,ex-headr2",
        "max_age": 50,
        "allow_credential": true,
    });
    let exchange = run(&conf, None, &[("origin", "http://sub2.domain.com")]);
    let expected = [
        ("access-control-allow-origin", "http://sub2.domain.com"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "headr1,headr2"),
        ("access-control-expose-headers", "ex-headr1,ex-headr2"),
        ("access-control-max-age", "50"),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ];
    for (name, value) in expected {
        assert_eq!(told(&exchange, name), Some(value), "{name}");
    }
    let exchange = run(&conf, None, &[("origin", "http://sub3.domain.com")]);
    assert_eq!(exchange.response.headers.len(), 1, "Vary alone");
    assert_eq!(told(&exchange, "vary"), Some("Origin"));
}

#[test]
fn two_stars_allow_by_name() {
    let conf = json!({
        "allow_origins": "**", "allow_methods": "**", "allow_headers": "**", "expose_headers": "a",
        "allow_credential": true,
    });
    let headers = [("origin", "https://sub.domain.com"), ("access-control-request-headers", "req-header1,req-header2")];
    let exchange = run(&conf, None, &headers);
    assert_eq!(told(&exchange, "access-control-allow-origin"), Some("https://sub.domain.com"));
    assert_eq!(told(&exchange, "access-control-allow-methods"), Some(ALL_METHODS));
    assert_eq!(told(&exchange, "access-control-allow-headers"), Some("req-header1,req-header2"));
    let exchange = run(&conf, None, &[]);
    assert_eq!(origins(&exchange), (Some("*"), None, Some("Origin")));
    assert_eq!(told(&exchange, "access-control-allow-headers"), None);
}

#[test]
fn where_origins_come_from() {
    let one = Some("http://one.domain.com");
    let regex = json!({ "allow_origins_by_regex": [".*\\.domain.com$", "^http://x"] });
    let both = json!({ "allow_origins": "http://a.com", "allow_origins_by_regex": ["^http://one"] });
    let timed = json!({ "timing_allow_origins": "http://one.domain.com,http://two.domain.com" });
    let timed_regex = json!({ "allow_origins": "http://a.com", "timing_allow_origins_by_regex": ["^http://one"] });
    let vary = Some("Origin");
    let cases = [
        (json!({ "allow_origins": "http://one.domain.com" }), one, (one, None, vary)),
        (json!({ "allow_origins": "http://one.domain.com" }), Some("http://b.com"), (None, None, vary)),
        (json!({ "allow_origins": "http://one.domain.com" }), None, (None, None, vary)),
        (json!({ "allow_origins": "null" }), Some("null"), (Some("null"), None, vary)),
        (regex.clone(), one, (one, None, vary)),
        (regex.clone(), Some("http://xyz"), (Some("http://xyz"), None, vary)),
        (regex.clone(), Some("http://a.domain.com.evil"), (None, None, vary)),
        (regex, None, (None, None, vary)),
        (both.clone(), Some("http://a.com"), (None, None, vary)),
        (both, one, (one, None, vary)),
        (timed.clone(), one, (Some("*"), one, None)),
        (timed.clone(), Some("http://b.com"), (Some("*"), None, None)),
        (timed, None, (Some("*"), None, None)),
        (timed_regex.clone(), one, (None, one, vary)),
        (timed_regex, Some("http://a.com"), (Some("http://a.com"), None, vary)),
        (json!({ "timing_allow_origins": "*" }), one, (Some("*"), Some("*"), None)),
    ];
    for (conf, origin, expected) in cases {
        let headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
        assert_eq!(origins(&run(&conf, None, &headers)), expected, "{conf} {origin:?}");
    }
}

#[test]
fn origins_of_the_metadata() {
    let metadata = json!({ "allow_origins": { "key_1": "https://d.com,https://e.com", "key_2": "*" } });
    let alone = json!({ "allow_origins_by_metadata": ["key_1", "key_9"] });
    let any = json!({ "allow_origins_by_metadata": ["key_2"] });
    let mixed = json!({ "allow_origins": "http://a.com", "allow_origins_by_metadata": ["key_1"] });
    let cases = [
        (&alone, Some("https://e.com"), Some("https://e.com")),
        (&alone, Some("http://a.com"), None),
        (&alone, None, None),
        (&any, Some("http://a.com"), Some("http://a.com")),
        (&mixed, Some("https://d.com"), Some("https://d.com")),
        (&mixed, Some("http://a.com"), Some("http://a.com")),
        (&mixed, Some("http://b.com"), None),
    ];
    for (conf, origin, expected) in cases {
        let headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
        assert_eq!(origins(&run(conf, Some(&metadata), &headers)).0, expected, "{conf} {origin:?}");
    }
    assert_eq!(origins(&run(&alone, None, &[("origin", "https://e.com")])).0, None, "without metadata");
}

#[test]
fn every_options_request_is_answered_here() {
    let compiled = testing::compile(&Cors, "{}");
    let mut exchange = testing::exchange("/hello", &[]);
    exchange.method = Method::OPTIONS;
    assert_eq!(testing::answer_of(compiled.rewrite(&mut exchange)), Some((200, String::new())));
}

#[test]
fn what_the_upstream_said_is_replaced_and_its_vary_kept() {
    let conf = json!({ "allow_origins": "http://a.com" });
    let compiled = Cors.compile(&input(&conf)).expect("compiles");
    let mut exchange = testing::exchange("/", &[("origin", "http://a.com")]);
    drop(compiled.rewrite(&mut exchange));
    exchange.response.headers.insert(VARY, HeaderValue::from_static("Via"));
    exchange.response.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    compiled.header_filter(&mut exchange);
    let vary: Vec<_> = exchange.response.headers.get_all(VARY).iter().collect();
    assert_eq!(vary, ["Via", "Origin"]);
    let told: Vec<_> = exchange.response.headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect();
    assert_eq!(told, ["http://a.com"]);
}

#[test]
fn refused_configurations() {
    let star = "you can not set '*' for other option when 'allow_credential' is true";
    let cases = [
        (json!({ "allow_credential": true }), star),
        (
            json!({ "allow_credential": true, "allow_origins": "**", "allow_methods": "**", "allow_headers": "**", "expose_headers": "*" }),
            star,
        ),
        (
            json!({ "max_age": "600" }),
            "property \"max_age\" validation failed: wrong type: expected integer, got string",
        ),
    ];
    for (conf, reason) in cases {
        assert_eq!(testing::refusal_of(&Cors, &conf), reason, "{conf}");
    }
    let wrong = ["", "*a", "*,http://y.com", "nulll", "http//y.com.uk", "x.com", "https://x.com,y.com.uk"];
    for origins in wrong {
        for field in ["allow_origins", "timing_allow_origins"] {
            let mut conf = json!({});
            conf[field] = json!(origins);
            let text = testing::refusal_of(&Cors, &conf);
            let place = format!("property \"{field}\" validation failed: failed to match pattern ");
            assert!(text.starts_with(&place), "{text}");
        }
        let metadata = json!({ "allow_origins": { "a": origins } });
        assert!(crate::registry().check_metadata("cors", &metadata).is_err(), "{origins}");
    }
    assert!(!testing::refusal_of(&Cors, &json!({ "allow_origins_by_regex": ["[a"] })).is_empty());
}
