//! Operations on their way to become a revision: checked one by one, then together.

use std::collections::{BTreeMap, BTreeSet};

use model::change::Body;
use model::resource::{Service, ServiceType};
use model::{Change, Fault, Faults, GroupState, Kind, ResourceId, ResourceKey};
use plugin_api::Registry;

use super::references::{self, References, Target};
use super::{Operation, check, together};
use crate::error::{ControlError, ItemFault};

/// Who refers to what is to be deleted: so many are named in the error.
const NAMED_REFERRERS: usize = 5;

/// What is wrong with an operation.
#[derive(Debug)]
pub(super) enum Problem {
    Invalid(Fault),
    NotFound,
    InUse(String),
}

/// The group as it would be after the operations.
pub(super) struct Draft<'g> {
    registry: &'g Registry,
    state: &'g GroupState,
    references: &'g References,
    /// What becomes of each touched resource, and by which operation.
    touched: BTreeMap<ResourceKey, (usize, Option<Body>)>,
    /// References of the bodies in `touched`.
    added: References,
    changes: Vec<Change>,
    problems: Vec<(usize, ResourceKey, Problem)>,
    /// What would be there if it were right: its own fault is told, those that refer to it have none.
    refused: BTreeSet<ResourceKey>,
    /// What goes though others refer to it.
    forced: BTreeSet<ResourceKey>,
}

impl<'g> Draft<'g> {
    pub(super) fn new(registry: &'g Registry, state: &'g GroupState, references: &'g References) -> Self {
        Self {
            registry,
            state,
            references,
            touched: BTreeMap::new(),
            added: References::default(),
            changes: Vec::new(),
            problems: Vec::new(),
            refused: BTreeSet::new(),
            forced: BTreeSet::new(),
        }
    }

    /// Takes up operations in order; what is wrong with them is kept for [`Draft::finish`].
    pub(super) fn take(&mut self, operations: &[Operation]) {
        for (index, operation) in operations.iter().enumerate() {
            match operation {
                Operation::Put { key, body } => match check::body(self.registry, key, body) {
                    Ok(body) => self.put(index, key, body),
                    Err(Faults(faults)) => {
                        self.refused.insert(key.clone());
                        faults.into_iter().for_each(|fault| self.invalid(index, key, fault));
                    }
                },
                Operation::Delete { key } if self.contains(key) => self.delete(index, key),
                Operation::ForceDelete { key } if self.contains(key) => self.force_delete(index, key),
                Operation::Delete { key } | Operation::ForceDelete { key } => {
                    self.problem(index, key, Problem::NotFound);
                }
            }
        }
    }

    /// The changes that are left to do, or everything that is wrong. Changes that change nothing are left out.
    pub(super) fn finish(mut self) -> Result<Vec<Change>, Vec<(usize, ResourceKey, Problem)>> {
        self.check_references();
        if self.problems.is_empty() { Ok(self.changes) } else { Err(self.problems) }
    }

    fn put(&mut self, index: usize, key: &ResourceKey, body: Body) {
        let before = self.get(key).cloned();
        self.touch(index, key, Some(body.clone()));
        if before.as_ref() != Some(&body) {
            self.changes.push(Change::Put(key.clone(), body));
        }
    }

    /// What stands below goes first, so that nothing ever refers to what is gone.
    fn delete(&mut self, index: usize, key: &ResourceKey) {
        for below in self.below(key) {
            self.delete(index, &below);
        }
        self.touch(index, key, None);
        self.changes.push(Change::Delete(key.clone()));
    }

    /// What is part of it goes along: a consumer's credentials, a service's further upstreams. Its routes stay.
    fn force_delete(&mut self, index: usize, key: &ResourceKey) {
        let parts = match key.kind {
            Kind::Consumer => self.children(Kind::Credential, &key.id),
            Kind::Service => self.children(Kind::Upstream, &key.id),
            _ => Vec::new(),
        };
        for key in parts.iter().chain([key]) {
            self.touch(index, key, None);
            self.changes.push(Change::Delete(key.clone()));
            self.forced.insert(key.clone());
        }
    }

