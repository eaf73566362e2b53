//! `GET /api/gateway_groups/{gateway_group_id}/instances/{instance_id}`

use api_types::{Instance, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::{GroupId, InstanceId};

use super::shown::shown;
use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::PathOf;

/// One gateway instance.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/instances/{instance_id}", tag = "instances",
    params(("gateway_group_id" = String, Path), ("instance_id" = String, Path)),
    responses((status = OK, body = Valued<Instance>), (status = NOT_FOUND, body = api_types::ErrorBody)))]
pub(crate) async fn get_instance(
    caller: Caller,
    State(control): State<Control>,
    PathOf((group, instance)): PathOf<(GroupId, InstanceId)>,
) -> ApiResult<Json<Valued<Instance>>> {
    let found = control.get_instance(&caller.actor, &group, &instance).await?;
    Ok(value(shown(found)))
}
