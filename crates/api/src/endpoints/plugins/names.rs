//! `GET /apisix/admin/plugins/list`

use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;

/// Names of all plugins, the earliest in a phase first (APISIX's shape: a bare array).
#[utoipa::path(get, path = "/apisix/admin/plugins/list", tag = "schemas", responses((status = OK, body = Vec<String>)))]
pub(crate) async fn list_plugin_names(_caller: Caller, State(control): State<Control>) -> Json<Vec<&'static str>> {
    Json(control.plugins().by_priority().iter().map(|plugin| plugin.name()).collect())
}
