//! Which gateway group a request of `/apisix/admin` is about.

use axum::extract::{FromRef, FromRequestParts, Query};
use control::Control;
use http::request::Parts;
use model::GroupId;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};

/// The parameter as the OpenAPI document tells it; [`GroupOfRequest`] reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct GroupParam {
    /// Id of the gateway group; needed unless the key is a group's admin key.
    gateway_group_id: Option<String>,
}

/// Name of the parameter.
const PARAMETER: &str = "gateway_group_id";

/// The caller, and the group: from the admin key, which is good for one alone, or from the parameter `gateway_group_id`.
pub(crate) struct GroupOfRequest {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The group asked for.
    pub(crate) group: GroupId,
}

impl<S: Send + Sync> FromRequestParts<S> for GroupOfRequest
where
    Control: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let group = match (caller.actor.own_group(), parameter(parts)?) {
            (Some(own), None) => own.clone(),
            (_, Some(asked)) => asked,
            (None, None) => {
                let message = format!("parameter {PARAMETER:?} is missing; it must be the id of a gateway group");
                return Err(ApiError::bad_request(message));
            }
        };
        Ok(Self { caller, group })
    }
}

fn parameter(parts: &Parts) -> ApiResult<Option<GroupId>> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let Query(pairs) = pairs.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let asked = pairs.into_iter().find(|(key, value)| key == PARAMETER && !value.is_empty());
    let wrong = |error| ApiError::bad_request(format!("parameter {PARAMETER:?} {error}"));
    asked.map(|(_, value)| GroupId::new(value)).transpose().map_err(wrong)
}
