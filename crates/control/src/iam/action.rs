//! What can be permitted: API7's action names, and ours in the same style.

macro_rules! actions {
    ($($(#[$about:meta])* $action:ident = [$($name:literal),+];)+) => {
        /// An action, as permission policies name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[$about])* $action,)+
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Action] = &[$(Action::$action),+];

            /// The names that policies may give it, the usual one first. Versions of API7 differ in some.
            pub fn names(self) -> &'static [&'static str] {
                match self {
                    $(Action::$action => &[$($name),+],)+
                }
            }
        }
    };
}

actions! {
    /// See a group, its status and history; validate a configuration against it.
    GetGatewayGroup = ["gateway:GetGatewayGroup"];
    /// Make a group.
    CreateGatewayGroup = ["gateway:CreateGatewayGroup"];
    /// Change a group's own fields, and its admin keys.
    UpdateGatewayGroup = ["gateway:UpdateGatewayGroup"];
    /// Remove a group with all that is in it.
    DeleteGatewayGroup = ["gateway:DeleteGatewayGroup"];
    /// See which admin keys a group has.
    GetAdminKey = ["gateway:GetAdminKey"];
    /// See a group's instances and join tokens.
    GetGatewayInstance = ["gateway:GetGatewayInstance"];
    /// Make and revoke join tokens.
    CreateGatewayInstance = ["gateway:CreateGatewayInstance"];
    /// Revoke or remove a group's instances.
    DeleteGatewayInstance = ["gateway:DeleteGatewayInstance"];
    /// See a service with its routes and upstreams.
    GetPublishedService = ["gateway:GetPublishedService"];
    /// Make a service.
    CreatePublishedService = ["gateway:CreatePublishedService"];
    /// Change a service, its routes and upstreams.
    UpdatePublishedService = ["gateway:UpdatePublishedService"];
    /// Remove a service.
    DeletePublishedService = ["gateway:DeletePublishedService"];
    /// See a consumer.
    GetConsumer = ["gateway:GetConsumer"];
    /// Make a consumer.
    CreateConsumer = ["gateway:CreateConsumer"];
    /// Change a consumer.
    UpdateConsumer = ["gateway:UpdateConsumer"];
    /// Remove a consumer.
    DeleteConsumer = ["gateway:DeleteConsumer"];
    /// See a consumer's credentials.
    GetConsumerCredential = ["gateway:GetConsumerCredential"];
    /// Make a credential.
    CreateConsumerCredential = ["gateway:CreateConsumerCredential"];
    /// Change a credential.
    UpdateConsumerCredential = ["gateway:UpdateConsumerCredential"];
    /// Remove a credential.
    DeleteConsumerCredential = ["gateway:DeleteConsumerCredential"];
    /// See certificates.
    GetCertificate = ["gateway:GetCertificate"];
    /// Upload a certificate.
    CreateCertificate = ["gateway:CreateCertificate"];
    /// Replace a certificate.
    UpdateCertificate = ["gateway:UpdateCertificate"];
    /// Remove a certificate.
    DeleteCertificate = ["gateway:DeleteCertificate"];
    /// See global rules.
    GetGlobalPluginRule = ["gateway:GetGlobalPluginRule"];
    /// Make a global rule.
    CreateGlobalPluginRule = ["gateway:CreateGlobalPluginRule"];
    /// Change a global rule.
    UpdateGlobalPluginRule = ["gateway:UpdateGlobalPluginRule"];
    /// Remove a global rule.
    DeleteGlobalPluginRule = ["gateway:DeleteGlobalPluginRule"];
    /// See plugin metadata.
    GetPluginMetadata = ["gateway:GetPluginMetadata"];
    /// Make or change plugin metadata.
    UpdatePluginMetadata = ["gateway:UpdatePluginMetadata"];
    /// Remove plugin metadata.
    DeletePluginMetadata = ["gateway:DeletePluginMetadata"];
    /// See secret providers.
    GetSecretProvider = ["gateway:GetSecretProvider", "gateway:GetSecret"];
    /// Make or change a secret provider.
    PutSecretProvider = ["gateway:PutSecretProvider", "gateway:PutSecret"];
    /// Remove a secret provider.
    DeleteSecretProvider = ["gateway:DeleteSecretProvider", "gateway:DeleteSecret"];
    /// See permission policies.
    GetPermissionPolicy = ["iam:GetPermissionPolicy"];
    /// Make a permission policy.
    CreatePermissionPolicy = ["iam:CreatePermissionPolicy"];
    /// Change a permission policy.
    UpdatePermissionPolicy = ["iam:UpdatePermissionPolicy"];
    /// Remove a permission policy.
    DeletePermissionPolicy = ["iam:DeletePermissionPolicy"];
    /// See roles.
    GetRole = ["iam:GetRole"];
    /// Make a role.
    CreateCustomRole = ["iam:CreateCustomRole", "iam:CreateRole"];
    /// Change a role and which policies it has.
    UpdateCustomRole = ["iam:UpdateCustomRole", "iam:UpdateRole"];
    /// Remove a role.
    DeleteCustomRole = ["iam:DeleteCustomRole", "iam:DeleteRole"];
    /// See users, their sessions, and what they may do.
    GetUser = ["iam:GetUser"];
    /// Make a user.
    InviteUser = ["iam:InviteUser"];
    /// Change a user's address, labels and whether it may come in; end its sessions.
    UpdateUser = ["iam:UpdateUser"];
    /// Give and take roles.
    UpdateUserRole = ["iam:UpdateUserRole"];
    /// Set and lift a user's boundaries.
    UpdateUserBoundary = ["iam:UpdateUserBoundary", "iam:UpdatePermissionBoundary"];
    /// Give a user a new one-time password.
    ResetPassword = ["iam:ResetPassword"];
    /// Remove a user.
    DeleteUser = ["iam:DeleteUser"];
    /// See login options.
    GetLoginOption = ["iam:GetLoginOption"];
    /// Make a login option.
    CreateLoginOption = ["iam:CreateLoginOption"];
    /// Change a login option; switch login by name and password on and off.
    UpdateLoginOption = ["iam:UpdateLoginOption"];
    /// Remove a login option with the users who come by it.
    DeleteLoginOption = ["iam:DeleteLoginOption"];
    /// Put a licence; nothing here needs one.
    UpdateLicense = ["iam:UpdateLicense"];
    /// See whether provisioning by SCIM is on, and since when there is a token.
    GetScimProvisioning = ["iam:GetSCIMProvisioning"];
    /// Switch provisioning by SCIM on and off, and make its token.
    UpdateScimProvisioning = ["iam:UpdateSCIMProvisioning"];
    /// See who did what.
    GetAudit = ["iam:GetAudit"];
    /// Take the audit log out.
    ExportAudits = ["iam:ExportAudits"];
    /// Decide how long the audit log is kept, and where it is streamed to.
    UpdateAuditConfig = ["iam:UpdateAuditConfig"];
}

