use http::Method;
use serde_json::{Value, json};

use crate::Plan;
use crate::fixture::{compiled, put, request, routed};

/// Routes by id.
fn plan(routes: &[(&str, Value)]) -> Plan {
    let changes: Vec<_> = routes.iter().map(|(id, route)| put(&format!("route/{id}"), route.clone())).collect();
    compiled(&changes).plan()
}

fn expect(plan: &Plan, cases: &[(&str, &str)]) {
    for (target, expected) in cases {
        assert_eq!(routed(plan, &request(target)), *expected, "{target}");
    }
}

#[test]
fn the_exact_host_goes_before_the_longest_wildcard_before_any() {
    let plan = plan(&[
        ("exact", json!({ "uri": "/*", "host": "a.shop.test" })),
        ("long", json!({ "uri": "/*", "host": "*.shop.test" })),
        ("short", json!({ "uri": "/*", "host": "*.test" })),
        ("any", json!({ "uri": "/*" })),
        ("only-any", json!({ "uri": "/deep/path" })),
    ]);
    expect(
        &plan,
        &[
            ("a.shop.test/", "exact"),
            ("b.shop.test/", "long"),
            ("x.y.shop.test/", "long"),
            ("shop.test/", "short"),
            ("test/", "any"),
            ("shop.testing/", "any"),
            ("/", "any"),
            ("a.shop.test/deep/path", "exact"),
        ],
    );
}

#[test]
fn a_host_without_a_matching_path_leaves_the_request_to_the_next() {
    let plan = plan(&[
        ("exact", json!({ "uri": "/a", "host": "a.test" })),
        ("wild", json!({ "uri": "/b", "host": "*.test" })),
        ("any", json!({ "uri": "/c" })),
    ]);
    expect(&plan, &[("a.test/a", "exact"), ("a.test/b", "wild"), ("a.test/c", "any"), ("a.test/d", "")]);
}

#[test]
fn the_exact_path_goes_before_the_longest_prefix_whatever_the_priority() {
    let plan = plan(&[
        ("exact", json!({ "uri": "/a/b" })),
        ("long", json!({ "uri": "/a/*" })),
        ("short", json!({ "uri": "/*", "priority": 100 })),
        ("parameter", json!({ "uri": "/u/:id" })),
        ("below", json!({ "uri": "/u/:id/posts/:post" })),
        ("rest", json!({ "uri": "/s/*path" })),
    ]);
    expect(
        &plan,
        &[
            ("/a/b", "exact"),
            ("/a/bc", "long"),
            ("/a", "short"),
            ("/u/7", "parameter"),
            ("/u/7/posts/9", "below"),
            ("/u/7/x", "short"),
            ("/s/a/b", "rest"),
        ],
    );
    let exchange = request("/u/7/posts/9");
    let found = plan.route(&exchange).expect("a route");
    let values: Vec<_> =
        found.params.iter().map(|(start, end)| &exchange.path()[*start as usize..*end as usize]).collect();
    assert_eq!((values, &*found.info.uri), (vec!["7", "9"], "/u/:id/posts/:post"));
}

#[test]
fn at_one_path_the_priority_decides_then_the_id() {
    let plan = plan(&[
        ("c", json!({ "uri": "/x" })),
        ("b", json!({ "uri": "/x" })),
        ("low", json!({ "uri": "/y", "priority": -1 })),
        ("high", json!({ "uri": "/y", "priority": 5 })),
    ]);
    expect(&plan, &[("/x", "b"), ("/y", "high")]);
}

