//! An instance as answers show it.

use api_types::{Instance, Refusal};

/// The instance in the API's words.
pub(super) fn shown(instance: store::instances::Instance) -> Instance {
    Instance {
        id: instance.id.to_string(),
        gateway_group_id: instance.group.to_string(),
        hostname: instance.hostname,
        ip: instance.address,
        version: instance.version,
        status: instance.status.name().to_owned(),
        applied_revision: instance.applied_revision,
        target_revision: instance.head_revision,
        applied_digest: instance.applied_digest.map(|digest| digest.to_string()),
        refusal: instance.nack.map(refusal),
        counters: instance.counters,
        revoked: instance.revoked_at.is_some(),
        last_heartbeat_time: instance.last_heartbeat,
        certificate_expires_at: instance.certificate_expires_at,
        created_at: instance.created_at,
    }
}

fn refusal(nack: store::instances::Nack) -> Refusal {
    Refusal { revision: nack.revision, object: nack.resource, field: nack.pointer, reason: nack.message }
}
