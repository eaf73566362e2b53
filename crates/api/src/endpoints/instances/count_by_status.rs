//! `GET /api/instances/count/status`

use api_types::{StatusCount, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::ListQuery;

/// How many instances have which status; every status is named.
#[utoipa::path(get, path = "/api/instances/count/status", tag = "instances",
    params(("gateway_group_id" = Option<String>, Query, description = "Of this group alone")),
    responses((status = OK, body = Valued<Vec<StatusCount>>)))]
pub(crate) async fn count_instances_by_status(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Valued<Vec<StatusCount>>>> {
    let group = query.group()?;
    let counts = control.count_instances_by_status(&caller.actor, group.as_ref()).await?;
    let shown = counts.into_iter().map(|(status, count)| StatusCount { key: status.name().to_owned(), count });
    Ok(value(shown.collect()))
}
