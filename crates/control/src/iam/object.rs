//! What an action is done to: its ARNs, and the labels that policies' conditions look at.

use model::policy::{ConditionKey, ListTarget, RowArn, Scope, Target, arn};
use model::{GroupId, Kind, Labels, ResourceId, ResourceKey};

use super::action::Action;
use super::actor::Actor;
use crate::control::Control;
use crate::error::ControlError;

/// The condition keys whose labels something carries: no others are ever in [`Facts`].
pub(super) const LABELLED: [ConditionKey; 7] = [
    ConditionKey::GatewayGroupLabel,
    ConditionKey::ServiceLabel,
    ConditionKey::ConsumerLabel,
    ConditionKey::CertificateLabel,
    ConditionKey::UserLabel,
    ConditionKey::RoleLabel,
    ConditionKey::PermissionPolicyLabel,
];

/// One thing that an action is done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A gateway group, or what belongs to it as a whole: instances, certificates, global rules.
    Group(GroupId),
    /// Gateway groups at large: the one to be made.
    NewGroup,
    /// A service with its routes and upstreams; `None`: one to be made, or what stands without a service.
    Service(GroupId, Option<ResourceId>),
    /// A consumer with its credentials; `None`: one to be made.
    Consumer(GroupId, Option<ResourceId>),
    /// A certificate; policies know it by its group. `None`: one to be made.
    Certificate(GroupId, Option<ResourceId>),
    /// A user; `None`: one to be made.
    User(Option<String>),
    /// A role; `None`: one to be made.
    Role(Option<String>),
    /// A permission policy; `None`: one to be made.
    Policy(Option<String>),
    /// The organization: audit log, licence, login options.
    Organization,
}

/// Rows of a list that an actor may see some of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Gateway groups, or rows that belong to one each.
    Groups,
    /// What belongs to one service each, in one group.
    Services(GroupId),
    /// What belongs to one consumer each, in one group.
    Consumers(GroupId),
    /// Certificates of one group.
    Certificates(GroupId),
    /// What of one group policies know by the group alone.
    OfGroup(GroupId),
    /// Users.
    Users,
    /// Roles.
    Roles,
    /// Permission policies.
    Policies,
}

impl Object {
    /// In words: `gateway group default`.
    pub fn describe(&self) -> String {
        let new = |what: &str, id: Option<&str>| match id {
            Some(id) => format!("{what} {id}"),
            None => format!("any {what}"),
        };
        match self {
            Object::Group(group) | Object::Certificate(group, _) => format!("gateway group {group}"),
            Object::NewGroup => "gateway groups".to_owned(),
            Object::Service(group, id) => {
                format!("{} of gateway group {group}", new("service", id.as_ref().map(ResourceId::as_str)))
            }
            Object::Consumer(group, id) => {
                format!("{} of gateway group {group}", new("consumer", id.as_ref().map(ResourceId::as_str)))
            }
            Object::User(id) => new("user", id.as_deref()),
            Object::Role(id) => new("role", id.as_deref()),
            Object::Policy(id) => new("permission policy", id.as_deref()),
            Object::Organization => "the organization".to_owned(),
        }
    }

    /// The ARNs it goes by.
    pub fn arns(&self) -> Vec<String> {
        let id = |id: &Option<ResourceId>| id.as_ref().map_or(arn::ANY, ResourceId::as_str).to_owned();
        match self {
            Object::Group(group) | Object::Certificate(group, _) => vec![arn::gateway_group(group.as_str())],
            Object::NewGroup => vec![arn::gateway_group(arn::ANY)],
            Object::Service(group, service) => vec![arn::published_service(group.as_str(), &id(service))],
            Object::Consumer(group, consumer) => {
                vec![arn::consumer(group.as_str(), &id(consumer)), arn::gateway_group(group.as_str())]
            }
            Object::User(id) => vec![arn::user(id.as_deref().unwrap_or(arn::ANY))],
            Object::Role(id) => vec![arn::role(id.as_deref().unwrap_or(arn::ANY))],
            Object::Policy(id) => vec![arn::permission_policy(id.as_deref().unwrap_or(arn::ANY))],
            Object::Organization => vec![arn::organization()],
        }
    }

    /// The object that an ARN names; none for patterns and for what nothing here is done to.
    pub fn of_arn(text: &str) -> Option<Self> {
        let id = |text: &str| (!text.is_empty() && !text.contains('/')).then(|| text.to_owned());
        let some = |text: &str| if text == arn::ANY { Some(None) } else { id(text).map(Some) };
        if text == arn::organization() {
            return Some(Object::Organization);
        }
        if let Some(rest) = text.strip_prefix(arn::GATEWAY_GROUPS) {
            return Self::in_group(rest);
        }
        let under = |prefix: &str| text.strip_prefix(prefix).and_then(some);
        let user = under(arn::USERS).map(Object::User);
        let role = || under(arn::ROLES).map(Object::Role);
        user.or_else(role).or_else(|| under(arn::PERMISSION_POLICIES).map(Object::Policy))
    }

