use std::sync::Arc;

use model::Change;
use plugin_api::{ConsumerIndex, Phases};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Compiler;
use crate::fixture::{compiled, delete, put, registry, request, routed};
use crate::{Chain, Closed, Plan, References};

fn nodes(port: u16) -> Value {
    json!({ "nodes": { format!("127.0.0.1:{port}"): 1 } })
}

#[test]
fn a_refused_batch_leaves_everything_as_it_was() {
    let mut compiler = compiled(&[
        put("route/r", json!({ "uri": "/r", "upstream": nodes(1) })),
        put("consumer/jack", json!({ "username": "jack", "plugins": { "auth": { "key": "k" } } })),
    ]);
    let (before, digest) = (observe(&compiler.plan()), compiler.state().digest());
    let good = [
        delete("route/r"),
        put("route/new", json!({ "uri": "/a/1" })),
        delete("consumer/jack"),
        put("upstream/u", nodes(2)),
        put("global_rule/g", json!({ "plugins": { "mark": {} } })),
    ];
    for (bad, key, pointer) in [
        (put("route/bad", json!({ "uri": "/", "service_id": "none" })), "route/bad", "/service_id"),
        (put("route/bad", json!({ "uri": "/", "plugin_config_id": "none" })), "route/bad", "/plugin_config_id"),
        (
            put("route/bad", json!({ "uri": "/", "plugins": { "mark": { "fail": "no" } } })),
            "route/bad",
            "/plugins/mark/fail",
        ),
        (
            put("consumer/bad", json!({ "username": "bad", "plugins": { "auth": { "key": "z", "fail": "no" } } })),
            "consumer/bad",
            "/plugins/auth/fail",
        ),
        (put("route/bad", json!({ "uri": "/", "plugins": { "a/b": {} } })), "route/bad", "/plugins/a~1b"),
        (put("global_rule/z", json!({ "plugins": { "nope": {} } })), "global_rule/z", "/plugins/nope"),
        (
            put("route/bad", json!({ "uri": "/", "upstream": { "pass_host": "rewrite" } })),
            "route/bad",
            "/upstream/upstream_host",
        ),
    ] {
        let batch: Vec<Change> = good.iter().cloned().chain([bad]).collect();
        let rejection = compiler.apply(&batch).expect_err("refused");
        assert_eq!((rejection.key.to_string().as_str(), rejection.pointer.as_str()), (key, pointer), "{rejection}");
        assert_eq!(observe(&compiler.plan()), before);
        assert_eq!(compiler.state().digest(), digest);
    }
    compiler.apply(&good).expect("without the bad one it is served");
}

#[test]
fn what_a_plugin_refuses_is_worded_as_its_schema_would() {
    let mut compiler = compiled(&[]);
    let refused = [
        put("route/r", json!({ "uri": "/", "plugins": { "mark": { "fail": "no" } } })),
        put("consumer/c", json!({ "username": "c", "plugins": { "auth": { "key": "z", "fail": "no" } } })),
    ];
    for (change, plugin) in refused.into_iter().zip(["mark", "auth"]) {
        let rejection = compiler.apply(&[change]).expect_err("refused").to_string();
        let words = format!("failed to check the configuration of plugin {plugin} err: no");
        assert!(rejection.ends_with(&words), "{rejection}");
    }
}

#[test]
fn a_credential_is_prepared_once_and_found_so() {
    let auth = json!({ "auth": { "key": "k" } });
    let compiler = compiled(&[put("consumer/jack", json!({ "username": "jack", "plugins": auth }))]);
    let plan = compiler.plan();
    let entry = plan.find("auth", "k").expect("an entry");
    let prepared = entry.prepared.as_ref().and_then(|prepared| prepared.downcast_ref::<Value>());
    assert_eq!(prepared, Some(&json!({ "key": "k" })));
}

