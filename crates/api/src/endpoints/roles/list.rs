//! `GET /api/roles`

use api_types::{Listing, Role};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{ListParams, ListQuery};

/// The roles that the caller may see.
#[utoipa::path(get, path = "/api/roles", tag = "roles",
    params(ListParams),
    responses((status = OK, body = Listing<Role>)))]
pub(crate) async fn list_roles(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<Role>>> {
    let found = control.list_roles(&caller.actor, &query.named()?).await?;
    Ok(page(found.list.into_iter().map(super::shown).collect(), found.total))
}