/// Actions of API7 that stand in people's policies and that nothing here asks for yet.
const OF_API7: &[&str] = &[
    "gateway:GetGatewayInstanceCore",
    "gateway:PublishServices",
    "gateway:GetServiceTemplate",
    "gateway:CreateServiceTemplate",
    "gateway:UpdateServiceTemplate",
    "gateway:DeleteServiceTemplate",
    "gateway:GetSNI",
    "gateway:CreateSNI",
    "gateway:UpdateSNI",
    "gateway:DeleteSNI",
    "gateway:GetServiceRegistry",
    "gateway:ConnectServiceRegistry",
    "gateway:UpdateServiceRegistry",
    "gateway:DisconnectServiceRegistry",
    "gateway:GetDeploymentSetting",
    "gateway:UpdateDeploymentSetting",
    "gateway:GetCustomPlugin",
    "gateway:CreateCustomPlugin",
    "gateway:UpdateCustomPlugin",
    "gateway:DeleteCustomPlugin",
    "gateway:GetAlertPolicy",
    "gateway:CreateAlertPolicy",
    "gateway:UpdateAlertPolicy",
    "gateway:DeleteAlertPolicy",
    "iam:GetContactPoint",
    "iam:CreateContactPoint",
    "iam:UpdateContactPoint",
    "iam:DeleteContactPoint",
];

impl Action {
    /// The usual name: `gateway:GetGatewayGroup`.
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// The usual name without its service, as in the audit log: `GetGatewayGroup`.
    pub fn short_name(self) -> &'static str {
        self.name().split_once(':').map_or("", |(_, name)| name)
    }

    /// The action that policies give this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.names().contains(&name))
    }

    /// Every name that makes sense in a policy.
    pub fn known_names() -> Vec<&'static str> {
        Self::ALL.iter().flat_map(|action| action.names()).chain(OF_API7).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_stands_for_two_actions() {
        let names = Action::known_names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(Action::named("iam:CreateRole"), Some(Action::CreateCustomRole));
        assert_eq!(Action::named("iam:Nothing"), None);
    }
}
