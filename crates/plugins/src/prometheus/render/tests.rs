use std::sync::Arc;
use std::time::Duration;

use plugin_api::testing::matched;
use plugin_api::{Exchange, RouteInfo};

use super::*;
use crate::prometheus::Prometheus;
use crate::testing::{self, compile};

/// A finished request of a route; each test has routes of its own, for the series are shared.
fn finished(route: &Arc<RouteInfo>) -> Exchange {
    let mut exchange = testing::exchange("/", &[]);
    exchange.route = matched(route.clone());
    exchange.outcome.upstream_addr = Some("10.0.0.1:80".into());
    exchange.outcome.total = Duration::from_micros(3500);
    exchange.outcome.upstream_latency = Some(Duration::from_micros(1500));
    exchange.outcome.bytes_sent = 100;
    exchange.outcome.bytes_received = 10;
    exchange
}

fn route(id: &str) -> Arc<RouteInfo> {
    Arc::new(RouteInfo { id: id.into(), uri: "/*".into(), ..RouteInfo::default() })
}

fn lines_of(route: &str) -> Vec<String> {
    let text = render(&Gauges::default());
    let label = format!("route=\"{route}\"");
    text.lines().filter(|line| line.contains(&label)).map(str::to_owned).collect()
}

#[test]
fn requests_of_all_threads_are_summed_under_apisix_names() {
    let count = || compile(&Prometheus, "{}").log(&mut finished(&route("threads")));
    count();
    // A thread's counts outlive it.
    std::thread::spawn(count).join().expect("thread");
    let lines = lines_of("threads");
    let has = |line: String| assert!(lines.contains(&line), "{line} in\n{lines:#?}");
    let kind = "request_type=\"traditional_http\",request_llm_model=\"\",llm_model=\"\"";
    let target = format!("route=\"threads\",service=\"\",consumer=\"\",node=\"10.0.0.1\",{kind}");
    let status = format!("code=\"200\",matched_uri=\"/*\",matched_host=\"\",{target},response_source=\"upstream\"");
    has(format!("apisix_http_status{{{status}}} 2"));
    has(format!("apisix_http_latency_bucket{{type=\"request\",{target},le=\"2\"}} 0"));
    has(format!("apisix_http_latency_bucket{{type=\"request\",{target},le=\"5\"}} 2"));
    has(format!("apisix_http_latency_bucket{{type=\"request\",{target},le=\"+Inf\"}} 2"));
    has(format!("apisix_http_latency_sum{{type=\"upstream\",{target}}} 3"));
    has(format!("apisix_http_latency_sum{{type=\"apisix\",{target}}} 4"));
    has(format!("apisix_http_latency_count{{type=\"apisix\",{target}}} 2"));
    has(format!("apisix_bandwidth{{type=\"egress\",{target}}} 200"));
    has(format!("apisix_bandwidth{{type=\"ingress\",{target}}} 20"));
}

#[test]
fn statuses_consumers_and_nodes_tell_series_apart() {
    let plugin = compile(&Prometheus, "{}");
    let route = route("apart");
    for (status, node) in
        [(200, Some("10.0.0.1:80")), (404, Some("10.0.0.1:80")), (200, Some("10.0.0.2:80")), (503, None)]
    {
        for _ in 0..3 {
            let mut exchange = finished(&route);
            exchange.response.status = http::StatusCode::from_u16(status).expect("status");
            exchange.outcome.upstream_addr = node.map(Arc::from);
            exchange.outcome.upstream_latency = node.map(|_| Duration::from_millis(1));
            plugin.log(&mut exchange);
        }
    }
    let lines = lines_of("apart");
    let statuses: Vec<_> = lines.iter().filter(|line| line.starts_with("apisix_http_status")).collect();
    assert_eq!(statuses.len(), 4, "{statuses:#?}");
    assert!(statuses.iter().all(|line| line.ends_with(" 3")));
    let of_upstream = lines.iter().filter(|line| line.contains("type=\"upstream\"") && line.contains("node=\"\""));
    assert_eq!(of_upstream.count(), 0, "no node, no time of an upstream");
}

#[test]
fn a_status_is_counted_apart_by_who_made_it() {
    let plugin = compile(&Prometheus, "{}");
    let route = route("sources");
    for fault in [None, Some("connect")] {
        let mut exchange = finished(&route);
        exchange.response.status = http::StatusCode::BAD_GATEWAY;
        exchange.response.local = fault.is_some();
        exchange.outcome.fault = fault;
        plugin.log(&mut exchange);
    }
    let mut lines = lines_of("sources");
    lines.retain(|line| line.starts_with("apisix_http_status"));
    let told: Vec<_> =
        lines.iter().filter_map(|line| line.split_once("response_source=")).map(|(_, end)| end).collect();
    assert_eq!(told, ["\"nginx\"} 1", "\"upstream\"} 1"]);
}

#[test]
fn a_route_that_was_renamed_is_counted_under_its_new_name() {
    let plugin = compile(&Prometheus, r#"{"prefer_name": true}"#);
    for name in ["before", "after"] {
        let route = RouteInfo { slot: 5, id: "renamed".into(), name: Some(name.into()), ..RouteInfo::default() };
        plugin.log(&mut finished(&Arc::new(route)));
    }
    assert!(!lines_of("before").is_empty() && !lines_of("after").is_empty());
}

#[test]
fn every_metric_has_its_type_and_the_gauges_are_told() {
    let gauges = Gauges {
        upstreams: vec![("/apisix/upstreams/1".into(), "10.0.0.1".into(), 80, false)],
        hostname: "box\"1".into(),
        requests_total: 7,
        connections_accepted: 5,
        connections_handled: 4,
        connections_active: 3,
        requests_now: 1,
        config_revision: Some(42),
        config_reachable: true,
    };
    let text = render(&gauges);
    assert!(text.contains("apisix_upstream_status{name=\"/apisix/upstreams/1\",ip=\"10.0.0.1\",port=\"80\"} 0\n"));
    for line in [
        "apisix_http_requests_total 7",
        "apisix_nginx_http_current_connections{state=\"accepted\"} 5",
        "apisix_nginx_http_current_connections{state=\"handled\"} 4",
        "apisix_nginx_http_current_connections{state=\"waiting\"} 2",
        "apisix_etcd_reachable 1",
        "flotilla_config_revision 42",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
    assert!(text.contains("apisix_node_info{hostname=\"box\\\"1\""));
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    for name in samples.filter_map(|line| line.split(['{', ' ']).next()) {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {family} ")), "{family}");
    }
}
