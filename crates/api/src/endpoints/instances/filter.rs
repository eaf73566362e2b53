//! Which instances a list was asked for.

use model::GroupId;
use store::instances::{InstanceFilter, InstanceOrder, InstanceStatus};

use crate::error::{ApiError, ApiResult};
use crate::input::ListQuery;

/// Reads `status`, `search`, order and page; the group comes from elsewhere.
pub(super) fn filter(query: &ListQuery, group: Option<GroupId>) -> ApiResult<InstanceFilter> {
    Ok(InstanceFilter {
        group,
        status: query.other("status").map(status).transpose()?,
        search: query.search.clone(),
        order_by: order_by(query.order_by.as_deref())?,
        direction: query.direction(),
        page: query.page(),
    })
}

fn status(text: &str) -> ApiResult<InstanceStatus> {
    // API7 writes OutOfSync where we write out_of_sync.
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let found = InstanceStatus::ALL.into_iter().find(|status| plain(status.name()) == plain(text));
    found.ok_or_else(|| {
        let names = InstanceStatus::ALL.map(InstanceStatus::name).join(", ");
        ApiError::bad_request(format!("parameter \"status\" must be one of {names}, not {text:?}"))
    })
}

fn order_by(text: Option<&str>) -> ApiResult<InstanceOrder> {
    match text {
        None | Some("created_at") => Ok(InstanceOrder::CreatedAt),
        Some("last_heartbeat_time" | "last_heartbeat") => Ok(InstanceOrder::LastHeartbeat),
        Some(other) => {
            let message = format!("parameter \"order_by\" must be created_at or last_heartbeat_time, not {other:?}");
            Err(ApiError::bad_request(message))
        }
    }
}
