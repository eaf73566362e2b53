//! What the audit log says of a write, with secrets masked.

use model::change::Body;
use model::{Change, GroupId, Kind, ResourceKey};
use plugin_api::Registry;
use serde_json::{Value, json};
use store::audit::{AuditFilter, AuditRow};
use store::{AuditEntry, Listed, Page};

use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{self, Action, Actor};

const MASK: &str = "***";
/// Changes of one revision that the log shows whole; the change log has the others.
const DETAILED_CHANGES: usize = 100;

/// Fields of resources (outside plugins) that are secret, wherever they stand.
const SECRET_FIELDS: [&str; 3] = ["key", "keys", "client_key"];

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
        match &filter.group {
            Some(group) => drop(iam::authorise(actor, Action::ReadAuditLog, group)?),
            None => iam::authorise_everywhere(actor, Action::ReadAuditLog)?,
        }
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
    match key.kind {
        Kind::PluginMetadata => mask_plugin(registry, key.id.as_str(), &mut value),
        Kind::Ssl => SECRET_FIELDS.iter().for_each(|field| mask_field(&mut value, field)),
        _ => mask_resource(registry, &mut value),
    }
    value
}

fn mask_resource(registry: &Registry, value: &mut Value) {
    for (name, conf) in value.get_mut("plugins").and_then(Value::as_object_mut).into_iter().flatten() {
        mask_plugin(registry, name, conf);
    }
    for pointer in ["/tls/client_key", "/upstream/tls/client_key"] {
        if let Some(secret) = value.pointer_mut(pointer) {
            *secret = MASK.into();
        }
    }
}

fn mask_plugin(registry: &Registry, name: &str, conf: &mut Value) {
    let secret = registry.get(name).map_or(&[][..], |plugin| plugin.secret_fields());
    secret.iter().for_each(|path| mask_path(conf, path));
}

/// `path` names a field, or a field within one: `a.b`.
fn mask_path(value: &mut Value, path: &str) {
    match path.split_once('.') {
        Some((first, rest)) => {
            if let Some(inner) = value.get_mut(first) {
                mask_path(inner, rest);
            }
        }
        None => mask_field(value, path),
    }
}

fn mask_field(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(secret) = fields.get_mut(name) {
                *secret = MASK.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_field(item, name)),
        _ => {}
    }
}