/// A compiler as an instance has it, with two variables.
fn on_an_instance(changes: &[Change]) -> Compiler {
    let environment = |name: &str| match name {
        "KEY" => Some("k1".to_owned()),
        "WRONG" => Some("refused".to_owned()),
        _ => None,
    };
    let mut compiler = Compiler::new(registry()).resolving(References::to(environment));
    compiler.apply(changes).expect("served");
    compiler
}

fn consumer(name: &str, credential: Value) -> Change {
    put(&format!("consumer/{name}"), json!({ "username": name, "plugins": { "auth": credential } }))
}

#[test]
fn references_are_resolved_on_instances_alone() {
    let jack = [consumer("jack", json!({ "key": "$env://KEY" }))];
    let found = |compiler: &Compiler, key: &str| compiler.plan().find("auth", key).is_some();
    let (instance, control) = (on_an_instance(&jack), compiled(&jack));
    assert_eq!((found(&instance, "k1"), found(&instance, "$env://KEY")), (true, false));
    assert_eq!((found(&control, "k1"), found(&control, "$env://KEY")), (false, true));
    let unset = on_an_instance(&[consumer("jack", json!({ "key": "$env://NOBODY" }))]);
    assert!(found(&unset, "$env://NOBODY"), "the text itself");
}

#[test]
fn what_a_reference_leads_to_cannot_keep_a_revision_from_being_served() {
    let route = |why: &str| put("route/r", json!({ "uri": "/", "plugins": { "mark": { "why": why } } }));
    let refusing = on_an_instance(&[route("$env://WRONG")]);
    assert_eq!(refusing.plan().route_count(), 1);
    let key = || json!({ "key": "$env://KEY" });
    let mut compiler = on_an_instance(&[consumer("ann", json!({ "key": "k1" })), consumer("jack", key())]);
    let owner = |compiler: &Compiler| {
        compiler.plan().find("auth", "k1").map(|entry| entry.consumer.username.to_string()).unwrap_or_default()
    };
    assert_eq!(owner(&compiler), "ann", "the first one keeps it");
    compiler.apply(&[delete("consumer/jack")]).expect("applied");
    assert_eq!(owner(&compiler), "ann", "and does not lose it with the other");
    let twice = compiler.apply(&[consumer("eve", json!({ "key": "k1" }))]).expect_err("a fault of the configuration");
    assert_eq!(twice.message, "is already used by consumer \"ann\"");
}

#[test]
fn a_plugin_that_is_disabled_hides_that_of_a_weaker_source() {
    let off = json!({ "mark": { "_meta": { "disable": true } } });
    let plan = compiled(&[
        put("service/s", json!({ "name": "s", "plugins": { "mark": {}, "other": {} } })),
        put("plugin_config/p", json!({ "plugins": off })),
        put("route/r", json!({ "uri": "/r", "service_id": "s", "plugin_config_id": "p" })),
        put("route/q", json!({ "uri": "/q", "service_id": "s", "plugins": off })),
        put("route/t", json!({ "uri": "/t", "service_id": "s" })),
        put("consumer/jack", json!({ "username": "jack", "plugins": off })),
    ])
    .plan();
    let jack = plan.consumer("jack").expect("a consumer").chain.clone();
    let running = |chain: &Chain| {
        let entries = chain.entries().iter().filter(|entry| entry.phases.has(Phases::ACCESS));
        entries.map(|entry| entry.name).collect::<Vec<_>>()
    };
    let chain = |path: &str| plan.route(&request(path)).expect("a route").route.chain.clone();
    assert_eq!(running(&chain("a/r")), ["other"], "by the plugin config");
    assert_eq!(running(&chain("a/q")), ["other"], "by the route");
    assert_eq!(running(&chain("a/t")), ["other", "mark"]);
    assert_eq!(running(&chain("a/t").with_consumer(&jack)), ["other"], "by the consumer");
}

fn closed(compiler: &Compiler, target: &str) -> Option<Closed> {
    compiler.plan().route(&request(target)).expect("a route").route.closed
}

