//! `GET /api/gateway_groups`

use api_types::{GatewayGroup, Listing};
use axum::Json;
use axum::extract::State;
use control::Control;
use store::groups::GroupFilter;

use super::shown::shown;
use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{ListParams, ListQuery};

/// The gateway groups the caller may see. `name` is exact, `search` fuzzy; both given, both apply.
#[utoipa::path(get, path = "/api/gateway_groups", tag = "gateway groups", params(ListParams),
    responses((status = OK, body = Listing<GatewayGroup>)))]
pub(crate) async fn list_gateway_groups(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<GatewayGroup>>> {
    let found = control.list_groups(&caller.actor, &filter(query)?).await?;
    Ok(page(found.list.into_iter().map(shown).collect(), found.total))
}

fn filter(query: ListQuery) -> ApiResult<GroupFilter> {
    let (page, order) = (query.page(), query.order()?);
    Ok(GroupFilter { search: query.search, name: query.name, labels: query.labels, page, order })
}
