//! What each operation on a group's resources takes, by kind of resource.
//!
//! A route, stream route or upstream is a part of its service; what stands without one belongs to the service `*`, as do
//! plugin configurations and protos. A credential is a part of its consumer in name, with actions of its own.

use model::{GroupId, GroupState, Kind, ResourceId, ResourceKey};
use serde_json::Value;
use store::access::{GroupAccess, SystemReason};

use super::Operation;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor, Coming, Needed, Object, Permit, Rows};

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is read.
    Get,
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed.
    Delete,
}

/// How a resource is written, as far as that decides what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is made, with an id that the control plane makes up unless one is given.
    Post,
    /// What is there is changed.
    Patch,
    /// Anything else.
    Other,
}

impl Control {
    /// Whether the actor may read this resource.
    pub(crate) async fn permit_to_read(
        &self,
        actor: &Actor,
        group: &GroupId,
        key: &ResourceKey,
    ) -> Result<Permit, ControlError> {
        let service = match key.kind {
            // Super admins and group keys need not know whose it is.
            Kind::Route | Kind::StreamRoute if !actor.access().is_unlimited() => self.service_of(group, key).await?,
            _ => None,
        };
        let object = object(group, key, service);
        self.permit_on(actor, action(Verb::Get, key.kind), group, &object, Coming::default()).await
    }

    /// Whether the actor may do all of these operations on top of `state`.
    pub(super) async fn permit_to_write(
        &self,
        actor: &Actor,
        group: &GroupId,
        state: &GroupState,
        operations: &[Operation],
        way: Way,
    ) -> Result<Permit, ControlError> {
        let mut all_needed = Vec::new();
        // Whoever may do everything is asked nothing.
        if !actor.access().is_unlimited() {
            all_needed.extend(operations.iter().flat_map(|operation| of_operation(group, state, operation, way)));
        }
        // Each is asked of the database; the routes of one service mostly need the same.
        all_needed.dedup();
        self.permit_all(actor, group, &all_needed).await
    }

    async fn service_of(&self, group: &GroupId, key: &ResourceKey) -> Result<Option<ResourceId>, ControlError> {
        let group = GroupAccess::system(group.clone(), SystemReason::Deciding);
        let stored = self.within(self.inner.store.config().get(&group, key)).await?;
        Ok(stored.and_then(|stored| service_in(&stored.body)))
    }
}

/// What reading a list of these takes, and of which rows.
pub(super) fn of_list(group: &GroupId, kind: Kind) -> (Action, Rows) {
    let rows = match kind {
        Kind::Service | Kind::Route | Kind::StreamRoute | Kind::Upstream | Kind::PluginConfig | Kind::Proto => {
            Rows::Services(group.clone())
        }
        Kind::Consumer | Kind::Credential | Kind::ConsumerGroup => Rows::Consumers(group.clone()),
        Kind::Ssl => Rows::Certificates(group.clone()),
        Kind::GlobalRule | Kind::PluginMetadata | Kind::Secret => Rows::OfGroup(group.clone()),
    };
    (action(Verb::Get, kind), rows)
}

fn of_operation(group: &GroupId, state: &GroupState, operation: &Operation, way: Way) -> Vec<Needed> {
    let key = operation.key();
    let before = state.get(key);
    let (verb, body) = match operation {
        Operation::Delete { .. } | Operation::ForceDelete { .. } => (Verb::Delete, None),
        Operation::Put { body, .. } if before.is_some() || way == Way::Patch => (Verb::Update, Some(body)),
        Operation::Put { body, .. } => (Verb::Create, Some(body)),
    };
    let labels = body.and_then(|body| serde_json::from_value(body.get("labels")?.clone()).ok());
    let or_update = (verb == Verb::Create && way == Way::Other).then(|| action(Verb::Update, key.kind));
    let needed = |object| Needed { action: action(verb, key.kind), object, labels: labels.clone(), or_update };
    if !matches!(key.kind, Kind::Route | Kind::StreamRoute) {
        // An id that the control plane made up says nothing yet.
        let made_up =
            way == Way::Post && matches!(verb, Verb::Create) && matches!(key.kind, Kind::Service | Kind::Consumer);
        return vec![needed(if made_up { unnamed(group, key.kind) } else { object(group, key, None) })];
    }
    // A route that moves from one service to another changes both.
    let mut services = vec![before.and_then(|body| service_in(body)), body.and_then(service_named)];
    services.dedup();
    if before.is_none() || body.is_none() {
        services = vec![services.into_iter().flatten().next()];
    }
    services.into_iter().map(|service| needed(object(group, key, service))).collect()
}

