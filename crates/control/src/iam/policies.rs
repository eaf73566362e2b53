//! Permission policies: kept, listed, and checked before they are.

use model::policy::PolicyDocument;
use model::{Fault, Faults, Labels};
use serde_json::Value;
use store::Listed;
pub use store::iam::policies::Policy;
use store::iam::policies::PolicySpec as StoredSpec;

use super::action::Action;
use super::actor::Actor;
use super::object::{Coming, LABELLED, Object, Rows};
use super::roles::NamedFilter;
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::names;

/// What a new policy is given, or what one is to be changed into.
#[derive(Debug, Clone, Default)]
pub struct PolicySpec {
    /// Unique; 1 to 100 characters.
    pub name: String,
    /// What it is for; at most 64 KiB.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
    /// Its document.
    pub document: Value,
}

/// A policy that was saved, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPolicy {
    /// The policy.
    pub policy: Policy,
    /// What of its statements can match nothing there is.
    pub warnings: Vec<String>,
}

const MAX_NAME_CHARACTERS: usize = 100;

impl Control {
    /// Makes a permission policy.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] with every fault of the document, [`ControlError::Conflict`] when the name is taken,
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn create_policy(&self, actor: &Actor, spec: PolicySpec) -> Result<SavedPolicy, ControlError> {
        self.authorise(actor, Action::CreatePermissionPolicy, &Object::Policy(None), Coming::with(&spec.labels))
            .await?;
        let (spec, warnings) = checked(spec)?;
        let id = uuid::Uuid::new_v4().to_string();
        let entry = entry(actor, "CreatePermissionPolicy", &id, &spec);
        let policy = self.within(self.inner.store.policies().create(&id, &spec, &entry.into())).await?;
        Ok(SavedPolicy { policy, warnings })
    }

    /// One permission policy.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_policy(&self, actor: &Actor, id: &str) -> Result<Policy, ControlError> {
        self.authorise(actor, Action::GetPermissionPolicy, &Object::Policy(Some(id.to_owned())), Coming::default())
            .await?;
        self.within(self.inner.store.policies().get(id)).await
    }

    /// The permission policies that meet the filter and that the actor may see.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn list_policies(&self, actor: &Actor, filter: &NamedFilter) -> Result<Listed<Policy>, ControlError> {
        let scope = self.scope(actor, Action::GetPermissionPolicy, &Rows::Policies).await?;
        self.within(self.inner.store.policies().list(filter, &scope)).await
    }

    /// Replaces a permission policy; what it decides changes at once.
    ///
    /// # Errors
    /// As [`Control::create_policy`]; [`ControlError::NotFound`], and [`ControlError::Conflict`] when it came with the
    /// product.
    pub async fn update_policy(&self, actor: &Actor, id: &str, spec: PolicySpec) -> Result<SavedPolicy, ControlError> {
        self.custom_policy(actor, Action::UpdatePermissionPolicy, id).await?;
        let (spec, warnings) = checked(spec)?;
        let entry = entry(actor, "UpdatePermissionPolicy", id, &spec);
        let policy = self.within(self.inner.store.policies().update(id, &spec, &entry.into())).await?;
        Ok(SavedPolicy { policy, warnings })
    }

    /// Removes a permission policy that is attached to nothing.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] while it is attached or when it came with the product, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_policy(&self, actor: &Actor, id: &str) -> Result<(), ControlError> {
        let policy = self.custom_policy(actor, Action::DeletePermissionPolicy, id).await?;
        let entry = audit::entry(actor, "DeletePermissionPolicy").of("permission_policy", id).named(&policy.name);
        self.within(self.inner.store.policies().delete(id, &entry.into())).await
    }

    async fn custom_policy(&self, actor: &Actor, action: Action, id: &str) -> Result<Policy, ControlError> {
        self.authorise(actor, action, &Object::Policy(Some(id.to_owned())), Coming::default()).await?;
        let policy = self.within(self.inner.store.policies().get(id)).await?;
        if policy.built_in {
            let text = format!("permission policy {} came with the product and cannot be changed", policy.name);
            return Err(ControlError::Conflict(text));
        }
        Ok(policy)
    }
}

/// The policy as it is to be stored, with what is odd about it.
fn checked(spec: PolicySpec) -> Result<(StoredSpec, Vec<String>), ControlError> {
    let named = names::check(Some(&spec.name), Some(&spec.description), MAX_NAME_CHARACTERS).err();
    let parsed = PolicyDocument::parse(&spec.document).map_err(|faults| within_pointer("/policy_document", faults));
    let document = match (parsed, named) {
        (Ok(document), None) => document,
        (parsed, named) => {
            let mut faults = named.map(|faults| faults.0).unwrap_or_default();
            faults.extend(parsed.err().map(|faults| faults.0).unwrap_or_default());
            return Err(Faults(faults).into());
        }
    };
    let warnings = document.warnings(&Action::known_names(), &LABELLED);
    let PolicySpec { name, description, labels, .. } = spec;
    Ok((StoredSpec { name, description, labels, document: document.to_value().to_string() }, warnings))
}

/// Faults of a part as faults of the whole that holds it.
pub(super) fn within_pointer(pointer: &str, faults: Faults) -> Faults {
    let moved = faults.0.into_iter().map(|fault| Fault::new(format!("{pointer}{}", fault.pointer), fault.message));
    Faults(moved.collect())
}

fn entry(actor: &Actor, action: &str, id: &str, spec: &StoredSpec) -> audit::Entry {
    audit::entry(actor, action).of("permission_policy", id).named(&spec.name)
}