#[test]
fn what_is_gone_closes_those_that_refer_to_it_until_it_is_back() {
    let (service, config) = (json!({ "name": "s" }), json!({ "plugins": { "mark": {} } }));
    let mut compiler = compiled(&[
        put("service/s", service.clone()),
        put("plugin_config/p", config.clone()),
        put("route/r", json!({ "uri": "/r", "service_id": "s", "plugin_config_id": "p" })),
        put("route/wide", json!({ "uri": "/*" })),
        put("consumer_group/g", config.clone()),
        put("consumer/jack", json!({ "username": "jack", "group_id": "g", "plugins": { "auth": { "key": "k" } } })),
    ]);
    compiler.apply(&[delete("service/s")]).expect("applied");
    assert_eq!(closed(&compiler, "/r"), Some(Closed::ServiceGone));
    compiler.apply(&[put("service/s", service), delete("plugin_config/p")]).expect("applied");
    assert_eq!(closed(&compiler, "/r"), Some(Closed::Faulty));
    assert_eq!(closed(&compiler, "/other"), None);
    compiler.apply(&[delete("consumer_group/g")]).expect("applied");
    assert!(compiler.plan().find("auth", "k").is_none(), "without its group's limits it is nobody");
    assert_eq!(compiler.faulty().count(), 2);
    compiler.apply(&[put("plugin_config/p", config.clone()), put("consumer_group/g", config)]).expect("applied");
    assert_eq!((closed(&compiler, "/r"), compiler.faulty().count()), (None, 0));
    assert!(compiler.plan().find("auth", "k").is_some());
    compiler.apply(&[delete("service/s"), delete("route/r"), delete("plugin_config/p")]).expect("together they go");
    assert_eq!(compiler.plan().route_count(), 1);
}

#[test]
fn what_was_accepted_before_and_is_faulty_now_fails_closed_and_blocks_nothing_else() {
    let fails = json!({ "mark": { "fail": "since today" } });
    let mut compiler = Compiler::new(registry());
    compiler.load(&[
        put("service/s", json!({ "name": "s", "path_prefix": "/of", "plugins": fails })),
        put("route/of-service", json!({ "paths": ["/s"], "service_id": "s" })),
        put("route/own", json!({ "uri": "/own", "nothing": "known", "plugins": fails })),
        put("route/wide", json!({ "uri": "/*" })),
        put("upstream/u", json!({ "pass_host": "rewrite", "nodes": {} })),
        put("consumer/jack", json!({ "username": "jack", "plugins": { "auth": { "key": "k", "fail": "too" } } })),
    ]);
    assert_eq!(compiler.faulty().count(), 5);
    for target in ["/of/s", "/own"] {
        assert_eq!(closed(&compiler, target), Some(Closed::Faulty), "{target}");
    }
    assert!(compiler.plan().find("auth", "k").is_none());
    compiler
        .apply(&[put("route/new", json!({ "uri": "/new" })), put("plugin_metadata/mark", json!({}))])
        .expect("other");
    assert_eq!(closed(&compiler, "/own"), Some(Closed::Faulty));
    compiler.apply(&[put("route/own", json!({ "uri": "/own", "plugins": fails }))]).expect_err("its own change");
    compiler.apply(&[put("route/own", json!({ "uri": "/own" })), delete("consumer/jack")]).expect("mended");
    compiler.apply(&[put("service/s", json!({ "name": "s", "path_prefix": "/of" }))]).expect("mended");
    assert_eq!((closed(&compiler, "/own"), closed(&compiler, "/of/s")), (None, None));
    assert_eq!(compiler.faulty().map(|fault| fault.key.to_string()).collect::<Vec<_>>(), ["upstream/u"]);
}

#[test]
fn a_global_rule_that_cannot_be_served_closes_everything() {
    let mut compiler = Compiler::new(registry());
    let rule = |why: &str| put("global_rule/g", json!({ "plugins": { "mark": { "fail": why } } }));
    compiler.load(&[rule("since today"), put("global_rule/h", json!({ "plugins": { "other": {} } }))]);
    assert!(compiler.plan().is_closed());
    compiler.apply(&[put("global_rule/h", json!({ "plugins": {} }))]).expect("another rule");
    assert!(compiler.plan().is_closed());
    compiler.apply(&[delete("global_rule/g")]).expect("gone");
    assert!(!compiler.plan().is_closed() && compiler.faulty().next().is_none());
    compiler.apply(&[rule("at once")]).expect_err("a new one is refused");
}

