//! `PUT /api/license`

use api_types::License;
use axum::response::Response;

use crate::auth::Caller;
use crate::envelope::done;
use crate::input::OptionalJsonBody;

/// Accepts a licence and forgets it, so that set-up scripts of API7 run unchanged.
#[utoipa::path(put, path = "/api/license", tag = "product", request_body = License, responses((status = OK)))]
pub(crate) async fn put_license(_caller: Caller, _license: OptionalJsonBody<License>) -> Response {
    done()
}