    /// What stands after `arn:api7:gateway:gatewaygroup/`.
    fn in_group(rest: &str) -> Option<Self> {
        let Some((group, below)) = rest.split_once('/') else {
            return if rest == arn::ANY { Some(Object::NewGroup) } else { GroupId::new(rest).ok().map(Object::Group) };
        };
        let (group, (kind, id)) = (GroupId::new(group).ok()?, below.split_once('/')?);
        let id = if id == arn::ANY { None } else { Some(ResourceId::new(id).ok()?) };
        match kind {
            "publishedservice" => Some(Object::Service(group, id)),
            "consumer" => Some(Object::Consumer(group, id)),
            _ => None,
        }
    }

    fn group(&self) -> Option<&GroupId> {
        match self {
            Object::Group(group)
            | Object::Service(group, _)
            | Object::Consumer(group, _)
            | Object::Certificate(group, _) => Some(group),
            Object::NewGroup | Object::User(_) | Object::Role(_) | Object::Policy(_) | Object::Organization => None,
        }
    }

    /// What shows its own labels; none when it is not there yet or has none of its own.
    fn shown_by(&self) -> Option<Action> {
        match self {
            Object::Service(_, Some(_)) => Some(Action::GetPublishedService),
            Object::Consumer(_, Some(_)) => Some(Action::GetConsumer),
            Object::Certificate(_, Some(_)) => Some(Action::GetCertificate),
            Object::User(Some(_)) => Some(Action::GetUser),
            Object::Role(Some(_)) => Some(Action::GetRole),
            Object::Policy(Some(_)) => Some(Action::GetPermissionPolicy),
            Object::Service(_, None)
            | Object::Consumer(_, None)
            | Object::Certificate(_, None)
            | Object::User(None)
            | Object::Role(None)
            | Object::Policy(None)
            | Object::Group(_)
            | Object::NewGroup
            | Object::Organization => None,
        }
    }

    /// The condition key of its own labels.
    fn label_key(&self) -> Option<ConditionKey> {
        match self {
            Object::NewGroup => Some(ConditionKey::GatewayGroupLabel),
            Object::Service(..) => Some(ConditionKey::ServiceLabel),
            Object::Consumer(..) => Some(ConditionKey::ConsumerLabel),
            Object::Certificate(..) => Some(ConditionKey::CertificateLabel),
            Object::User(_) => Some(ConditionKey::UserLabel),
            Object::Role(_) => Some(ConditionKey::RoleLabel),
            Object::Policy(_) => Some(ConditionKey::PermissionPolicyLabel),
            Object::Group(_) | Object::Organization => None,
        }
    }
}

/// What conditions may ask of an object that is to be made, or as it is to become.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Coming<'a> {
    /// The labels it is to have; they count when it has none yet.
    pub(crate) labels: Option<&'a Labels>,
    /// The boundaries that a user is to have; they count in place of those it has.
    pub(crate) boundaries: Option<&'a [String]>,
}

impl<'a> Coming<'a> {
    /// With these labels.
    pub(crate) fn with(labels: &'a Labels) -> Self {
        Self { labels: Some(labels), boundaries: None }
    }
}

/// An object as policies see it, at this moment: relabelling changes at once who may act.
pub(super) struct Facts {
    arns: Vec<String>,
    labels: Vec<(ConditionKey, Labels)>,
    boundaries: Option<Vec<String>>,
    /// What explanations do not tell of.
    hidden: Vec<ConditionKey>,
}

impl Facts {
    pub(super) fn target(&self) -> Target<'_> {
        let mut arns = self.arns.iter();
        let mut target = Target::new(arns.next().map_or("", String::as_str));
        for arn in arns {
            target = target.also(arn.as_str());
        }
        for (key, labels) in &self.labels {
            target = target.labelled(*key, labels);
        }
        for key in &self.hidden {
            target = target.hiding(*key);
        }
        match &self.boundaries {
            Some(boundaries) => target.bounded_by(boundaries),
            None => target,
        }
    }
}

impl Control {
    pub(super) async fn facts_of(&self, object: &Object, coming: Coming<'_>) -> Result<Facts, ControlError> {
        let mut labels = Vec::new();
        if let Some(group) = object.group() {
            labels.push((ConditionKey::GatewayGroupLabel, self.within(self.inner.store.groups().labels(group)).await?));
        }
        if let Some(key) = object.label_key() {
            let own = self.own_labels(object).await?;
            labels.push((key, own.or_else(|| coming.labels.cloned()).unwrap_or_default()));
        }
        let (arns, boundaries) = (object.arns(), self.boundaries(object, coming).await?);
        Ok(Facts { arns, labels, boundaries, hidden: Vec::new() })
    }

