use plugin_api::testing::input;
use plugin_api::{Exchange, Flow, Plugin, PluginType, Reply, Verdict};
use serde_json::json;
use testkit::redis::Redis;

use super::*;
use crate::limit_count::LimitCount;
use crate::testing;

const PASSWORD: &str = "a-password-of-tests";

fn compile(redis: &Redis, owner: &str, changes: serde_json::Value) -> Arc<dyn Plugin> {
    let mut conf = json!({
        "count": 2, "time_window": 60, "rejected_code": 429, "policy": "redis",
        "redis_host": "127.0.0.1", "redis_port": redis.port, "redis_password": PASSWORD,
    });
    conf.as_object_mut().expect("fields").extend(changes.as_object().cloned().expect("fields"));
    crate::registry().check("limit-count", &conf).expect("valid");
    LimitCount.compile(&CompileInput { owner, ..input(&conf) }).expect("compiles")
}

async fn ask(plugin: &Arc<dyn Plugin>, exchange: &mut Exchange) -> Option<Reply> {
    let verdict = match plugin.access(exchange) {
        Flow::Done(verdict) => verdict,
        Flow::Wait(waiting) => waiting.await,
    };
    match verdict {
        Verdict::Continue => None,
        Verdict::Reply(reply) => Some(reply),
    }
}

/// Status of the refusal, if any, and what the client is told remains.
async fn hit(plugin: &Arc<dyn Plugin>, headers: &[(&str, &str)]) -> (Option<u16>, Option<String>) {
    let mut exchange = testing::exchange("/", headers);
    let status = ask(plugin, &mut exchange).await.map(|reply| reply.status.as_u16());
    let remaining = exchange.early_headers.iter().find(|(name, _)| name == "x-ratelimit-remaining");
    (status, remaining.and_then(|(_, value)| value.to_str().ok().map(str::to_owned)))
}

