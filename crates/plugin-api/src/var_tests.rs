use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::exchange::{ClientCertificate, TlsInfo};
use crate::testing::{exchange, matched, with_header};
use crate::{Client, ConsumerEntry, ConsumerInfo, RouteInfo};

fn value(exchange: &Exchange, name: &str) -> Option<String> {
    Var::parse(name).get(exchange).map(Cow::into_owned)
}

#[test]
fn a_target_is_told_without_disguise() {
    let cases =
        [("/a", None, "/a", ""), ("/a?", None, "/a", ""), ("/a?b", None, "/a?b", "?"), ("/./a", Some("/a"), "/a", "")];
    for (sent, normalised, expected, is_args) in cases {
        let mut request = exchange(sent);
        request.normalised_path = normalised.map(Into::into);
        let told = ["request_uri", "is_args", "real_request_uri"].map(|name| value(&request, name).unwrap_or_default());
        assert_eq!(told, [expected, is_args, sent], "{sent}");
    }
}

#[test]
fn requests_are_told_as_nginx_tells_them() {
    let request = with_header(exchange("/a%20b?x=1&y=%2f+z&flag"), "x-tenant-id", "acme");
    let mut request = with_header(request, "cookie", "a=1; b=2=3");
    request.normalised_path = Some("/a b".into());
    let cases = [
        ("uri", Some("/a b")),
        ("request_uri", Some("/a b?x=1&y=%2f+z&flag")),
        ("real_request_uri", Some("/a%20b?x=1&y=%2f+z&flag")),
        ("args", Some("x=1&y=%2f+z&flag")),
        ("query_string", Some("x=1&y=%2f+z&flag")),
        ("is_args", Some("?")),
        ("arg_x", Some("1")),
        ("arg_y", Some("/ z")),
        ("arg_flag", Some("")),
        ("arg_none", None),
        ("request_method", Some("GET")),
        ("request", Some("GET /a%20b?x=1&y=%2f+z&flag HTTP/1.1")),
        ("scheme", Some("http")),
        ("https", Some("")),
        ("host", Some("gateway.test")),
        ("http_host", Some("gateway.test")),
        ("http_x_tenant_id", Some("acme")),
        ("http_none", None),
        ("cookie_a", Some("1")),
        ("cookie_b", Some("2=3")),
        ("cookie_c", None),
        ("remote_addr", Some("192.0.2.7")),
        ("remote_port", Some("40000")),
        ("server_addr", Some("127.0.0.1")),
        ("server_port", Some("9080")),
        ("server_protocol", Some("HTTP/1.1")),
        ("consumer_name", None),
        ("route_id", None),
        ("nobody_sets_this", None),
    ];
    for (name, expected) in cases {
        assert_eq!(value(&request, name).as_deref(), expected, "{name}");
    }
}

