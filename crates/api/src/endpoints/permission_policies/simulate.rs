//! `POST /api/permission_policies/simulate`

use api_types::{Difference, Simulation, SimulationSpec, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::iam::{self, PolicyChange};

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Tells which decisions would come out differently, and for whom, were a policy saved like this. Nothing is saved.
#[utoipa::path(post, path = "/api/permission_policies/simulate", tag = "permission policies", request_body = SimulationSpec,
    responses((status = OK, body = Valued<Simulation>), (status = BAD_REQUEST, body = api_types::ErrorBody)))]
pub(crate) async fn simulate_policy(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(body): JsonBody<SimulationSpec>,
) -> ApiResult<Json<Valued<Simulation>>> {
    let asked =
        body.questions.iter().enumerate().map(|(index, question)| {
            super::question(&format!("/questions/{index}"), &question.action, &question.resource)
        });
    let questions = asked.collect::<ApiResult<Vec<_>>>()?;
    let change = PolicyChange { policy: body.permission_policy_id, document: body.policy_document, roles: body.roles };
    let simulation = control.simulate_policy(&caller.actor, &change, &questions).await?;
    let differences = simulation.differences.into_iter().map(shown).collect();
    Ok(value(Simulation { differences, users: simulation.users as u64, is_partial: simulation.is_partial }))
}

fn shown(difference: iam::Difference) -> Difference {
    Difference {
        user_id: difference.user_id,
        username: difference.username,
        action: difference.action.name().to_owned(),
        resource: difference.object,
        now: difference.now.allowed,
        then: difference.then.allowed,
        why_now: serde_json::to_value(difference.now).unwrap_or_default(),
        why_then: serde_json::to_value(difference.then).unwrap_or_default(),
    }
}