#[test]
fn a_service_s_upstream_changes_without_its_routes() {
    let service = |port| put("service/s", json!({ "name": "s", "upstream": nodes(port) }));
    let mut compiler = compiled(&[service(1), put("route/r", json!({ "uri": "/a/1", "service_id": "s" }))]);
    let (before, exchange) = (compiler.plan(), request("/a/1"));
    compiler.apply(&[service(2)]).expect("applied");
    let after = compiler.plan();
    let route = |plan: &Plan| plan.route(&exchange).expect("a route").route.clone();
    assert!(Arc::ptr_eq(&route(&before), &route(&after)), "the route was not compiled again");
    assert_eq!(observe(&after)[1].1, "127.0.0.1:2");
    assert_eq!(observe(&before)[1].1, "127.0.0.1:1", "a plan does not change");
}

#[test]
fn upstreams_of_one_id_below_two_services_stay_apart() {
    let mut compiler = compiled(&[
        put("service/s1", json!({ "name": "s1" })),
        put("service/s2", json!({ "name": "s2" })),
        put("route/r1", json!({ "uri": "/a/1", "service_id": "s1", "upstream_id": "u" })),
        put("route/r2", json!({ "uri": "/a/2", "service_id": "s2", "upstream_id": "u" })),
    ]);
    let port_of = |compiler: &Compiler, target: &str| {
        let plan = compiler.plan();
        let found = plan.route(&request(target)).expect("a route").route.upstream.clone();
        plan.upstream(&found).map(|upstream| upstream.nodes[0].port)
    };
    assert_eq!(port_of(&compiler, "/a/1"), None, "a reference may come before what it names");
    compiler.apply(&[put("upstream/s1/u", nodes(1)), put("upstream/s2/u", nodes(2))]).expect("served");
    assert_eq!((port_of(&compiler, "/a/1"), port_of(&compiler, "/a/2")), (Some(1), Some(2)));
    compiler.apply(&[delete("upstream/s1/u"), put("upstream/u", nodes(3))]).expect("served");
    assert_eq!((port_of(&compiler, "/a/1"), port_of(&compiler, "/a/2")), (Some(3), Some(2)));
}

#[test]
fn consumers_swap_their_keys_in_one_batch() {
    let consumer = |name: &str, key: &str| {
        put(&format!("consumer/{name}"), json!({ "username": name, "plugins": { "auth": { "key": key } } }))
    };
    let mut compiler = compiled(&[consumer("jack", "one"), consumer("jill", "two")]);
    let rejection = compiler.apply(&[consumer("jack", "two")]).expect_err("two with one key");
    assert_eq!((rejection.key.to_string().as_str(), rejection.pointer.as_str()), ("consumer/jack", "/plugins/auth"));
    compiler.apply(&[consumer("jack", "two"), consumer("jill", "one")]).expect("a swap");
    let plan = compiler.plan();
    let found = |key| plan.find("auth", key).map(|entry| entry.consumer.username.to_string());
    assert_eq!((found("one"), found("two")), (Some("jill".into()), Some("jack".into())));
    compiler.apply(&[delete("consumer/jack")]).expect("applied");
    assert!(compiler.plan().find("auth", "two").is_none());
}

