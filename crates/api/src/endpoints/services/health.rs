//! `GET /api/gateway_groups/{gateway_group_id}/services/{service_id}/healthcheck`

use api_types::{NodeCounter, NodeSeen, ServiceHealth, ServiceNode};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::fleet;
use model::{GroupId, ResourceId};

use crate::auth::Caller;
use crate::error::ApiResult;
use crate::input::{ListQuery, PathOf};

/// How the nodes of a service are, as the instances of the group tell: those of its own upstream and further ones, of the one
/// it names, and of its routes' own. A node is there once a request has asked for its upstream, when that has health checks.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/services/{service_id}/healthcheck", tag = "services",
    params(("gateway_group_id" = String, Path), ("service_id" = String, Path),
        ("upstream_id" = Option<String>, Query, description = "Nodes of this upstream of the service alone")),
    responses((status = OK, body = ServiceHealth), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn get_service_health(
    caller: Caller,
    State(control): State<Control>,
    PathOf((group, service)): PathOf<(GroupId, ResourceId)>,
    query: ListQuery,
) -> ApiResult<Json<ServiceHealth>> {
    let upstream = query.resource("upstream_id")?;
    let found = control.service_health(&caller.actor, &group, &service, upstream.as_ref()).await?;
    let list: Vec<_> = found.nodes.into_iter().map(node).collect();
    Ok(Json(ServiceHealth { total: list.len() as u64, list, left_out: found.leaves_nodes_out }))
}

fn node(node: fleet::ServiceNode) -> ServiceNode {
    let checks: &[&str] = if node.passive { &["active", "passive"] } else { &["active"] };
    ServiceNode {
        resource_type: node.owner.kind.name().to_owned(),
        resource_id: node.owner.id.to_string(),
        host: node.host,
        port: node.port,
        priority: node.priority,
        status: node.status.map_or("unknown", |status| status.name()).to_owned(),
        checks: checks.iter().map(|check| (*check).to_owned()).collect(),
        instances: node.told.into_iter().map(seen).collect(),
    }
}

fn seen(told: fleet::NodeTold) -> NodeSeen {
    let state = told.state;
    NodeSeen {
        id: told.instance.to_string(),
        hostname: told.hostname,
        status: state.status.name().to_owned(),
        counter: NodeCounter {
            success: state.successes,
            http_failure: state.http_failures,
            tcp_failure: state.tcp_failures,
            timeout_failure: state.timeouts,
        },
        told_at: told.told_at,
        current: told.is_current,
    }
}
