//! `GET /api/users`

use api_types::{Listing, User};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::iam::UserFilter;

use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{ListParams, ListQuery};

/// The users that the caller may see, by name. `role` keeps those who have this role.
#[utoipa::path(get, path = "/api/users", tag = "users",
    params(ListParams, ("role" = Option<String>, Query, description = "Users who have this role")),
    responses((status = OK, body = Listing<User>)))]
pub(crate) async fn list_users(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<User>>> {
    let filter = UserFilter {
        search: query.search.clone().or(query.name.clone()),
        role: query.other("role").map(str::to_owned),
        direction: query.direction_or_ascending(),
        page: query.page(),
    };
    let found = control.list_users(&caller.actor, &filter).await?;
    Ok(page(found.list.into_iter().map(super::shown).collect(), found.total))
}