/// What requests see of a plan: route, node, plugins; then consumers and global rules.
fn observe(plan: &Plan) -> Vec<(String, String, String)> {
    let mut seen = Vec::new();
    for target in ["/r", "/a/1", "/a/2", "/b/a/1", "h.test/a/1", "x.h.test/a/2"] {
        let exchange = request(target);
        let found = plan.route(&exchange);
        let upstream = found.as_ref().and_then(|found| plan.upstream(&found.route.upstream));
        let node = upstream.and_then(|upstream| upstream.nodes.first()).map(|node| node.address.to_string());
        let names = |chain: &crate::Chain| chain.entries().iter().map(|entry| entry.name).collect::<Vec<_>>().join(" ");
        let plugins = found.as_ref().map(|found| names(&found.route.chain)).unwrap_or_default();
        seen.push((routed(plan, &exchange), node.unwrap_or_default(), plugins + "|" + &names(plan.global_chain())));
    }
    for key in ["k0", "k1", "k2"] {
        let found = plan.find("auth", key).map(|entry| entry.consumer.username.to_string());
        seen.push((key.into(), found.unwrap_or_default(), String::new()));
    }
    seen
}

fn a_plugin_set() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!({})), Just(json!({ "mark": {} })), Just(json!({ "other": {}, "mark": { "x": 1 } }))]
}

fn a_change() -> impl Strategy<Value = Change> {
    let id = 0..3u8;
    let maybe = |kind: &'static str| proptest::option::of((0..3u8).prop_map(move |id| json!(format!("{kind}{id}"))));
    let route = (id.clone(), 0..3usize, 0..3usize, maybe("s"), maybe("p"), maybe("u"), a_plugin_set(), 0..2i64)
        .prop_map(|(id, path, host, service, config, upstream, plugins, priority)| {
            let mut body =
                json!({ "uri": (["/a/*", "/a/1", "/a/:id"][path]), "plugins": plugins, "priority": priority });
            let hosts = [Value::Null, json!("h.test"), json!("*.h.test")];
            for (field, value) in [
                ("service_id", service),
                ("plugin_config_id", config),
                ("upstream_id", upstream),
                ("host", Some(hosts[host].clone())),
            ] {
                if let Some(value) = value.filter(|value| !value.is_null()) {
                    body[field] = value;
                }
            }
            put(&format!("route/r{id}"), body)
        });
    let service = (id.clone(), any::<bool>(), proptest::option::of(1..5u16), a_plugin_set(), 0..2u8).prop_map(
        |(id, prefixed, port, plugins, status)| {
            let mut body = json!({ "name": "s", "plugins": plugins, "status": status });
            if prefixed {
                body["path_prefix"] = json!("/b");
            }
            if let Some(port) = port {
                body["upstream"] = nodes(port);
            }
            put(&format!("service/s{id}"), body)
        },
    );
    let consumer = (id.clone(), 0..3u8).prop_map(|(id, key)| {
        put(
            &format!("consumer/c{id}"),
            json!({ "username": format!("c{id}"), "plugins": { "auth": { "key": format!("k{key}") } } }),
        )
    });
    let upstream = (id.clone(), 1..5u16).prop_map(|(id, port)| put(&format!("upstream/u{id}"), nodes(port)));
    let config = (id.clone(), a_plugin_set())
        .prop_map(|(id, set)| put(&format!("plugin_config/p{id}"), json!({ "plugins": set })));
    let global = (id.clone(), a_plugin_set())
        .prop_map(|(id, set)| put(&format!("global_rule/g{id}"), json!({ "plugins": set })));
    let metadata = id.clone().prop_map(|n| put("plugin_metadata/mark", json!({ "n": n })));
    let kinds = ["route/r", "service/s", "consumer/c", "upstream/u", "plugin_config/p", "global_rule/g"];
    let gone = (0..kinds.len(), id).prop_map(move |(kind, id)| delete(&format!("{}{id}", kinds[kind])));
    prop_oneof![4 => route, 3 => service, 2 => consumer, 2 => upstream, 1 => config, 1 => global, 1 => metadata, 3 => gone]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// However a state came about, its plan answers as one compiled from nothing; what is refused changes nothing;
    /// plans given out before stay as they were.
    #[test]
    fn incremental_equals_fresh(batches in proptest::collection::vec(proptest::collection::vec(a_change(), 1..6), 1..12)) {
        let mut compiler = Compiler::new(registry());
        let mut given_out = Vec::new();
        for batch in &batches {
            let (before, digest) = (observe(&compiler.plan()), compiler.state().digest());
            if compiler.apply(batch).is_err() {
                prop_assert_eq!(observe(&compiler.plan()), before);
                prop_assert_eq!(compiler.state().digest(), digest);
            }
            let state: Vec<_> = compiler.state().iter().map(|(key, body)| Change::Put(key.clone(), body.clone())).collect();
            let mut fresh = Compiler::new(registry());
            fresh.load(&state);
            let plan = compiler.plan();
            prop_assert_eq!(observe(&plan), observe(&fresh.plan()));
            prop_assert_eq!(plan.route_count(), fresh.plan().route_count());
            given_out.push((observe(&plan), plan));
        }
        for (seen, plan) in &given_out {
            prop_assert_eq!(&observe(plan), seen);
        }
    }
}

