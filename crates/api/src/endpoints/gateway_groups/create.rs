//! `POST /api/gateway_groups`

use api_types::{GatewayGroup, GatewayGroupSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use super::shown::shown;
use super::spec;
use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Makes a gateway group with an empty configuration.
#[utoipa::path(post, path = "/api/gateway_groups", tag = "gateway groups", request_body = GatewayGroupSpec,
    responses((status = OK, body = Valued<GatewayGroup>), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = CONFLICT, body = api_types::ErrorBody)))]
pub(crate) async fn create_gateway_group(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<GatewayGroupSpec>,
) -> ApiResult<Json<Valued<GatewayGroup>>> {
    let made = control.create_group(&caller.actor, spec::new_group(body)?).await?;
    Ok(value(shown(made)))
}