/// What a resource is a part of.
fn object(group: &GroupId, key: &ResourceKey, service: Option<ResourceId>) -> Object {
    let group = group.clone();
    match key.kind {
        Kind::Service => Object::Service(group, Some(key.id.clone())),
        Kind::Route | Kind::StreamRoute => Object::Service(group, service),
        Kind::Upstream => Object::Service(group, key.parent.clone()),
        Kind::PluginConfig | Kind::Proto => Object::Service(group, None),
        Kind::Consumer => Object::Consumer(group, Some(key.id.clone())),
        Kind::Credential => Object::Consumer(group, key.parent.clone()),
        Kind::ConsumerGroup => Object::Consumer(group, None),
        Kind::Ssl => Object::Certificate(group, Some(key.id.clone())),
        Kind::GlobalRule | Kind::PluginMetadata | Kind::Secret => Object::Group(group),
    }
}

fn unnamed(group: &GroupId, kind: Kind) -> Object {
    match kind {
        Kind::Consumer => Object::Consumer(group.clone(), None),
        _ => Object::Service(group.clone(), None),
    }
}

/// The action that this takes.
pub fn action(verb: Verb, kind: Kind) -> Action {
    match kind {
        Kind::Service => match verb {
            Verb::Get => Action::GetPublishedService,
            Verb::Create => Action::CreatePublishedService,
            Verb::Update => Action::UpdatePublishedService,
            Verb::Delete => Action::DeletePublishedService,
        },
        Kind::Route | Kind::StreamRoute | Kind::Upstream | Kind::PluginConfig | Kind::Proto => match verb {
            Verb::Get => Action::GetPublishedService,
            Verb::Create | Verb::Update | Verb::Delete => Action::UpdatePublishedService,
        },
        Kind::Consumer | Kind::ConsumerGroup => match verb {
            Verb::Get => Action::GetConsumer,
            Verb::Create => Action::CreateConsumer,
            Verb::Update => Action::UpdateConsumer,
            Verb::Delete => Action::DeleteConsumer,
        },
        Kind::Credential => match verb {
            Verb::Get => Action::GetConsumerCredential,
            Verb::Create => Action::CreateConsumerCredential,
            Verb::Update => Action::UpdateConsumerCredential,
            Verb::Delete => Action::DeleteConsumerCredential,
        },
        Kind::Ssl => match verb {
            Verb::Get => Action::GetCertificate,
            Verb::Create => Action::CreateCertificate,
            Verb::Update => Action::UpdateCertificate,
            Verb::Delete => Action::DeleteCertificate,
        },
        Kind::GlobalRule => match verb {
            Verb::Get => Action::GetGlobalPluginRule,
            Verb::Create => Action::CreateGlobalPluginRule,
            Verb::Update => Action::UpdateGlobalPluginRule,
            Verb::Delete => Action::DeleteGlobalPluginRule,
        },
        Kind::PluginMetadata => match verb {
            Verb::Get => Action::GetPluginMetadata,
            Verb::Create | Verb::Update => Action::UpdatePluginMetadata,
            Verb::Delete => Action::DeletePluginMetadata,
        },
        Kind::Secret => match verb {
            Verb::Get => Action::GetSecretProvider,
            Verb::Create | Verb::Update => Action::PutSecretProvider,
            Verb::Delete => Action::DeleteSecretProvider,
        },
    }
}

fn service_in(body: &[u8]) -> Option<ResourceId> {
    service_named(&serde_json::from_slice(body).ok()?)
}

fn service_named(body: &Value) -> Option<ResourceId> {
    ResourceId::new(body.get("service_id")?.as_str()?).ok()
}
