//! What the audit log says of a write, with secrets masked.

use model::change::Body;
use model::{Change, GroupId, ResourceKey, secrets};
use plugin_api::Registry;
use serde_json::{Value, json};
use store::audit::{AuditFilter, AuditRow};
use store::{AuditEntry, Listed, Page};

use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor, Coming, Object};

pub(crate) const MASK: &str = "***";
/// Changes of one revision that the log shows whole; the change log has the others.
const DETAILED_CHANGES: usize = 100;

/// An entry being written.
pub(crate) struct Entry(AuditEntry);

/// An entry about what `actor` did.
pub(crate) fn entry(actor: &Actor, action: &str) -> Entry {
    Entry(AuditEntry {
        actor: actor.audit_name(),
        action: action.to_owned(),
        source: actor.source().to_owned(),
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

impl Control {
    /// The audit log, newest first.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn audit_log(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        page: Option<Page>,
    ) -> Result<Listed<AuditRow>, ControlError> {
        self.authorise(actor, Action::GetAudit, &Object::Organization, Coming::default()).await?;
        self.within(self.inner.store.audit().list(filter, page)).await
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
