//! `POST /api/can_i`

use api_types::{CanI, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use model::policy::Explanation;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Explains a decision: which statement of which policy, through which role, allows or denies it, or what is missing. About
/// others than the caller it takes `iam:GetUser` on them.
#[utoipa::path(post, path = "/api/can_i", tag = "permission policies", request_body = CanI,
    responses((status = OK, body = Valued<serde_json::Value>), (status = BAD_REQUEST, body = api_types::ErrorBody)))]
pub(crate) async fn can_i(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<CanI>,
) -> ApiResult<Json<Valued<Explanation>>> {
    let question = super::question("", &body.action, &body.resource)?;
    let explanation = control.explain(&caller.actor, body.user.as_deref(), &question).await?;
    Ok(value(explanation))
}
