//! `GET /api/version`

use api_types::Version;
use axum::Json;

use crate::auth::Caller;

/// Clients switch features by it: from 3.9.10 on they use `configs/validate`, from 3.9.19 on an `ssl` may have several
/// certificates, and times fractions of seconds.
const CONTRACT: &str = "3.9.19";

/// Which version of API7's contract is spoken, and which build of Flotilla answers.
#[utoipa::path(get, path = "/api/version", tag = "product", responses((status = OK, body = Version)))]
pub(crate) async fn get_version(_caller: Caller) -> Json<Version> {
    Json(Version { value: CONTRACT.to_owned(), flotilla: env!("CARGO_PKG_VERSION").to_owned() })
}
