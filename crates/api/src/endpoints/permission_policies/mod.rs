//! Permission policies, and what they decide.

pub(crate) mod can_i;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod simulate;
pub(crate) mod update;

use api_types::{PermissionPolicy, PermissionPolicySpec};
use control::iam::{Action, Object, Policy, PolicySpec, Question, SavedPolicy};
use model::Fault;

use crate::error::{ApiError, ApiResult};

/// A policy in the API's words.
pub(crate) fn shown(policy: Policy) -> ApiResult<PermissionPolicy> {
    let policy_document = serde_json::from_str(&policy.document).map_err(|_| ApiError::internal())?;
    Ok(PermissionPolicy {
        id: policy.id,
        name: policy.name,
        desc: policy.description,
        labels: policy.labels,
        policy_type: if policy.built_in { "built_in" } else { "custom" }.to_owned(),
        policy_document,
        created_at: policy.created_at,
        updated_at: policy.updated_at,
    })
}

/// A policy that was saved, with its warnings.
fn saved(saved: SavedPolicy) -> ApiResult<api_types::SavedPolicy> {
    let warning_msg = (!saved.warnings.is_empty()).then(|| saved.warnings.join("; "));
    Ok(api_types::SavedPolicy { value: shown(saved.policy)?, warning_msg })
}

fn spec(body: PermissionPolicySpec) -> PolicySpec {
    PolicySpec { name: body.name, description: body.desc, labels: body.labels, document: body.policy_document }
}

/// What is asked, from an action's name and an ARN; faults stand below `pointer`.
fn question(pointer: &str, action: &str, resource: &str) -> ApiResult<Question> {
    let known = Action::named(action).ok_or_else(|| {
        let names: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
        Fault::new(format!("{pointer}/action"), format!("value must be one of {}", names.join(", ")))
    })?;
    let object = Object::of_arn(resource).ok_or_else(|| {
        let wanted = "value must be the ARN of one resource, such as arn:api7:gateway:gatewaygroup/default";
        Fault::new(format!("{pointer}/resource"), wanted)
    })?;
    Ok(Question { action: known, object })
}
