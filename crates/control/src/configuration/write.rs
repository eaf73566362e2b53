//! Writing a group's configuration.

use model::{Fault, Faults, GroupId, GroupState, ResourceKey, Revision};
use plan::Rejection;
use serde_json::Value;
use store::StoreError;
use store::config::{Commit, HeadRow};

use super::draft::{self, Draft};
use super::head::GroupHead;
use super::permission::Way;
use super::{Operation, Written, patch};
use crate::audit;
use crate::control::Control;
use crate::error::{ControlError, ItemFault};
use crate::iam::{Action, Actor, Permit};

/// How often a write begins anew because another replica was faster.
const ATTEMPTS: usize = 8;

/// What is to be written.
#[derive(Clone)]
enum Intent {
    /// One resource made or replaced.
    Put(ResourceKey, Value),
    /// One resource made that must not be there yet.
    Create(ResourceKey, Value),
    /// One resource changed.
    Patch(ResourceKey, Value),
    /// One resource removed.
    Delete(ResourceKey),
    /// Many at once.
    Batch(Vec<Operation>),
}

/// One write on its way.
#[derive(Clone)]
struct Write {
    actor: Actor,
    group: GroupId,
    intent: Intent,
    if_match: Option<Revision>,
}

/// How a write ended.
struct Outcome {
    permit: Permit,
    revision: Revision,
    created: bool,
    changed: bool,
}

