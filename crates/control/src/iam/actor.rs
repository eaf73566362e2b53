//! Who does something.

use model::GroupId;

/// An authenticated caller. Only this module's neighbours make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    kind: ActorKind,
    source: String,
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
        Self { kind, source: String::new() }
    }

    /// The control plane itself, or the process that embeds it.
    pub fn system() -> Self {
        Self::new(ActorKind::System)
    }

    /// The same caller with the address the request came from, for the audit log.
    pub fn seen_at(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
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

    pub(crate) fn source(&self) -> &str {
        &self.source
    }
}
