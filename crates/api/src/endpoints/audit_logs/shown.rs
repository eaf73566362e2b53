//! A row as answers and streams show it.

use api_types::{AuditCredential, AuditLink, AuditLog, AuditRequest};
use store::audit::{AuditRow, Link};

/// The row in the API's words.
pub(crate) fn shown(row: AuditRow) -> AuditLog {
    let (at, at_ms, entry) = (row.at(), row.at_ms, row.entry);
    let (credential, request) = (entry.credential, entry.request);
    let operator = entry.actor.strip_prefix("user:").unwrap_or(&entry.actor).to_owned();
    AuditLog {
        id: row.id,
        created_at: at,
        created_at_ms: at_ms,
        operator,
        actor: entry.actor,
        operator_id: entry.actor_id,
        token_name: if credential.kind == "token" { credential.name.clone() } else { String::new() },
        credential: AuditCredential { kind: credential.kind, id: credential.id, name: credential.name },
        event_type: entry.action,
        resource_type: entry.resource_kind,
        resource_id: entry.resource_id,
        resource_name: entry.resource_name,
        gateway_group_id: entry.group.map(String::from),
        revision: row.revision,
        ip: request.address,
        source: request.source,
        request: AuditRequest {
            id: request.id,
            method: request.method,
            uri: request.path,
            user_agent: request.user_agent,
        },
        outcome: entry.outcome.name().to_owned(),
        error: entry.error,
        repeats: entry.repeats,
        detail: entry.detail,
        chain: row.link.map(link),
    }
}

fn link(link: Link) -> AuditLink {
    AuditLink {
        scope: link.scope,
        sequence: link.sequence,
        previous_hash: link.previous.to_string(),
        hash: link.hash.to_string(),
    }
}
