//! Which rows of the audit log were asked for.

use store::audit::AuditFilter;
use utoipa::IntoParams;

use crate::error::{ApiError, ApiResult};
use crate::input::ListQuery;

/// The filters as the OpenAPI document tells them; [`filter`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct AuditParams {
    /// At or after this moment, in unix seconds.
    start_at: Option<i64>,
    /// Before this moment, in unix seconds.
    end_at: Option<i64>,
    /// Done by this user, by name, or by `admin-key:<group>`, `system`, `anonymous`.
    operator: Option<String>,
    /// This action.
    event_type: Option<String>,
    /// Done to this kind, such as `route`.
    resource_type: Option<String>,
    /// Done to the one with this id.
    resource_id: Option<String>,
    /// Done in this group.
    gateway_group_id: Option<String>,
    /// `ok`, `refused` or `failed`.
    outcome: Option<String>,
    /// Text that operator, action, resource, address, credential, request id, path, user agent or error contain.
    search: Option<String>,
    /// `asc` or `desc` by time; latest first unless said otherwise.
    direction: Option<String>,
}

/// Page of a list of the audit log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct AuditPageParams {
    /// Number of the page, from 1.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// Most rows of a page, from 1 to 1,000; 10 unless said otherwise.
    #[param(minimum = 1, maximum = 1000)]
    page_size: Option<u32>,
}

/// Reads the filters.
pub(super) fn filter(query: &ListQuery) -> ApiResult<AuditFilter> {
    let text = |name| query.other(name).map(str::to_owned);
    Ok(AuditFilter {
        group: query.group()?,
        actor: text("operator"),
        action: text("event_type"),
        resource_kind: text("resource_type"),
        resource_id: text("resource_id"),
        outcome: query.other("outcome").map(str::parse).transpose().map_err(wrong("outcome"))?,
        search: query.search.clone(),
        since: moment(query, "start_at")?,
        until: moment(query, "end_at")?,
    })
}

fn moment(query: &ListQuery, name: &str) -> ApiResult<Option<i64>> {
    let text = query.other(name);
    text.map(str::parse::<i64>).transpose().map_err(|_| wrong(name)("must be a time in unix seconds".to_owned()))
}

fn wrong(name: &str) -> impl Fn(String) -> ApiError + '_ {
    move |why| ApiError::bad_request(format!("parameter {name:?}: {why}"))
}