/// Run with `--run-ignored all --no-capture`, in release, for figures.
#[test]
#[ignore = "takes seconds and measures; figures are for people"]
fn a_hundred_thousand_routes() {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
    };
    let route = |n: usize, path: &str| {
        put(
            &format!("route/route-{n}"),
            json!({ "name": format!("route {n}"), "paths": [format!("/{path}/{n}/*")], "service_id": format!("service-{}", n % 100) }),
        )
    };
    let services = (0..100).map(|n| {
        put(
            &format!("service/service-{n}"),
            json!({ "name": format!("service {n}"), "upstream": nodes(1000 + n), "plugins": { "mark": {} } }),
        )
    });
    let services: Vec<_> = services.collect();
    let before = resident();
    let started = std::time::Instant::now();
    let mut compiler = compiled(&services);
    for first in (0..100_000).step_by(1000) {
        let batch: Vec<_> = (first..first + 1000).map(|n| route(n, "api")).collect();
        compiler.apply(&batch).expect("applied");
    }
    let mut plan = compiler.plan();
    let whole = started.elapsed();
    let per_route = (resident() - before) / 100_000;
    let started = std::time::Instant::now();
    for n in 0..100 {
        compiler.apply(&[route(n * 997, "changed")]).expect("applied");
        plan = compiler.plan();
    }
    let one = started.elapsed() / 100;
    eprintln!("100,000 routes: {whole:?}, {per_route} bytes a route; one change {one:?}");
    assert_eq!(routed(&plan, &request("/changed/997/x")), "route-997");
    assert!(per_route < 4096, "{per_route} bytes a route");
    assert!(one.as_millis() < 5, "{one:?} a change");
}

/// Source: APISIX, "Terminology: plugin", merging precedence: consumer over consumer group over route.
#[test]
fn a_consumer_takes_on_its_group_s_plugins_and_follows_their_changes() {
    let mut compiler = compiled(&[
        put("consumer_group/gold", json!({ "plugins": { "mark": { "from": "group" }, "other": { "from": "group" } } })),
        put("consumer/jack", json!({ "username": "jack", "group_id": "gold", "plugins": { "mark": {} } })),
        put("consumer/ann", json!({ "username": "ann" })),
    ]);
    let names = |compiler: &Compiler, username: &str| {
        let plan = compiler.plan();
        let consumer = plan.consumer(username).expect("a consumer");
        let names: Vec<_> = consumer.chain.entries().iter().map(|entry| entry.name).collect();
        (names.join(" "), consumer.info.group_id.clone())
    };
    assert_eq!(names(&compiler, "jack"), ("other mark".into(), Some("gold".into())));
    assert_eq!(names(&compiler, "ann"), (String::new(), None));
    compiler.apply(&[put("consumer_group/gold", json!({ "plugins": {} }))]).expect("a change");
    assert_eq!(names(&compiler, "jack").0, "mark");
    let gone = compiler.apply(&[put("consumer/ann", json!({ "username": "ann", "group_id": "none" }))]);
    assert_eq!(gone.expect_err("a missing group").pointer, "/group_id");
}
