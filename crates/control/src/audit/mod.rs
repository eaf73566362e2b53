//! The audit log: what it says of a write (with secrets masked), of refused attempts (`refusals`), how it is read
//! (`read`), how long it is kept and where it is streamed to (`config`, `stream`).

mod config;
mod read;
mod refusals;
mod stream;

use model::change::Body;
use model::{Change, GroupId, ResourceKey, secrets};
use plugin_api::Registry;
use serde_json::{Value, json};
use store::AuditEntry;

use crate::iam::Actor;

pub use config::{AuditConfig, SecretHeader, StreamTarget, Syslog, SyslogTransport, Webhook, WebhookFormat};
pub use read::{AUDIT_PAGE, AuditExport, AuditVerifier};
pub use refusals::Attempt;
pub(crate) use refusals::{Refusals, flush_now_and_then};
pub use store::audit::MASK;

/// Changes of one revision that the log shows whole; the change log has the others.
const DETAILED_CHANGES: usize = 100;

/// An entry being written.
pub(crate) struct Entry(AuditEntry);

/// An entry about what `actor` did.
pub(crate) fn entry(actor: &Actor, action: &str) -> Entry {
    Entry(AuditEntry {
        actor: actor.audit_name(),
        actor_id: actor.user_id().unwrap_or_default().to_owned(),
        credential: actor.credential().clone(),
        request: actor.request().clone(),
        action: action.to_owned(),
        ..AuditEntry::default()
    })
}

impl Entry {
    /// To what it was done.
    pub(crate) fn of(mut self, kind: &str, id: &str) -> Self {
        kind.clone_into(&mut self.0.resource_kind);
        id.clone_into(&mut self.0.resource_id);
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.resource_name);
        self
    }

    pub(crate) fn within(mut self, group: &GroupId) -> Self {
        self.0.group = Some(group.clone());
        self
    }

    pub(crate) fn detail(mut self, detail: Value) -> Self {
        self.0.detail = detail;
        self
    }
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        entry.0
    }
}

/// The changes of one revision with what stood before each.
pub(crate) fn changes(registry: &Registry, changes: &[Change], before: &[Option<Body>]) -> Value {
    let shown = changes.iter().zip(before).take(DETAILED_CHANGES).map(|(change, before)| {
        let key = change.key();
        let after = match change {
            Change::Put(_, body) => Some(body),
            Change::Delete(_) => None,
        };
        let show = |body: Option<&Body>| body.map_or(Value::Null, |body| masked(registry, key, body));
        json!({ "resource": key.to_string(), "before": show(before.as_ref()), "after": show(after) })
    });
    json!({ "changes": shown.collect::<Vec<_>>(), "total": changes.len() })
}

/// A resource's body without its secrets.
fn masked(registry: &Registry, key: &ResourceKey, body: &[u8]) -> Value {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Value::Null };
    let fields_of = |plugin: &str| registry.get(plugin).map_or(&[][..], |plugin| plugin.secret_fields());
    for pointer in secrets::pointers(key, &value, &fields_of) {
        if let Some(secret) = value.pointer_mut(&pointer) {
            *secret = MASK.into();
        }
    }
    value
}
