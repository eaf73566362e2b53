//! `GET /api/license`

use api_types::{License, Valued};
use axum::Json;

use crate::auth::Caller;
use crate::envelope::value;

/// The licence: always empty, for Flotilla needs none.
#[utoipa::path(get, path = "/api/license", tag = "product", responses((status = OK, body = Valued<License>)))]
pub(crate) async fn get_license(_caller: Caller) -> Json<Valued<License>> {
    value(License::default())
}
