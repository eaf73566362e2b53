//! `GET /api/audit_logs`

use api_types::{AuditLog, Listing};
use axum::Json;
use axum::extract::State;
use control::Control;
use store::Page;

use super::filter::{AuditPageParams, AuditParams, filter};
use super::shown;
use crate::auth::Caller;
use crate::envelope::page;
use crate::error::ApiResult;
use crate::input::ListQuery;

const DEFAULT_PAGE_SIZE: u32 = 10;
/// A log is long: there is always a page, and it has an end.
const MAX_PAGE_SIZE: u32 = 1000;

/// Who did what to what, latest first.
#[utoipa::path(get, path = "/api/audit_logs", tag = "audit", params(AuditParams, AuditPageParams),
    responses((status = OK, body = Listing<AuditLog>), (status = FORBIDDEN, body = api_types::ErrorBody)))]
pub(crate) async fn list_audit_logs(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Json<Listing<AuditLog>>> {
    let (number, size) = query.window(DEFAULT_PAGE_SIZE);
    let asked = Page::new(number, size.min(MAX_PAGE_SIZE));
    let found = control.audit_log(&caller.actor, &filter(&query)?, query.direction(), Some(asked)).await?;
    Ok(page(found.list.into_iter().map(shown).collect(), found.total))
}