#[test]
fn methods_and_clients_are_conditions() {
    let plan = plan(&[
        ("post", json!({ "uri": "/*", "methods": ["POST", "PURGE"], "priority": 3 })),
        ("near", json!({ "uri": "/*", "remote_addrs": ["10.1.0.0/16", "::1"], "priority": 2 })),
        ("far", json!({ "uri": "/*", "remote_addr": "192.168.0.1", "priority": 1 })),
        ("rest", json!({ "uri": "/*" })),
    ]);
    let mut exchange = request("/");
    for (method, address, expected) in [
        ("POST", "10.1.2.3:1", "post"),
        ("PURGE", "9.9.9.9:1", "post"),
        ("GET", "10.1.2.3:1", "near"),
        ("GET", "[::1]:1", "near"),
        ("GET", "[::ffff:10.1.2.3]:1", "near"),
        ("GET", "192.168.0.1:1", "far"),
        ("GET", "192.168.0.2:1", "rest"),
        ("BREW", "192.168.0.2:1", "rest"),
    ] {
        exchange.method = Method::from_bytes(method.as_bytes()).expect("a method");
        std::rc::Rc::make_mut(&mut exchange.client).remote = address.parse().expect("an address");
        assert_eq!(routed(&plan, &exchange), expected, "{method} from {address}");
    }
}

#[test]
fn every_operator_of_vars_decides() {
    let target = "/x?name=json&n=7&list=a,b";
    for (vars, holds) in [
        (json!([["arg_name", "==", "json"]]), true),
        (json!([["arg_name", "~=", "json"]]), false),
        (json!([["arg_n", ">", 6]]), true),
        (json!([["arg_n", ">=", 8]]), false),
        (json!([["arg_n", "<", 7]]), false),
        (json!([["arg_n", "<=", 7]]), true),
        (json!([["arg_name", "~~", "^js[a-z]+$"]]), true),
        (json!([["arg_name", "~*", "^JSON$"]]), true),
        (json!([["arg_name", "~~", "^JSON$"]]), false),
        (json!([["arg_name", "in", ["xml", "json"]]]), true),
        (json!([["arg_list", "has", "b"]]), true),
        (json!([["remote_addr", "ipmatch", ["10.0.0.0/8"]]]), true),
        (json!([["remote_addr", "ipmatch", ["10.2.0.0/16", "::1"]]]), false),
        (json!([["arg_name", "!", "==", "json"]]), false),
        (json!([["http_x_tenant", "==", "blue"], ["arg_n", "==", 7]]), true),
        (json!(["OR", ["arg_n", "==", 1], ["arg_n", "==", 7]]), true),
        (json!(["AND", ["arg_n", "==", 7], ["arg_name", "==", "xml"]]), false),
        (json!(["!OR", ["arg_n", "==", 1], ["arg_n", "==", 7]]), false),
        (json!([["arg_missing", "==", "x"]]), false),
        (json!([["arg_missing", "~=", "x"]]), true),
    ] {
        let plan = plan(&[("r", json!({ "uri": "/x", "vars": vars }))]);
        assert_eq!(routed(&plan, &request(target)) == "r", holds, "{vars}");
    }
}

#[test]
fn services_give_hosts_and_prefix_and_can_be_switched_off() {
    let service = json!({ "name": "s", "hosts": ["s.test"], "path_prefix": "/api" });
    let mut disabled = service.clone();
    disabled["status"] = json!(0);
    let routes = [
        put("route/inherits", json!({ "paths": ["/a"], "service_id": "s" })),
        put("route/own-host", json!({ "paths": ["/b"], "host": "own.test", "service_id": "s" })),
        put("route/off", json!({ "paths": ["/c"], "service_id": "s", "status": 0 })),
        put("route/alone", json!({ "uri": "/a" })),
    ];
    let mut compiler = compiled(&[&[put("service/s", service)], &routes[..]].concat());
    let cases = [
        ("s.test/api/a", "inherits"),
        ("own.test/api/b", "own-host"),
        ("s.test/api/b", ""),
        ("s.test/api/c", ""),
        ("x.test/api/a", ""),
        ("s.test/a", "alone"),
    ];
    expect(&compiler.plan(), &cases);
    compiler.apply(&[put("service/s", disabled)]).expect("applied");
    expect(&compiler.plan(), &[("s.test/api/a", ""), ("own.test/api/b", ""), ("s.test/a", "alone")]);
}

#[test]
fn a_route_lies_in_two_cache_lines() {
    /// What an `Arc` counts by.
    const COUNTS: usize = 2 * size_of::<usize>();
    assert!(size_of::<super::CompiledRoute>() + COUNTS <= 64, "{}", size_of::<super::CompiledRoute>());
}
