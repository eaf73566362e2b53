//! Limits that instances share.

use serde_json::json;
use testkit::redis::Redis;

use crate::support::{Echo, Gateway, get, put, settings};

#[tokio::test]
async fn instances_count_together_in_redis() {
    let redis = Redis::start("of-tests").expect("a server");
    let echo = Echo::start().await;
    let limit = json!({
        "count": 3, "time_window": 600, "rejected_code": 429, "policy": "redis",
        "redis_host": "127.0.0.1", "redis_port": redis.port, "redis_password": "of-tests",
    });
    let route = json!({ "uri": "/*", "plugins": { "limit-count": limit }, "upstream": { "nodes": echo.nodes() } });
    let one = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route.clone())]);
    let other = Gateway::start_with(settings(), plugins::registry(), vec![put("route/r", route)]);
    for (gateway, expected, remaining) in
        [(&one, 200, "2"), (&other, 200, "1"), (&one, 200, "0"), (&other, 429, "0"), (&one, 429, "0")]
    {
        let answer = get(gateway.http, "/").await;
        assert_eq!(answer.status, expected, "{}", answer.text());
        assert_eq!(answer.headers["x-ratelimit-remaining"], remaining);
    }
    one.stop().await;
    other.stop().await;
}