    /// The same for explanations to `asker`: labels and boundaries of what it may not see are decided by and not told.
    pub(super) async fn facts_shown_to(&self, asker: &Actor, object: &Object) -> Result<Facts, ControlError> {
        let mut facts = self.facts_of(object, Coming::default()).await?;
        if asker.access().is_unlimited() {
            return Ok(facts);
        }
        if let Some(group) = object.group() {
            let of_group = self.facts_of(&Object::Group(group.clone()), Coming::default()).await?;
            if !asker.access().allows(Action::GetGatewayGroup.names(), &of_group.target()) {
                facts.hidden.push(ConditionKey::GatewayGroupLabel);
            }
        }
        let is_itself = matches!(object, Object::User(Some(id)) if asker.user_id() == Some(id));
        let sees = |action: Action| is_itself || asker.access().allows(action.names(), &facts.target());
        if let (Some(key), Some(action)) = (object.label_key(), object.shown_by())
            && !sees(action)
        {
            facts.hidden.extend([key, ConditionKey::PermissionBoundaries]);
        }
        Ok(facts)
    }

    async fn own_labels(&self, object: &Object) -> Result<Option<Labels>, ControlError> {
        let store = &self.inner.store;
        match object {
            Object::Service(group, Some(id)) => self.resource_labels(group, Kind::Service, id).await,
            Object::Consumer(group, Some(id)) => self.resource_labels(group, Kind::Consumer, id).await,
            Object::Certificate(group, Some(id)) => self.resource_labels(group, Kind::Ssl, id).await,
            Object::User(Some(id)) => self.within(store.grants().labels("user", id)).await.map(Some),
            Object::Role(Some(id)) => self.within(store.grants().labels("role", id)).await.map(Some),
            Object::Policy(Some(id)) => self.within(store.grants().labels("permission_policy", id)).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn resource_labels(
        &self,
        group: &GroupId,
        kind: Kind,
        id: &ResourceId,
    ) -> Result<Option<Labels>, ControlError> {
        self.within(self.inner.store.config().labels(group, &ResourceKey::new(kind, id.clone()))).await
    }

    async fn boundaries(&self, object: &Object, coming: Coming<'_>) -> Result<Option<Vec<String>>, ControlError> {
        match (object, coming.boundaries) {
            (Object::User(_), Some(boundaries)) => Ok(Some(boundaries.to_vec())),
            (Object::User(Some(id)), None) => self.within(self.inner.store.policies().boundary_ids(id)).await.map(Some),
            (Object::User(None), None) => Ok(Some(Vec::new())),
            _ => Ok(None),
        }
    }

    /// The rows of a list as policies see them, with what is the same for all of them.
    pub(super) async fn scope_of(&self, actor: &Actor, action: Action, rows: &Rows) -> Result<Scope, ControlError> {
        let labels = match rows {
            Rows::Services(group) | Rows::Consumers(group) | Rows::Certificates(group) | Rows::OfGroup(group) => {
                Some(self.within(self.inner.store.groups().labels(group)).await?)
            }
            _ => None,
        };
        let by_id = |prefix: String, key| ListTarget::new().rows(RowArn::new(prefix)).labelled_by_row(key);
        let list = match rows {
            Rows::Groups => by_id(arn::GATEWAY_GROUPS.to_owned(), ConditionKey::GatewayGroupLabel),
            Rows::Services(group) => by_id(arn::published_services(group.as_str()), ConditionKey::ServiceLabel),
            Rows::Consumers(group) => by_id(arn::consumers(group.as_str()), ConditionKey::ConsumerLabel)
                .known(arn::gateway_group(group.as_str())),
            Rows::Certificates(group) => ListTarget::new()
                .known(arn::gateway_group(group.as_str()))
                .labelled_by_row(ConditionKey::CertificateLabel),
            Rows::OfGroup(group) => ListTarget::new().known(arn::gateway_group(group.as_str())),
            Rows::Users => by_id(arn::USERS.to_owned(), ConditionKey::UserLabel)
                .labelled_by_row(ConditionKey::PermissionBoundaries),
            Rows::Roles => by_id(arn::ROLES.to_owned(), ConditionKey::RoleLabel),
            Rows::Policies => by_id(arn::PERMISSION_POLICIES.to_owned(), ConditionKey::PermissionPolicyLabel),
        };
        let list = match &labels {
            Some(labels) => list.labelled(ConditionKey::GatewayGroupLabel, labels),
            None => list,
        };
        Ok(actor.access().scope(action.names(), &list))
    }
}
