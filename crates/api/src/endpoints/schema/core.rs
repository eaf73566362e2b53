//! `GET /api/schema/core`

use std::sync::LazyLock;

use api_types::Valued;
use axum::Json;
use model::schema;
use serde_json::Value;

use crate::auth::Caller;
use crate::envelope::value;

/// Made once: the types do not change while we run.
static SCHEMAS: LazyLock<Value> = LazyLock::new(schema::core);

/// JSON Schema of every kind of resource, with the defaults that are stored when a field is left out.
#[utoipa::path(get, path = "/api/schema/core", tag = "schemas", responses((status = OK, body = Valued<Value>)))]
pub(crate) async fn get_core_schema(_caller: Caller) -> Json<Valued<Value>> {
    value(SCHEMAS.clone())
}