#[test]
fn what_the_gateway_found_out_is_told_too() {
    let mut request = exchange("/users/7");
    request.route = matched(RouteInfo {
        id: "r1".into(),
        name: Some("users".into()),
        uri: "/users/:id".into(),
        service_id: Some("s1".into()),
        param_names: vec!["id".into()],
        ..RouteInfo::default()
    });
    request.params.push((7, 8));
    let consumer =
        Arc::new(ConsumerInfo { username: "jack".into(), group_id: Some("g1".into()), ..ConsumerInfo::default() });
    request.consumer =
        Some(Arc::new(ConsumerEntry { consumer, credential_id: Some("c1".into()), conf: Value::Null, prepared: None }));
    request.outcome.upstream_addr = Some("10.0.0.1:8080".into());
    request.outcome.upstream_name = Some("users.internal:8080".into());
    request.outcome.upstream_status.extend([502, 200]);
    request.outcome.upstream_latency = Some(Duration::from_micros(42_900));
    request.response.headers.insert("x-trace", "t1".parse().expect("a value"));
    request.set_note("plugin_note", json!("left"));
    request.set_note("plugin_number", json!(3));
    let cases = [
        ("route_id", "r1"),
        ("route_name", "users"),
        ("matched_uri", "/users/:id"),
        ("service_id", "s1"),
        ("uri_param_id", "7"),
        ("consumer_name", "jack"),
        ("consumer_group_id", "g1"),
        ("credential_id", "c1"),
        ("upstream_addr", "10.0.0.1:8080"),
        ("balancer_ip", "10.0.0.1"),
        ("balancer_port", "8080"),
        ("upstream_unresolved_host", "users.internal"),
        ("upstream_status", "502, 200"),
        ("upstream_response_time", "0.042"),
        ("upstream_header_time", "0.042"),
        ("sent_http_x_trace", "t1"),
        ("upstream_http_x_trace", "t1"),
        ("plugin_note", "left"),
        ("plugin_number", "3"),
    ];
    for (name, expected) in cases {
        assert_eq!(value(&request, name).as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn a_node_that_is_an_address_is_named_by_it() {
    let mut request = exchange("/");
    assert_eq!(value(&request, "upstream_unresolved_host"), None);
    request.outcome.upstream_addr = Some("[::1]:8080".into());
    assert_eq!(value(&request, "upstream_unresolved_host").as_deref(), Some("[::1]"));
}

#[test]
fn a_request_has_one_id_and_the_next_another() {
    let (one, other) = (exchange("/"), exchange("/"));
    let id = value(&one, "request_id").expect("an id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(value(&one, "request_id"), Some(id.clone()));
    assert_ne!(value(&other, "request_id"), Some(id));
}

#[test]
fn the_way_of_a_request_gets_its_client_at_its_end() {
    let request = exchange("/");
    assert_eq!(value(&request, "proxy_add_x_forwarded_for").as_deref(), Some("192.0.2.7"));
    let request = with_header(with_header(request, "x-forwarded-for", "1.1.1.1"), "x-forwarded-for", "2.2.2.2");
    assert_eq!(value(&request, "proxy_add_x_forwarded_for").as_deref(), Some("1.1.1.1, 2.2.2.2, 192.0.2.7"));
}

#[test]
fn a_client_s_certificate_is_told_in_nginx_s_words() {
    let mut request = exchange("/");
    assert_eq!(value(&request, "ssl_client_verify"), None, "without TLS there is none");
    let mut over_tls = |client_certificate| {
        let tls = Some(Arc::new(TlsInfo { client_certificate, ..TlsInfo::default() }));
        request.client = Rc::new(Client { tls, ..(*request.client).clone() });
        let names = ["verify", "serial", "fingerprint", "s_dn", "i_dn", "raw_cert", "escaped_cert"];
        names.map(|name| value(&request, &format!("ssl_client_{name}")))
    };
    assert_eq!(over_tls(None)[..2], [Some("NONE".to_owned()), None]);
    let certificate = ClientCertificate {
        serial: "0F".into(),
        fingerprint: "ab".into(),
        subject: "CN=a".into(),
        issuer: "CN=b".into(),
        pem: "-----BEGIN A-----\n+/=".into(),
    };
    let told = ["SUCCESS", "0F", "ab", "CN=a", "CN=b", "-----BEGIN A-----\n+/=", "-----BEGIN%20A-----%0A%2B%2F%3D"];
    assert_eq!(over_tls(Some(certificate)), told.map(|text| Some(text.to_owned())));
}

#[test]
fn body_arguments_come_from_forms_and_json() {
    let with_body = |content_type: &str, body: &'static str| {
        let mut request = with_header(exchange("/"), "content-type", content_type);
        request.request_body = Some(bytes::Bytes::from_static(body.as_bytes()));
        request
    };
    let form = with_body("application/x-www-form-urlencoded; charset=utf-8", "a=1&b=x%20y");
    assert_eq!(value(&form, "post_arg_b").as_deref(), Some("x y"));
    let json = with_body("application/json", r#"{"user": {"name": "jack", "age": 7}}"#);
    assert_eq!(value(&json, "post_arg_user.name").as_deref(), Some("jack"));
    assert_eq!(value(&json, "post_arg_user.age").as_deref(), Some("7"));
    assert_eq!(value(&with_body("application/json", "{"), "post_arg_a"), None);
    assert_eq!(value(&exchange("/"), "post_arg_a"), None);
}

/// A request with these header lines besides its Host.
fn with_lines(lines: &[(&str, &[u8])]) -> Exchange {
    let mut request = exchange("/");
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a name");
        request.headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    request
}

#[test]
fn several_lines_of_a_header_are_one_value_whichever_way_they_are_written() {
    let request = with_lines(&[
        ("x-role", b"user"),
        ("x-team", b"red"),
        ("x-role", b"guest"),
        ("x_role", b"admin"),
        ("cookie", b"a=1"),
        ("cookie", b"b=2"),
        ("user_agent", b"forged"),
        ("x_forwarded_for", b"10.0.0.1"),
        ("content-type", b"text/a"),
        ("content-type", b"text/b"),
    ]);
    let cases = [
        ("http_x_role", Some("user, guest, admin")),
        ("http_x_team", Some("red")),
        ("http_cookie", Some("a=1; b=2")),
        ("http_user_agent", None),
        ("http_x_forwarded_for", None),
        ("content_type", Some("text/a")),
        ("http_x_rol", None),
    ];
    for (name, expected) in cases {
        assert_eq!(value(&request, name).as_deref(), expected, "{name}");
    }
}

#[test]
fn of_several_cookies_the_last_counts_and_none_hides_another() {
    let cookie = |lines: &[&[u8]], name: &str| {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        value(&with_lines(&lines), &format!("cookie_{name}"))
    };
    let cases: [(&[&[u8]], Option<&str>); 6] = [
        (&[b"k=1; k=2"], Some("2")),
        (&[b"k=1", b"x=0; k=3"], Some("3")),
        (&[b"x=\xe9; k=4"], Some("4")),
        (&[b"k=5 rest;x=1"], Some("5")),
        (&[b"k=\xe9"], None),
        (&[b"kk=6; K=7"], None),
    ];
    for (lines, expected) in cases {
        assert_eq!(cookie(lines, "k").as_deref(), expected, "{lines:?}");
    }
}

#[test]
fn times_are_those_of_the_calendar() {
    let at = |seconds| iso8601(Duration::from_secs(seconds));
    assert_eq!(at(0), "1970-01-01T00:00:00+00:00");
    assert_eq!(at(951_782_399), "2000-02-28T23:59:59+00:00");
    assert_eq!(at(951_782_400), "2000-02-29T00:00:00+00:00");
    assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00+00:00", "2100 is no leap year");
}

#[test]
fn every_known_name_is_known() {
    for name in KNOWN_NAMES {
        assert!(matches!(Var::parse(name), Var::Known(_)), "{name}");
    }
}

proptest! {
    #[test]
    fn no_name_and_no_query_can_break_it(name in "\\PC{0,20}", key in "[ -~]{0,10}", target in "/[!-~]{0,30}") {
        let Ok(uri) = target.parse::<http::Uri>() else { return Ok(()) };
        let mut request = exchange("/");
        request.uri = uri;
        value(&request, &name);
        value(&request, &format!("arg_{key}"));
        value(&request, &format!("cookie_{key}"));
    }

    #[test]
    fn no_template_can_break_it(text in "\\PC{0,40}", mixed in "[${}\\\\a-z_]{0,20}") {
        for text in [&text, &mixed] {
            let template = crate::Template::parse(text);
            let rendered = template.render(&exchange("/"));
            if let Some(constant) = template.as_constant() {
                prop_assert_eq!(rendered, constant);
            }
        }
    }
}

#[test]
fn the_time_of_the_common_log_format_has_a_months_name() {
    let at = |seconds| common_log_time(Duration::from_secs(seconds));
    assert_eq!(at(0), "01/Jan/1970:00:00:00 +0000");
    assert_eq!(at(1_795_995_575), "29/Nov/2026:23:39:35 +0000");
}

#[test]
fn the_user_is_the_one_of_http_basic() {
    let user = |authorization: &str| value(&with_header(exchange("/"), "authorization", authorization), "remote_user");
    // jack:secret, jack:, :secret, jack
    for (authorization, name) in [
        ("Basic amFjazpzZWNyZXQ=", Some("jack")),
        ("basic amFjazo=", Some("jack")),
        ("Basic OnNlY3JldA==", None),
        ("Basic amFjaw==", None),
        ("Basic ?", None),
        ("Bearer amFjazpzZWNyZXQ=", None),
    ] {
        assert_eq!(user(authorization).as_deref(), name, "{authorization}");
    }
}
