//! Parameters of lists of instances.

use utoipa::IntoParams;

/// The parameters as the OpenAPI document tells them; [`super::ListQuery`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct InstanceParams {
    /// Number of the page, from 1. Without `page` and `page_size` the answer holds everything.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// Most entries of a page, from 1.
    #[param(minimum = 1)]
    page_size: Option<u32>,
    /// `created_at` or `last_heartbeat_time`.
    order_by: Option<String>,
    /// `asc` or `desc`.
    direction: Option<String>,
    /// Text that host name, id or address contains.
    search: Option<String>,
    /// `healthy`, `out_of_sync`, `lost_connection` or `offline`.
    status: Option<String>,
}
