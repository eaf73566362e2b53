//! `GET /api/instances`

use api_types::{Instance, Listing};
use axum::Json;
use axum::extract::State;
use control::Control;

use super::filter::filter;
use super::shown::shown;
use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{InstanceParams, ListQuery};

/// The gateway instances of all groups, or of one (`gateway_group_id`).
#[utoipa::path(get, path = "/api/instances", tag = "instances",
    params(InstanceParams, ("gateway_group_id" = Option<String>, Query, description = "Of this group alone")),
    responses((status = OK, body = Listing<Instance>)))]
pub(crate) async fn list_instances(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<Instance>>> {
    let group = query.group()?;
    let found = control.list_instances(&caller.actor, &filter(&query, group)?).await?;
    Ok(page(found.list.into_iter().map(shown).collect(), found.total))
}
