//! Who does something.

use std::sync::Arc;

use model::GroupId;
use model::policy::Access;
use store::{Credential, RequestContext};

use super::rules::SUPER_ADMIN;

/// An authenticated caller. Only this module's neighbours make one.
#[derive(Debug, Clone)]
pub struct Actor {
    kind: ActorKind,
    access: Arc<Access>,
    narrowed: bool,
    credential: Credential,
    request: RequestContext,
}

/// What sort of caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorKind {
    /// A person, or a program with a person's token.
    User {
        /// Its id.
        id: String,
        /// Its name.
        username: String,
        /// Whether it must choose another password before anything else.
        must_change_password: bool,
    },
    /// A holder of a group's admin key.
    GroupAdminKey {
        /// The one group the key is good for.
        group: GroupId,
    },
    /// An identity provider that provisions users and groups by SCIM.
    Scim,
    /// The control plane itself.
    System,
}

impl Actor {
    pub(super) fn new(kind: ActorKind, access: Arc<Access>) -> Self {
        let (credential, request) = (Credential::default(), RequestContext::default());
        Self { kind, access, narrowed: false, credential, request }
    }

    /// The control plane itself, or the process that embeds it.
    pub fn system() -> Self {
        let request = RequestContext { source: "system".to_owned(), ..RequestContext::default() };
        Self::new(ActorKind::System, Arc::new(Access::everything())).in_request(request)
    }

    /// The same caller, who came by a token that has less than all rights of its user.
    pub(super) fn narrowed(mut self, narrowed: bool) -> Self {
        self.narrowed = narrowed;
        self
    }

    /// Whether the rights are less than all of the user's: then it cannot make itself others.
    pub(super) fn is_narrowed(&self) -> bool {
        self.narrowed
    }

    /// The same caller in the request it came by, for the audit log.
    pub fn in_request(mut self, request: RequestContext) -> Self {
        self.request = request;
        self
    }

    /// The same caller with what it proved itself by, for the audit log.
    pub(crate) fn by(mut self, kind: &str, id: &str, name: &str) -> Self {
        self.credential = Credential { kind: kind.to_owned(), id: id.to_owned(), name: name.to_owned() };
        self
    }

    /// What sort of caller.
    pub fn kind(&self) -> &ActorKind {
        &self.kind
    }

    /// What it may do.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether it may give, take and touch the role Super Admin: it has that role itself, whole, or is the control plane.
    /// To be allowed everything is not enough, for who writes policies can allow itself that.
    pub(super) fn is_super_admin(&self) -> bool {
        self.kind == ActorKind::System || self.access.holds_whole(SUPER_ADMIN)
    }

    /// The one group an admin key is good for.
    pub fn own_group(&self) -> Option<&GroupId> {
        match &self.kind {
            ActorKind::GroupAdminKey { group } => Some(group),
            ActorKind::User { .. } | ActorKind::Scim | ActorKind::System => None,
        }
    }

    /// The id of a user; none for keys.
    pub fn user_id(&self) -> Option<&str> {
        match &self.kind {
            ActorKind::User { id, .. } => Some(id),
            ActorKind::GroupAdminKey { .. } | ActorKind::Scim | ActorKind::System => None,
        }
    }

    /// Whether a password must be chosen before anything else.
    pub fn must_change_password(&self) -> bool {
        matches!(self.kind, ActorKind::User { must_change_password: true, .. })
    }

    /// As in the audit log and as author of revisions: `user:admin`, `admin-key:default`, `scim`, `system`.
    pub fn audit_name(&self) -> String {
        match &self.kind {
            ActorKind::User { username, .. } => format!("user:{username}"),
            ActorKind::GroupAdminKey { group } => format!("admin-key:{group}"),
            ActorKind::Scim => "scim".to_owned(),
            ActorKind::System => "system".to_owned(),
        }
    }

    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    pub(crate) fn request(&self) -> &RequestContext {
        &self.request
    }
}
