//! `GET /api/schema/core`

use std::sync::LazyLock;

use api_types::Valued;
use axum::Json;
use model::{Kind, schema};
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::envelope::value;

/// Made once: the types do not change while we run.
static SCHEMAS: LazyLock<Value> = LazyLock::new(schemas);

/// JSON Schema of every kind of resource, with the defaults that are stored when a field is left out.
#[utoipa::path(get, path = "/api/schema/core", tag = "schemas", responses((status = OK, body = Valued<Value>)))]
pub(crate) async fn get_core_schema(_caller: Caller) -> Json<Valued<Value>> {
    value(SCHEMAS.clone())
}

fn schemas() -> Value {
    let named = Kind::ALL.into_iter().map(|kind| (name(kind).to_owned(), schema::of(kind)));
    let mut all: Map<String, Value> = named.collect();
    all.insert("stream_service".to_owned(), stream_service());
    Value::Object(all)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Credential => "consumer_credential",
        kind => kind.name(),
    }
}

/// A service that carries stream routes. Its other defaults are those of any service: what is advertised must be what
/// is stored, or clients that compare see a difference after every write.
fn stream_service() -> Value {
    let mut schema = schema::of(Kind::Service);
    let defaults = [("/properties/type/default", "stream"), ("/properties/upstream/properties/scheme/default", "tcp")];
    for (pointer, default) in defaults {
        if let Some(place) = schema.pointer_mut(pointer) {
            *place = default.into();
        }
    }
    schema
}
