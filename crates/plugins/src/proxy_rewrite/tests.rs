use plugin_api::testing::input;
use proptest::prelude::*;

use super::*;
use crate::testing::{self, compile, reply_of};

fn target(conf: &str, uri: &str) -> Option<String> {
    let mut exchange = testing::exchange(uri, &[("x-path", "/a?b c")]);
    let decoded = percent_encoding::percent_decode_str(exchange.uri.path()).decode_utf8_lossy();
    exchange.normalised_path = Some(decoded.into());
    assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
    exchange.target.path_and_query
}

#[test]
fn paths_are_rewritten_and_queries_kept() {
    let cases = [
        (r#"{"uri": "/new"}"#, "/old?a=1", Some("/new?a=1")),
        (r#"{"uri": "/new?b=2"}"#, "/old?a=1", Some("/new?b=2&a=1")),
        (r#"{"uri": "/new?b=$arg_a"}"#, "/old?a=1", Some("/new?b=1&a=1")),
        (r#"{"uri": "/v2$uri"}"#, "/old", Some("/v2/old")),
        (r#"{"uri": "/${arg_v ?? v1}/x?b=${arg_b ?? 2}"}"#, "/", Some("/v1/x?b=2")),
        (r#"{"uri": "/$a/${b?c=1"}"#, "/", Some("//$%7Bb?c=1")),
        (r#"{"uri": "/v2$uri"}"#, "/a%20b", Some("/v2/a%20b")),
        (r#"{"uri": "/p$http_x_path"}"#, "/", Some("/p/a%3Fb%20c")),
        (r#"{"uri": "/a b%"}"#, "/", Some("/a%20b%25")),
        (r#"{"uri": "/new"}"#, "/old?", Some("/new")),
        (r#"{"regex_uri": ["^/api/(.*)$", "/v2/$1_x"]}"#, "/api/users", Some("/v2/users_x")),
        (r#"{"regex_uri": ["^/api/(.*)$", "/v2/${1}1"]}"#, "/api/users", Some("/v2/users1")),
        (r#"{"regex_uri": ["/a", "/b"]}"#, "/a/a/c", Some("/b/a/c")),
        (r#"{"regex_uri": ["^/(?!static/)(.*)$", "/v2/$1"]}"#, "/users", Some("/v2/users")),
        (r#"{"regex_uri": ["^/(?!static/)(.*)$", "/v2/$1"]}"#, "/static/a", None),
        (r#"{"regex_uri": ["^/(.+)/\\1$", "/$1"]}"#, "/a/a", Some("/a")),
        (r#"{"regex_uri": ["^/no", "/1", "^/api/(.*)/(.*)$", "/$2/$1"]}"#, "/api/a/b?q=1", Some("/b/a?q=1")),
        (r#"{"regex_uri": ["^/u/(.*)$", "/user?id=$1"]}"#, "/u/7?q=1", Some("/user?id=7&q=1")),
        (r#"{"regex_uri": ["^/u/(.*)$", "/user/$1"]}"#, "/u/7%3Fadmin=1", Some("/user/7%3Fadmin=1")),
        (r#"{"regex_uri": ["^/u(.*)$", "$1"]}"#, "/u", Some("/")),
        (r#"{"regex_uri": ["^/no", "/1"]}"#, "/api", None),
        (r#"{"uri": "/x", "regex_uri": ["^/", "/never/"]}"#, "/api", Some("/x")),
        (r#"{"host": "a.example"}"#, "/api", None),
        (r#"{"use_real_request_uri_unsafe": true}"#, "/a%2Fb?c", Some("/a%2Fb?c")),
        (r#"{"use_real_request_uri_unsafe": true, "regex_uri": ["^/a(.*)", "/b$1"]}"#, "/a%2Fb?c", Some("/b%2Fb?c")),
    ];
    for (conf, uri, expected) in cases {
        assert_eq!(target(conf, uri).as_deref(), expected, "{conf} {uri}");
    }
}

#[test]
fn a_route_rewrites_what_a_global_rule_rewrote() {
    let mut exchange = testing::exchange("/old?a=1", &[]);
    for conf in [r#"{"uri": "/first/a b"}"#, r#"{"regex_uri": ["^/first/(.*)$", "/second/$1"]}"#] {
        assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
    }
    assert_eq!(exchange.target.path_and_query.as_deref(), Some("/second/a%20b?a=1"));
}

#[test]
fn host_method_and_headers_are_rewritten() {
    let conf = r#"{"host": "a.example:81", "method": "POST", "regex_uri": ["^/u/(.*)$", "/$1"],
        "headers": {"set": {"X-Id": "$1-$remote_addr"}, "add": {"X-Old": "2"}, "remove": ["X-Gone"]}}"#;
    let mut exchange = testing::exchange("/u/7", &[("x-old", "1"), ("x-gone", "1"), ("x-id", "forged")]);
    assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
    assert_eq!(exchange.target.host.as_deref(), Some("a.example:81"));
    assert_eq!(exchange.target.method, Some(Method::POST));
    assert_eq!(exchange.header("x-id"), Some("7-192.0.2.7"));
    assert_eq!(exchange.headers.get_all("x-old").iter().count(), 2);
    assert_eq!(exchange.header("x-gone"), None);
}

#[test]
fn a_path_that_cannot_be_decided_on_goes_nowhere() {
    let mut exchange = testing::exchange(&format!("/{}", "x".repeat(50)), &[]);
    let answer =
        testing::answer_of(compile(&ProxyRewrite, r#"{"regex_uri": ["^/(x+x+)+\\1y", "/"]}"#).rewrite(&mut exchange));
    assert_eq!(answer, Some((500, "{\"error_msg\":\"failed to substitute the uri\"}\n".to_owned())));
    assert_eq!(exchange.target.path_and_query, None);
}

#[test]
fn a_flat_list_of_headers_sets() {
    let conf = r#"{"headers": {"X-A": "1", "X-B": ""}}"#;
    let mut exchange = testing::exchange("/", &[("x-b", "1")]);
    assert!(reply_of(compile(&ProxyRewrite, conf).rewrite(&mut exchange)).is_none());
    assert_eq!((exchange.header("x-a"), exchange.header("x-b")), (Some("1"), None));
}

#[test]
fn wrong_configurations_are_named_by_field() {
    let fault = |conf: Value| ProxyRewrite.compile(&input(&conf)).err();
    let cases = [
        (json!({ "regex_uri": ["^/a", "/b", "(", "/c"] }), "/regex_uri/2", "invalid regex_uri((, /c): "),
        (json!({ "regex_uri": ["^/a", "/$b"] }), "/regex_uri/1", "invalid regex_uri(^/a, /$b): "),
        (json!({ "regex_uri": ["a", "b", "c"] }), "/regex_uri", "The length of regex_uri should be an even number"),
        (json!({ "regex_uri": ["(?!x", "/c"] }), "/regex_uri/0", "invalid regex_uri((?!x, /c): "),
        (json!({ "headers": { "set": { "a b": "1" } } }), "/headers/set/a b", "invalid field character in header"),
    ];
    for (conf, pointer, start) in cases {
        let fault = fault(conf).expect("a fault");
        assert_eq!(fault.pointer, pointer);
        assert!(fault.message.starts_with(start), "{}", fault.message);
    }
}

proptest! {
    /// Whatever is configured and asked for, the target is one that can be sent.
    #[test]
    fn no_template_and_no_path_can_break_it(uri in "/\\PC{0,20}", replacement in "\\PC{0,20}", path in "/\\PC{0,20}", raw: bool) {
        let rewrites = [json!({ "uri": uri }), json!({ "regex_uri": ["^/(.*)$", replacement] })];
        for mut conf in rewrites {
            conf["use_real_request_uri_unsafe"] = raw.into();
            let Ok(plugin) = ProxyRewrite.compile(&input(&conf)) else { continue };
            let mut exchange = testing::exchange("/?q=1", &[]);
            exchange.normalised_path = Some(path.clone().into());
            prop_assert!(reply_of(plugin.rewrite(&mut exchange)).is_none());
            let target = exchange.target.path_and_query.unwrap_or_else(|| "/".to_owned());
            prop_assert!(target.parse::<http::uri::PathAndQuery>().is_ok(), "{}", target);
        }
    }
}