    fn touch(&mut self, index: usize, key: &ResourceKey, body: Option<Body>) {
        if let Some((_, Some(before))) = self.touched.get(key) {
            self.added.remove(key, before);
        }
        if let Some(body) = &body {
            self.added.add(key, body);
        }
        self.touched.insert(key.clone(), (index, body));
    }

    /// A consumer's credentials; a service's routes, stream routes and further upstreams.
    fn below(&self, key: &ResourceKey) -> Vec<ResourceKey> {
        match key.kind {
            Kind::Consumer => self.children(Kind::Credential, &key.id),
            Kind::Service => {
                let routes = self.referrers(&Target { kind: Kind::Service, id: key.id.clone() });
                routes.into_iter().chain(self.children(Kind::Upstream, &key.id)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn children(&self, kind: Kind, parent: &ResourceId) -> Vec<ResourceKey> {
        let untouched =
            self.state.below(kind, parent).map(|(key, _)| key).filter(|key| !self.touched.contains_key(*key));
        let touched = self
            .touched
            .iter()
            .filter(|(key, (_, body))| key.kind == kind && key.parent.as_ref() == Some(parent) && body.is_some());
        untouched.chain(touched.map(|(key, _)| key)).cloned().collect()
    }

    // References

    fn check_references(&mut self) {
        let touched: Vec<_> =
            self.touched.iter().map(|(key, (index, body))| (key.clone(), *index, body.clone())).collect();
        for (key, index, body) in touched {
            match body {
                Some(body) => self.check_put(index, &key, &body),
                None => self.check_deleted(index, &key),
            }
        }
        for (index, key, fault) in together::faults(self.registry, self.state, &self.touched) {
            self.invalid(index, &key, fault);
        }
    }

    fn check_put(&mut self, index: usize, key: &ResourceKey, body: &Body) {
        for link in references::links(key, body) {
            if let Some(message) = self.wrong_target(key, &link.target) {
                self.invalid(index, key, Fault::new(link.pointer, message));
            }
        }
        self.check_parent(index, key);
        if key.kind == Kind::Upstream {
            self.check_unique_upstream(index, key);
        }
        if key.kind == Kind::Service {
            self.check_kept_routes(index, key, body);
        }
    }

    fn wrong_target(&self, key: &ResourceKey, target: &Target) -> Option<String> {
        if !self.exists(target) {
            return Some(format!("must be the id of an existing {}, {:?} is none", target.kind, target.id.as_str()));
        }
        let carried = carries(key.kind).filter(|_| target.kind == Kind::Service)?;
        let service = self.get(&ResourceKey::new(Kind::Service, target.id.clone()))?;
        (!may_carry(service, carried)).then(|| {
            let wanted = if carried == ServiceType::Http { "http" } else { "stream" };
            format!("must be the id of a service of type {wanted:?}, {:?} is of the other", target.id.as_str())
        })
    }

    fn check_parent(&mut self, index: usize, key: &ResourceKey) {
        let Some(parent) = &key.parent else { return };
        let kind = if key.kind == Kind::Credential { Kind::Consumer } else { Kind::Service };
        let owner = ResourceKey::new(kind, parent.clone());
        if !self.contains(&owner) && !self.refused.contains(&owner) {
            self.invalid(index, key, Fault::new("", format!("{kind} {:?} does not exist", parent.as_str())));
        }
    }

    /// Upstreams are named by id alone, so an id stands for one of them.
    fn check_unique_upstream(&mut self, index: usize, key: &ResourceKey) {
        if let Some(other) = self.upstreams(&key.id).into_iter().find(|other| other != key) {
            self.problem(index, key, Problem::InUse(format!("upstream id {:?} is taken by {other}", key.id.as_str())));
        }
    }

    /// A service that becomes a stream service must have no routes left, and the other way round.
    fn check_kept_routes(&mut self, index: usize, key: &ResourceKey, body: &Body) {
        let routes = self.referrers(&Target { kind: Kind::Service, id: key.id.clone() });
        let is_wrong = |route: &ResourceKey| carries(route.kind).is_some_and(|carried| !may_carry(body, carried));
        if let Some(route) = routes.into_iter().find(is_wrong) {
            self.invalid(index, key, Fault::new("/type", format!("must stay as it is while the service has {route}")));
        }
    }

    fn check_deleted(&mut self, index: usize, key: &ResourceKey) {
        let named = [Kind::Upstream, Kind::PluginConfig, Kind::ConsumerGroup, Kind::Service, Kind::Ssl];
        if !named.contains(&key.kind) || self.forced.contains(key) {
            return;
        }
        let target = Target { kind: key.kind, id: key.id.clone() };
        let referrers = self.referrers(&target);
        if !referrers.is_empty() && !self.exists(&target) {
            let mut names: Vec<String> = referrers.iter().take(NAMED_REFERRERS).map(ToString::to_string).collect();
            if referrers.len() > NAMED_REFERRERS {
                names.push(format!("{} more", referrers.len() - NAMED_REFERRERS));
            }
            self.problem(index, key, Problem::InUse(format!("{key} is still referred to by {}", names.join(", "))));
        }
    }

    // The group as it would be

    fn get(&self, key: &ResourceKey) -> Option<&Body> {
        match self.touched.get(key) {
            Some((_, body)) => body.as_ref(),
            None => self.state.get(key),
        }
    }

    fn contains(&self, key: &ResourceKey) -> bool {
        self.get(key).is_some()
    }

    fn exists(&self, target: &Target) -> bool {
        if self.refused.iter().any(|key| key.kind == target.kind && key.id == target.id) {
            return true;
        }
        match target.kind {
            Kind::Upstream => !self.upstreams(&target.id).is_empty(),
            kind => self.contains(&ResourceKey::new(kind, target.id.clone())),
        }
    }

    fn referrers(&self, target: &Target) -> BTreeSet<ResourceKey> {
        let untouched = self.references.referrers(target).filter(|key| !self.touched.contains_key(*key));
        untouched.chain(self.added.referrers(target)).cloned().collect()
    }

    fn upstreams(&self, id: &ResourceId) -> BTreeSet<ResourceKey> {
        let untouched = self.references.upstreams(id).filter(|key| !self.touched.contains_key(*key));
        untouched.chain(self.added.upstreams(id)).cloned().collect()
    }

    fn invalid(&mut self, index: usize, key: &ResourceKey, fault: Fault) {
        self.problem(index, key, Problem::Invalid(fault));
    }

    fn problem(&mut self, index: usize, key: &ResourceKey, problem: Problem) {
        self.problems.push((index, key.clone(), problem));
    }
}

/// Which type of service a kind of route belongs to.
fn carries(kind: Kind) -> Option<ServiceType> {
    match kind {
        Kind::Route => Some(ServiceType::Http),
        Kind::StreamRoute => Some(ServiceType::Stream),
        _ => None,
    }
}

/// A service of APISIX, which has its upstream by reference, says nothing of a type: stream routes may use it too.
fn may_carry(service: &[u8], carried: ServiceType) -> bool {
    let Ok(service) = serde_json::from_slice::<Service>(service) else { return carried == ServiceType::default() };
    let has_no_type = service.upstream.is_none() && service.upstream_id.is_some();
    service.service_type == carried || (has_no_type && carried == ServiceType::Stream)
}

/// The problems of a write of one resource as its error: absence before conflict before faults.
pub(super) fn single_error(key: &ResourceKey, problems: Vec<(usize, ResourceKey, Problem)>) -> ControlError {
    let mut faults = Vec::new();
    for (_, _, problem) in problems {
        match problem {
            Problem::NotFound => return ControlError::not_found(key),
            Problem::InUse(message) => return ControlError::Conflict(message),
            Problem::Invalid(fault) => faults.push(fault),
        }
    }
    ControlError::Invalid(Faults(faults))
}

/// The problems of a batch, operation by operation.
pub(super) fn item_faults(problems: Vec<(usize, ResourceKey, Problem)>) -> Vec<ItemFault> {
    let mut faults: Vec<ItemFault> = problems.into_iter().map(item_fault).collect();
    faults.sort_by_key(|fault| fault.index);
    faults
}

fn item_fault((index, key, problem): (usize, ResourceKey, Problem)) -> ItemFault {
    let fault = match problem {
        Problem::Invalid(fault) => fault,
        Problem::NotFound => Fault::new("", "does not exist"),
        Problem::InUse(message) => Fault::new("", message),
    };
    ItemFault { index, key, fault }
}
