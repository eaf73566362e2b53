//! Health as APISIX's control API and metrics show it.
//!
//! Source: <https://apisix.apache.org/docs/apisix/control-api/>

use http::StatusCode;
use serde_json::{Value, json};

use super::book::HealthBook;
use super::watched::{Watched, WatchedNode};
use crate::admin::Answer;
use crate::plan_slot::Plans;

/// `/v1/healthcheck` and `/v1/healthcheck/{routes|services|upstreams}/{id}`; `None` for another path.
pub(crate) fn page(plans: &Plans, path: &str) -> Option<Answer> {
    let rest = path.strip_prefix("/v1/healthcheck")?;
    let (status, body) = match rest.strip_prefix('/') {
        None if rest.is_empty() => (StatusCode::OK, plans.health.all().iter().map(|one| upstream(one)).collect()),
        None => return None,
        Some(rest) => one(&plans.health, rest),
    };
    Some((status, "application/json", format!("{body}\n")))
}

fn one(book: &HealthBook, rest: &str) -> (StatusCode, Value) {
    let error = |status, text: String| (status, json!({ "error_msg": text }));
    let (kind, id) = rest.split_once('/').unwrap_or((rest, ""));
    if id.is_empty() {
        return error(StatusCode::NOT_FOUND, format!("missing src id for src type {kind}"));
    }
    let owner = match kind {
        "routes" => format!("route/{id}"),
        "services" => format!("service/{id}"),
        "upstreams" => format!("upstream/{id}"),
        _ => return error(StatusCode::BAD_REQUEST, format!("invalid src type {kind}")),
    };
    match book.all().iter().find(|watched| *watched.owner == owner) {
        Some(watched) => (StatusCode::OK, upstream(watched)),
        None => error(StatusCode::NOT_FOUND, format!("{kind}[{id}] not found")),
    }
}

fn upstream(watched: &Watched) -> Value {
    let nodes: Vec<_> = watched.nodes.iter().map(|one| node(watched, one)).collect();
    json!({ "name": name(watched), "type": watched.checks.active.check_type, "nodes": nodes })
}

fn node(watched: &Watched, node: &WatchedNode) -> Value {
    let health = node.health.get();
    json!({
        "ip": node.host,
        "port": node.port,
        "hostname": watched.checks.active.host.as_deref().unwrap_or(&node.host),
        "status": health.standing.name(),
        "counter": {
            "success": health.successes,
            "http_failure": health.http_failures,
            "tcp_failure": health.tcp_failures,
            "timeout_failure": health.timeouts,
        },
    })
}

/// `/apisix/upstreams/u1`
fn name(watched: &Watched) -> String {
    match watched.owner.split_once('/') {
        Some((kind, id)) => format!("/apisix/{kind}s/{id}"),
        None => watched.owner.to_string(),
    }
}

/// Name, address, port and whether it serves, of every node watched.
pub(crate) fn statuses(plans: &Plans) -> Vec<(String, String, u16, bool)> {
    let all = plans.health.all();
    let rows = all.iter().flat_map(|watched| {
        let row = |node: &WatchedNode| (name(watched), node.host.to_string(), node.port, node.health.get().serves());
        watched.nodes.iter().map(row).collect::<Vec<_>>()
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use model::{Change, Kind, ResourceId, ResourceKey};

    use super::*;
    use crate::plan_slot::PlanSlot;

    fn shown(plans: &Plans, path: &str) -> (u16, Value) {
        let (status, _, body) = page(plans, path).expect("a page");
        (status.as_u16(), serde_json::from_str(&body).expect("JSON"))
    }

    #[test]
    fn shape_and_errors_are_the_control_api_s() {
        let mut slot = PlanSlot::new(plugins::registry());
        let body = json!({ "nodes": { "10.0.0.1:80": 1 }, "checks": { "active": { "type": "tcp" } } });
        let key = ResourceKey::new(Kind::Upstream, ResourceId::new("u1").expect("an id"));
        slot.apply(&[Change::Put(key, model::json::canonical(&body).into())]).expect("a plan");
        let plans = slot.plans();
        assert_eq!(shown(&plans, "/v1/healthcheck"), (200, json!([])), "nothing used it yet");
        let plan = plans.current.load_full().expect("a plan");
        let upstream = plan.upstream_by_id(None, "u1").expect("the upstream");
        plans.health.watch(upstream).expect("it has checks");
        let counter = json!({ "success": 0, "http_failure": 0, "tcp_failure": 0, "timeout_failure": 0 });
        let node = json!({
            "ip": "10.0.0.1", "port": 80, "hostname": "10.0.0.1", "status": "healthy", "counter": counter,
        });
        let one = json!({ "name": "/apisix/upstreams/u1", "type": "tcp", "nodes": [node] });
        assert_eq!(shown(&plans, "/v1/healthcheck"), (200, json!([one])));
        assert_eq!(shown(&plans, "/v1/healthcheck/upstreams/u1"), (200, one));
        let error = |text: &str| json!({ "error_msg": text });
        assert_eq!(shown(&plans, "/v1/healthcheck/routes/x"), (404, error("routes[x] not found")));
        assert_eq!(shown(&plans, "/v1/healthcheck/routes"), (404, error("missing src id for src type routes")));
        assert_eq!(shown(&plans, "/v1/healthcheck/x/y"), (400, error("invalid src type x")));
        assert!(page(&plans, "/v1/healthchecks").is_none());
    }
}