/// Asks until a request is let pass.
async fn lets_pass_again(plugin: &Arc<dyn Plugin>, otherwise: &str) {
    let started = Instant::now();
    while hit(plugin, &[]).await.0.is_some() {
        assert!(started.elapsed() < Duration::from_secs(10), "{otherwise}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn told(status: Option<u16>, remaining: &str) -> (Option<u16>, Option<String>) {
    (status, Some(remaining.to_owned()))
}

#[tokio::test]
async fn instances_count_together_and_keys_apart() {
    let redis = Redis::start(PASSWORD).expect("a server");
    for window_type in ["fixed", "sliding"] {
        let conf = json!({ "key": "http_x_tenant", "window_type": window_type });
        // Compiled twice, as two instances do.
        let (one, other) = (compile(&redis, "route/1", conf.clone()), compile(&redis, "route/1", conf.clone()));
        let a = [("x-tenant", "a")];
        assert_eq!(hit(&one, &a).await, told(None, "1"), "{window_type}");
        assert_eq!(hit(&other, &a).await, told(None, "0"));
        assert_eq!(hit(&one, &a).await, told(Some(429), "0"));
        assert_eq!(hit(&one, &[("x-tenant", "b")]).await, told(None, "1"));
        assert_eq!(hit(&one, &[]).await, told(None, "1"), "the address takes an empty key's place");
        let elsewhere = compile(&redis, "route/2", conf);
        assert_eq!(hit(&elsewhere, &a).await, told(None, "1"), "a route counts for itself");
    }
    let grouped = json!({ "group": "together" });
    assert_eq!(hit(&compile(&redis, "route/1", grouped.clone()), &[]).await, told(None, "1"));
    assert_eq!(hit(&compile(&redis, "route/2", grouped), &[]).await, told(None, "0"));
}

#[tokio::test]
async fn a_window_ends() {
    let redis = Redis::start(PASSWORD).expect("a server");
    let plugin = compile(&redis, "route/1", json!({ "count": 1, "time_window": 1 }));
    assert_eq!(hit(&plugin, &[]).await.0, None);
    assert_eq!(hit(&plugin, &[]).await.0, Some(429));
    lets_pass_again(&plugin, "the window does not end").await;
}

#[tokio::test]
async fn without_its_server_it_refuses_or_lets_pass_as_configured_and_comes_back() {
    let mut redis = Redis::start(PASSWORD).expect("a server");
    let strict = compile(&redis, "strict", json!({}));
    let lenient = compile(&redis, "lenient", json!({ "allow_degradation": true }));
    assert_eq!((hit(&strict, &[]).await.0, hit(&lenient, &[]).await.0), (None, None));
    redis.stop().expect("stopped");
    let mut exchange = testing::exchange("/", &[]);
    let reply = ask(&strict, &mut exchange).await.expect("refused");
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status.as_u16(), 500);
    assert_eq!(body, "{\"error_msg\":\"failed to limit count\"}\n", "the reason is for the log");
    for _ in 0..5 {
        assert_eq!(hit(&lenient, &[]).await.0, None);
    }
    redis.start_again().expect("started");
    lets_pass_again(&strict, "it does not come back").await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_counted_does_not_end_the_others() {
    let redis = Redis::start(PASSWORD).expect("a server");
    let mut connection = Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port)).expect("a client");
    let rules = json!([
        { "key": "$http_x_tenant", "count": 1, "time_window": 60 },
        { "key": "$remote_addr", "count": 1, "time_window": 60 },
    ]);
    let conf = |lenient: bool| {
        let mut conf = json!({
            "policy": "redis", "redis_host": "127.0.0.1", "redis_port": redis.port, "redis_password": PASSWORD,
            "rejected_code": 429, "allow_degradation": lenient,
        });
        conf["rules"] = rules.clone();
        conf
    };
    let tenant = [("x-tenant", "a")];
    for (lenient, then) in [(true, Some(429)), (false, Some(500))] {
        let conf = conf(lenient);
        let plugin = LimitCount.compile(&CompileInput { owner: "rules", ..input(&conf) }).expect("compiles");
        assert_eq!(hit(&plugin, &tenant).await.0, None);
        // The counter of the first rule becomes something that cannot be counted.
        let keys: Vec<String> = redis::cmd("KEYS").arg("*:0:*").query(&mut connection).expect("keys");
        assert!(!keys.is_empty());
        for key in keys {
            let mut spoil = redis::pipe();
            spoil.del(&key).hset(&key, "no", "number").pexpire(&key, 60_000);
            spoil.exec(&mut connection).expect("spoiled");
        }
        assert_eq!(hit(&plugin, &tenant).await.0, then, "with allow_degradation the second rule counts on");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    let redis = Redis::start(PASSWORD).expect("a server");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let port = silent.local_addr().expect("an address").port();
    let plugin = compile(&redis, "silent", json!({ "redis_port": port, "redis_timeout": 200 }));
    let started = Instant::now();
    assert_eq!(hit(&plugin, &[]).await.0, Some(500));
    assert!(started.elapsed() < Duration::from_secs(5));
    // Those that follow do not wait for it again.
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(hit(&plugin, &[]).await.0, Some(500));
    }
    assert!(started.elapsed() < Duration::from_millis(200 * 20));
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let redis = Redis::start(PASSWORD).expect("a server");
    let plugin = compile(&redis, "wrong", json!({ "redis_password": "not-the-password" }));
    let reply = ask(&plugin, &mut testing::exchange("/", &[])).await.expect("refused");
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(body.contains("failed to limit count") && !body.contains("not-the-password"), "{body}");
}

#[test]
fn the_host_is_needed() {
    let conf = json!({ "count": 2, "time_window": 60, "policy": "redis" });
    let fault = crate::registry().check("limit-count", &conf).expect_err("a fault");
    assert!(fault.message.ends_with("then clause did not match"), "{}", fault.message);
}
