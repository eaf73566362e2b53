//! `GET /apisix/admin/plugins/{name}`

use axum::Json;
use axum::extract::State;
use control::Control;
use serde_json::Value;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::input::{ListQuery, PathOf};

/// Which schema of the plugin.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct SchemaParams {
    /// `consumer` for its part in a consumer or credential, `metadata` for its metadata; else its configuration.
    schema_type: Option<String>,
}

/// JSON Schema of a plugin's configuration, defaults included.
#[utoipa::path(get, path = "/apisix/admin/plugins/{name}", tag = "schemas",
    params(("name" = String, Path, description = "Name of the plugin"), SchemaParams), responses((status = OK, body = Value)))]
pub(crate) async fn get_plugin_schema(
    _caller: Caller,
    State(control): State<Control>,
    PathOf(name): PathOf<String>,
    query: ListQuery,
) -> ApiResult<Json<&'static Value>> {
    let plugin = control.plugins().get(&name);
    let plugin = plugin.ok_or_else(|| ApiError::not_found(format!("there is no plugin {name:?}")))?;
    let schema = match query.other("schema_type") {
        None | Some("schema") => Some(plugin.schema()),
        Some("consumer") => plugin.consumer_schema(),
        Some("metadata") => plugin.metadata_schema(),
        Some(other) => {
            let message = format!("parameter \"schema_type\" must be \"consumer\" or \"metadata\", not {other:?}");
            return Err(ApiError::bad_request(message));
        }
    };
    schema.map(Json).ok_or_else(|| ApiError::not_found(format!("plugin {name:?} has no schema of this type")))
}
