//! `GET /api/gateway_groups/{gateway_group_id}/revisions`

use api_types::{Listing, Revision};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::GroupId;
use store::config::RevisionRow;

use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::{ListQuery, PathOf};

/// Each revision is read with all its changes, so there is always a page.
const DEFAULT_SIZE: u32 = 100;

/// The revisions of a group's configuration, newest first: the newest 100 unless a page is asked for.
#[utoipa::path(get, path = "/api/gateway_groups/{gateway_group_id}/revisions", tag = "configuration",
    params(("gateway_group_id" = String, Path),
        ("page" = Option<u32>, Query, description = "Number of the page, from 1"),
        ("page_size" = Option<u32>, Query, description = "Most revisions of a page")),
    responses((status = OK, body = Listing<Revision>)))]
pub(crate) async fn list_revisions(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
    query: ListQuery,
) -> ApiResult<Json<Listing<Revision>>> {
    let (number, size) = query.window(DEFAULT_SIZE);
    let found = control.list_revisions(&caller.actor, &group, number, size).await?;
    Ok(page(found.list.into_iter().map(shown).collect(), found.total))
}

fn shown(row: RevisionRow) -> Revision {
    Revision {
        revision: row.revision,
        digest: row.digest.to_string(),
        author: row.author,
        created_at: row.created_at,
        changes: row.changes.len() as u64,
    }
}
