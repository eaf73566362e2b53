//! `GET /api/permission_policies`

use api_types::{Listing, PermissionPolicy};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{ListParams, ListQuery};

/// The permission policies that the caller may see.
#[utoipa::path(get, path = "/api/permission_policies", tag = "permission policies",
    params(ListParams),
    responses((status = OK, body = Listing<PermissionPolicy>)))]
pub(crate) async fn list_permission_policies(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<PermissionPolicy>>> {
    let found = control.list_policies(&caller.actor, &query.named()?).await?;
    Ok(page(found.list.into_iter().map(super::shown).collect::<ApiResult<_>>()?, found.total))
}
