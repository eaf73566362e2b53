//! What an actor may do. For now a user may do everything, an admin key everything within its own group.

use model::GroupId;

use super::actor::{Actor, ActorKind};

/// What can be permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See a group, its status and history.
    ReadGatewayGroup,
    /// Make a group.
    CreateGatewayGroup,
    /// Change a group's own fields.
    UpdateGatewayGroup,
    /// Remove a group with all that is in it.
    DeleteGatewayGroup,
    /// Give a group another admin key.
    UpdateGatewayGroupAdminKey,
    /// See a group's configuration.
    ReadConfiguration,
    /// Change a group's configuration.
    WriteConfiguration,
    /// See a group's join tokens.
    ReadJoinTokens,
    /// Make or revoke a group's join tokens.
    WriteJoinTokens,
    /// See a group's instances.
    ReadInstances,
    /// Revoke or remove a group's instances.
    WriteInstances,
    /// See who did what.
    ReadAuditLog,
    /// Take who did what out of the control plane.
    ExportAuditLog,
    /// Decide how long it is kept, and where it is streamed to.
    UpdateAuditLogConfig,
}

impl Action {
    /// Name as in permission policies.
    pub fn name(self) -> &'static str {
        match self {
            Action::ReadGatewayGroup => "ReadGatewayGroup",
            Action::CreateGatewayGroup => "CreateGatewayGroup",
            Action::UpdateGatewayGroup => "UpdateGatewayGroup",
            Action::DeleteGatewayGroup => "DeleteGatewayGroup",
            Action::UpdateGatewayGroupAdminKey => "UpdateGatewayGroupAdminKey",
            Action::ReadConfiguration => "ReadConfiguration",
            Action::WriteConfiguration => "WriteConfiguration",
            Action::ReadJoinTokens => "ReadJoinTokens",
            Action::WriteJoinTokens => "WriteJoinTokens",
            Action::ReadInstances => "ReadInstances",
            Action::WriteInstances => "WriteInstances",
            Action::ReadAuditLog => "ReadAuditLog",
            Action::ExportAuditLog => "ExportAuditLog",
            Action::UpdateAuditLogConfig => "UpdateAuditLogConfig",
        }
    }

    /// Whether a group's admin key is good for it within its group. The group itself is not the key's to change.
    fn is_for_admin_keys(self) -> bool {
        !matches!(
            self,
            Action::CreateGatewayGroup
                | Action::UpdateGatewayGroup
                | Action::DeleteGatewayGroup
                | Action::UpdateGatewayGroupAdminKey
                | Action::ExportAuditLog
                | Action::UpdateAuditLogConfig
        )
    }
}

/// The actor may not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor} is not permitted to {} on {resource}", .action.name())]
pub struct Forbidden {
    /// Who asked.
    pub actor: String,
    /// To do what.
    pub action: Action,
    /// On what: `gateway group default`, `all gateway groups`.
    pub resource: String,
}

/// Proof that an actor may do an action in a group. Only [`authorise`] makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    actor: Actor,
    group: GroupId,
}

impl Permit {
    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// In which group.
    pub fn group(&self) -> &GroupId {
        &self.group
    }
}

/// Whether `actor` may do `action` in `group`.
///
/// # Errors
/// [`Forbidden`], which says what is not permitted.
pub fn authorise(actor: &Actor, action: Action, group: &GroupId) -> Result<Permit, Forbidden> {
    let permitted = match actor.kind() {
        ActorKind::User { .. } | ActorKind::System => true,
        ActorKind::GroupAdminKey { group: own } => own == group && action.is_for_admin_keys(),
    };
    if permitted {
        return Ok(Permit { actor: actor.clone(), group: group.clone() });
    }
    Err(forbidden(actor, action, format!("gateway group {group}")))
}

/// Whether `actor` may do `action` in all groups.
///
/// # Errors
/// [`Forbidden`], which says what is not permitted.
pub fn authorise_everywhere(actor: &Actor, action: Action) -> Result<(), Forbidden> {
    match actor.kind() {
        ActorKind::User { .. } | ActorKind::System => Ok(()),
        ActorKind::GroupAdminKey { .. } => Err(forbidden(actor, action, "all gateway groups".to_owned())),
    }
}

fn forbidden(actor: &Actor, action: Action, resource: String) -> Forbidden {
    Forbidden { actor: actor.audit_name(), action, resource }
}
