//! A gateway group as requests give it.

use api_types::GatewayGroupSpec;
use control::groups::{GroupPatch, GroupSpec};
use model::Fault;
use model::group::GroupType;

use crate::error::ApiResult;

/// The group to be made; whether it can be is for `control` to say.
pub(super) fn new_group(spec: GatewayGroupSpec) -> ApiResult<GroupSpec> {
    Ok(GroupSpec {
        group_type: group_type(spec.group_type.as_deref())?,
        name: spec.name,
        description: spec.desc,
        labels: spec.labels,
        region: spec.region,
        variables: spec.variables,
        enforce_service_publishing: spec.enforce_service_publishing,
    })
}

/// A patch that leaves nothing as it was, but for the type, which a group keeps.
pub(super) fn replacement(spec: GatewayGroupSpec) -> ApiResult<GroupPatch> {
    group_type(spec.group_type.as_deref())?;
    Ok(GroupPatch {
        name: Some(spec.name),
        description: Some(spec.desc),
        labels: Some(spec.labels),
        region: Some(spec.region),
        variables: Some(spec.variables),
        enforce_service_publishing: Some(spec.enforce_service_publishing),
    })
}

fn group_type(name: Option<&str>) -> ApiResult<GroupType> {
    match name {
        None | Some("api7_gateway") => Ok(GroupType::Api7Gateway),
        Some("api7_ingress_controller") => Ok(GroupType::Api7IngressController),
        Some(_) => Err(Fault::new("/type", "value must be \"api7_gateway\" or \"api7_ingress_controller\"").into()),
    }
}
