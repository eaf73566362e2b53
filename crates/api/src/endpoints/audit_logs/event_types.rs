//! `GET /api/audit_logs/event_types`

use api_types::Listing;
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::ListQuery;

/// The actions that occur in the audit log, to filter by.
#[utoipa::path(get, path = "/api/audit_logs/event_types", tag = "audit",
    params(("gateway_group_id" = Option<String>, Query, description = "Of this group alone")),
    responses((status = OK, body = Listing<String>), (status = FORBIDDEN, body = api_types::ErrorBody)))]
pub(crate) async fn list_audit_event_types(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<String>>> {
    let group = query.group()?;
    Ok(listing(control.audit_event_types(&caller.actor, group.as_ref()).await?))
}
