//! Who does something.

use model::GroupId;
use store::{Credential, RequestContext};

/// An authenticated caller. Only this module's neighbours make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    kind: ActorKind,
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
    },
    /// A holder of a group's admin key.
    GroupAdminKey {
        /// The one group the key is good for.
        group: GroupId,
    },
    /// The control plane itself.
    System,
}

impl Actor {
    pub(super) fn new(kind: ActorKind) -> Self {
        Self { kind, credential: Credential::default(), request: RequestContext::default() }
    }

    /// The control plane itself, or the process that embeds it.
    pub fn system() -> Self {
        let request = RequestContext { source: "system".to_owned(), ..RequestContext::default() };
        Self::new(ActorKind::System).in_request(request)
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

    /// The one group an admin key is good for.
    pub fn own_group(&self) -> Option<&GroupId> {
        match &self.kind {
            ActorKind::GroupAdminKey { group } => Some(group),
            ActorKind::User { .. } | ActorKind::System => None,
        }
    }

    /// The id of a user; none for keys.
    pub fn user_id(&self) -> Option<&str> {
        match &self.kind {
            ActorKind::User { id, .. } => Some(id),
            ActorKind::GroupAdminKey { .. } | ActorKind::System => None,
        }
    }

    /// As in the audit log and as author of revisions: `user:admin`, `admin-key:default`, `system`.
    pub fn audit_name(&self) -> String {
        match &self.kind {
            ActorKind::User { username, .. } => format!("user:{username}"),
            ActorKind::GroupAdminKey { group } => format!("admin-key:{group}"),
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
