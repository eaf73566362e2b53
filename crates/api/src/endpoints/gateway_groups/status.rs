//! `GET /api/gateway_groups/{gateway_group_id}/status`

use std::collections::BTreeMap;

use api_types::{GroupStatus, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;
use store::instances::InstanceStatus;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// Where a group stands: the head of its configuration, and how many instances serve it.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/status", tag = "gateway groups",
    params(("gateway_group_id" = String, Path)), responses((status = OK, body = Valued<GroupStatus>)))]
pub(crate) async fn get_gateway_group_status(
    caller: Caller,
    State(control): State<Control>,
    PathOf(id): PathOf<GroupId>,
) -> ApiResult<Json<Valued<GroupStatus>>> {
    let status = control.group_status(&caller.actor, &id).await?;
    Ok(value(GroupStatus {
        gateway_group_id: status.group.id.to_string(),
        name: status.group.name,
        revision: status.head.revision,
        digest: status.head.digest.to_string(),
        in_sync: sum(&status.instances, &[InstanceStatus::Healthy]),
        behind: sum(&status.instances, &[InstanceStatus::OutOfSync]),
        lost: sum(&status.instances, &[InstanceStatus::LostConnection, InstanceStatus::Offline]),
    }))
}

fn sum(counts: &BTreeMap<InstanceStatus, u64>, of: &[InstanceStatus]) -> u64 {
    of.iter().filter_map(|status| counts.get(status)).sum()
}