impl Control {
    /// Creates or replaces a resource. A put that changes nothing makes no revision.
    ///
    /// `if_match` is the head of the group or the revision of the resource that the caller saw.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Stale`], [`ControlError::Conflict`], [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn put_resource(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: ResourceKey,
        body: Value,
        if_match: Option<Revision>,
    ) -> Result<Written, ControlError> {
        self.write_one(actor, group, key.clone(), Intent::Put(key, body), if_match).await
    }

    /// Creates a resource that must not be there yet.
    ///
    /// # Errors
    /// As [`Control::put_resource`]; [`ControlError::Conflict`] when it is there.
    pub async fn create_resource(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: ResourceKey,
        body: Value,
        if_match: Option<Revision>,
    ) -> Result<Written, ControlError> {
        self.write_one(actor, group, key.clone(), Intent::Create(key, body), if_match).await
    }

    /// Changes a resource: an array is a JSON Patch (RFC 6902), an object is merged (RFC 7396).
    ///
    /// # Errors
    /// As [`Control::put_resource`]; [`ControlError::NotFound`] when it is not there.
    pub async fn patch_resource(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: ResourceKey,
        patch: Value,
        if_match: Option<Revision>,
    ) -> Result<Written, ControlError> {
        self.write_one(actor, group, key.clone(), Intent::Patch(key, patch), if_match).await
    }

    /// Removes a resource and what stands below it: a service's routes, stream routes and upstreams, a consumer's
    /// credentials. Returns the head of the group.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Conflict`] while others refer to it, [`ControlError::Stale`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_resource(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: ResourceKey,
        if_match: Option<Revision>,
    ) -> Result<Revision, ControlError> {
        Ok(self.write(actor, group, Intent::Delete(key), if_match).await?.revision)
    }

    /// Many operations as one revision: all of them, or none. Within a batch, references may point forwards.
    /// Returns the head of the group.
    ///
    /// # Errors
    /// [`ControlError::InvalidItems`] with every fault, [`ControlError::Stale`] when `if_match` is not the head,
    /// [`ControlError::Forbidden`], [`ControlError::NotFound`], [`ControlError::Unavailable`].
    pub async fn batch(
        &self,
        actor: &Actor,
        group: &GroupId,
        operations: Vec<Operation>,
        if_match: Option<Revision>,
    ) -> Result<Revision, ControlError> {
        Ok(self.write(actor, group, Intent::Batch(operations), if_match).await?.revision)
    }

    async fn write_one(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: ResourceKey,
        intent: Intent,
        if_match: Option<Revision>,
    ) -> Result<Written, ControlError> {
        let Outcome { permit, revision, created, changed } = self.write(actor, group, intent, if_match).await?;
        let resource = self.within(self.inner.store.config().get(permit.group(), &key)).await?;
        // Gone again: another write came between.
        let resource = resource.ok_or_else(|| ControlError::not_found(&key))?;
        Ok(Written { revision, created, changed, resource })
    }

    /// The write goes on when its caller goes away: whoever hangs up must not break off between dry run and commit.
    async fn write(
        &self,
        actor: &Actor,
        group: &GroupId,
        intent: Intent,
        if_match: Option<Revision>,
    ) -> Result<Outcome, ControlError> {
        let (control, write) = (self.clone(), Write { actor: actor.clone(), group: group.clone(), intent, if_match });
        let task = self.inner.tasks.spawn(async move { control.write_until_done(&write).await });
        task.await.map_err(ControlError::internal)?
    }

    async fn write_until_done(&self, write: &Write) -> Result<Outcome, ControlError> {
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.try_write(write).await? {
                return Ok(outcome);
            }
        }
        Err(ControlError::Unavailable("other writes to this gateway group were faster each time".to_owned()))
    }

    /// One attempt against the newest head; none when another replica was faster.
    async fn try_write(&self, write: &Write) -> Result<Option<Outcome>, ControlError> {
        let mut held = match self.hold_head(&write.group).await {
            // Whoever may not see the group does not learn that it is not there.
            Err(ControlError::NotFound { .. }) => {
                let permit = self.permit(&write.actor, Action::GetGatewayGroup, &write.group).await?;
                return Err(ControlError::NotFound { what: "gateway group", id: permit.group().to_string() });
            }
            held => held?,
        };
        let outcome = self.write_at(&mut held.head, write).await;
        held.put_back();
        outcome
    }

    async fn write_at(&self, head: &mut GroupHead, write: &Write) -> Result<Option<Outcome>, ControlError> {
        let (way, touched) = (write.intent.way(), write.intent.touches(head.state()));
        let mut permit = self.permit_to_write(&write.actor, &write.group, head.state(), &touched, way).await?;
        let operations = self.operations(&permit, write, head).await?;
        if let Intent::Patch(..) = write.intent {
            // It may become a part of another service.
            permit = self.permit_to_write(&write.actor, &write.group, head.state(), &operations, way).await?;
        }
        let created = operations.first().is_some_and(|operation| !head.state().contains(operation.key()));
        let mut draft = Draft::new(self.inner.registry, head.state(), &head.references);
        draft.take(&operations);
        let changes = draft.finish().map_err(|problems| write.intent.error(problems))?;
        if changes.is_empty() {
            return Ok(Some(Outcome { permit, revision: head.row.revision, created: false, changed: false }));
        }
        let applied = head.apply_apart(changes).await?;
        let undo = applied.outcome.map_err(|rejection| write.intent.rejected(&operations, rejection))?;
        let row = self.next_row(&write.group, head);
        let detail = audit::changes(self.inner.registry, &applied.changes, &undo.before);
        let commit = Commit {
            group: permit.group().clone(),
            parent: head.row.revision,
            changes: applied.changes,
            digest: row.digest,
            signature: row.signature.clone(),
            author: write.actor.audit_name(),
            audit: write.intent.entry(&write.actor, &write.group).detail(detail).into(),
        };
        match self.within_store(self.inner.store.config().commit(commit)).await {
            Ok(revision) => {
                head.row = row;
                Ok(Some(Outcome { permit, revision, created, changed: true }))
            }
            Err(error) => {
                // Whether it took place is unknown when the store was not available: the next write reads what stands.
                head.undo(undo).await?;
                if matches!(error, StoreError::Conflict { .. }) { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    fn next_row(&self, group: &GroupId, head: &GroupHead) -> HeadRow {
        let (revision, digest) = (head.row.revision + 1, head.state().digest());
        HeadRow { revision, digest, signature: self.inner.signer.sign(group, revision, &digest) }
    }

    /// What the intent means at this head.
    async fn operations(
        &self,
        permit: &Permit,
        write: &Write,
        head: &GroupHead,
    ) -> Result<Vec<Operation>, ControlError> {
        self.check_if_match(permit, write, head).await?;
        Ok(match write.intent.clone() {
            Intent::Put(key, body) => vec![Operation::Put { key, body }],
            Intent::Create(key, _) if head.state().contains(&key) => {
                return Err(ControlError::Conflict(format!("{key} exists already")));
            }
            Intent::Create(key, body) => vec![Operation::Put { key, body }],
            Intent::Patch(key, patch) => {
                let body = head.state().get(&key).ok_or_else(|| ControlError::not_found(&key))?;
                let document = serde_json::from_slice(body).map_err(ControlError::internal)?;
                vec![Operation::Put { body: patch::apply(&document, &patch)?, key }]
            }
            Intent::Delete(key) => vec![Operation::Delete { key }],
            Intent::Batch(operations) => operations,
        })
    }

    /// The head is expected, or the revision that last put the resource.
    async fn check_if_match(&self, permit: &Permit, write: &Write, head: &GroupHead) -> Result<(), ControlError> {
        let Some(expected) = write.if_match.filter(|expected| *expected != head.row.revision) else { return Ok(()) };
        let stale = ControlError::Stale { expected, head: head.row.revision };
        let Some(key) = write.intent.key() else { return Err(stale) };
        let stored = self.within(self.inner.store.config().get(permit.group(), key)).await?;
        if stored.is_some_and(|stored| stored.revision == expected) { Ok(()) } else { Err(stale) }
    }
}

impl Intent {
    fn key(&self) -> Option<&ResourceKey> {
        match self {
            Intent::Put(key, _) | Intent::Create(key, _) | Intent::Patch(key, _) | Intent::Delete(key) => Some(key),
            Intent::Batch(_) => None,
        }
    }

    fn way(&self) -> Way {
        match self {
            Intent::Create(..) => Way::Post,
            Intent::Patch(..) => Way::Patch,
            Intent::Put(..) | Intent::Delete(_) | Intent::Batch(_) => Way::Other,
        }
    }

    /// What it is about, for `permission` to judge before anything is looked at more closely.
    fn touches(&self, state: &GroupState) -> Vec<Operation> {
        match self.clone() {
            Intent::Put(key, body) | Intent::Create(key, body) => vec![Operation::Put { key, body }],
            Intent::Patch(key, _) => {
                let body = state.get(&key).and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
                vec![Operation::Put { key, body }]
            }
            Intent::Delete(key) => vec![Operation::Delete { key }],
            Intent::Batch(operations) => operations,
        }
    }

    fn entry(&self, actor: &Actor, group: &GroupId) -> audit::Entry {
        let action = match self {
            Intent::Put(..) => "PutResource",
            Intent::Create(..) => "CreateResource",
            Intent::Patch(..) => "PatchResource",
            Intent::Delete(_) => "DeleteResource",
            Intent::Batch(_) => "ApplyBatch",
        };
        let entry = audit::entry(actor, action).within(group);
        match self.key() {
            Some(key) => entry.of(key.kind.name(), key.id.as_str()),
            None => entry.of("gateway_group", group.as_str()),
        }
    }

    fn error(&self, problems: Vec<(usize, ResourceKey, draft::Problem)>) -> ControlError {
        match self.key() {
            Some(key) => draft::single_error(key, problems),
            None => ControlError::InvalidItems(draft::item_faults(problems)),
        }
    }

    fn rejected(&self, operations: &[Operation], rejection: Rejection) -> ControlError {
        let item = blame(operations, rejection);
        match self {
            Intent::Batch(_) => ControlError::InvalidItems(vec![item]),
            _ => ControlError::Invalid(Faults(vec![item.fault])),
        }
    }
}

/// Which operation the dry run's rejection belongs to: the one on the object at fault, or else on what it consists
/// of (a consumer is compiled with its credentials), or else the first.
pub(super) fn blame(operations: &[Operation], rejection: Rejection) -> ItemFault {
    let own = operations.iter().rposition(|operation| *operation.key() == rejection.key);
    let below = || operations.iter().rposition(|operation| operation.key().parent.as_ref() == Some(&rejection.key.id));
    let index = own.or_else(below).unwrap_or_default();
    let fault = match own {
        Some(_) => Fault::new(rejection.pointer, rejection.message),
        None => Fault::new("", rejection.to_string()),
    };
    let key = operations.get(index).map_or(rejection.key, |operation| operation.key().clone());
    ItemFault { index, key, fault }
}
