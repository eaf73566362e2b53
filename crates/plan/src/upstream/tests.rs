use std::time::Duration;

use serde_json::{Value, json};

use super::{CompiledUpstream, HostHeader, compile};

fn compiled(body: Value) -> CompiledUpstream {
    let upstream = serde_json::from_value(body).expect("an upstream");
    compile(1, "upstream/u", &upstream, &|_| None).unwrap_or_else(|fault| panic!("{fault}"))
}

fn addresses(body: Value) -> Vec<String> {
    compiled(body).nodes.iter().map(|node| node.address.to_string()).collect()
}

#[test]
fn nodes_come_as_map_or_list_with_default_ports() {
    assert_eq!(addresses(json!({ "nodes": { "a.test": 1, "b.test:81": 1 } })), ["a.test:80", "b.test:81"]);
    assert_eq!(addresses(json!({ "scheme": "https", "nodes": { "a.test": 1 } })), ["a.test:443"]);
    assert_eq!(addresses(json!({ "nodes": [{ "host": "::1", "port": 81, "weight": 1 }] })), ["[::1]:81"]);
    assert_eq!(addresses(json!({ "nodes": { "[::1]:81": 1 } })), ["[::1]:81"]);
    assert_eq!(addresses(json!({})), [""; 0]);
}

#[test]
fn weight_0_takes_none_and_the_higher_priority_stands_first() {
    let nodes = json!([
        { "host": "low", "port": 1, "weight": 1, "priority": -1 },
        { "host": "none", "port": 1, "weight": 0, "priority": 9 },
        { "host": "high", "port": 1, "weight": 1, "priority": 5 },
    ]);
    assert_eq!(addresses(json!({ "nodes": nodes })), ["high:1", "low:1"]);
}

#[test]
fn addresses_are_parsed_and_host_headers_leave_a_default_port_out() {
    let upstream = compiled(json!({ "pass_host": "node", "nodes": { "10.0.0.1:80": 1, "[::1]:81": 1 } }));
    let [four, six] = &*upstream.nodes else { panic!("two nodes") };
    assert_eq!((four.host_header.as_bytes(), six.host_header.as_bytes()), (&b"10.0.0.1"[..], &b"[::1]:81"[..]));
    assert_eq!((four.socket, six.socket), ("10.0.0.1:80".parse().ok(), "[::1]:81".parse().ok()));
    assert_eq!(upstream.host_header, HostHeader::Node);
}

#[test]
fn times_and_retries_have_apisix_s_defaults() {
    let upstream = compiled(json!({ "nodes": { "a:1": 1, "b:1": 1, "c:1": 1 } }));
    assert_eq!((upstream.retries, upstream.retry_timeout), (2, None));
    assert_eq!(upstream.timeouts.read, Duration::from_secs(60));
    let set = compiled(
        json!({ "retries": 0, "retry_timeout": 1.5, "timeout": { "connect": 0.5, "send": 1, "read": 1e300 } }),
    );
    assert_eq!((set.retries, set.retry_timeout), (0, Some(Duration::from_millis(1500))));
    assert_eq!(set.timeouts.connect, Duration::from_millis(500));
    assert!(set.timeouts.read >= Duration::from_secs(86_400), "clamped, not overflowed");
}
