//! A gateway group as answers show it.

use api_types::GatewayGroup;
use model::group::{self, GroupType};

/// The group in the API's words.
pub(super) fn shown(group: group::GatewayGroup) -> GatewayGroup {
    GatewayGroup {
        id: group.id.to_string(),
        short_id: group.short_id,
        name: group.name,
        desc: group.description,
        labels: group.labels,
        group_type: type_name(group.group_type).to_owned(),
        region: group.region,
        variables: group.variables,
        enforce_service_publishing: group.enforce_service_publishing,
        config_version: group.revision,
        created_at: group.created_at,
        updated_at: group.updated_at,
    }
}

fn type_name(group_type: GroupType) -> &'static str {
    match group_type {
        GroupType::Api7Gateway => "api7_gateway",
        GroupType::Api7IngressController => "api7_ingress_controller",
    }
}
