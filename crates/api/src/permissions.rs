//! Which endpoint takes which permission: one table, told in the OpenAPI document and held against every endpoint by a
//! test. The use cases in `control` ask for it.

use control::configuration::{Verb, action};
use control::iam::Action;
use model::Kind;

/// What an endpoint takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it answers to everybody.
    Nobody,
    /// Somebody we know.
    Anybody,
    /// A user with a password of its own, by a way in that is not narrowed; it is about its own account.
    OwnAccount,
    /// The organization's SCIM token, and nothing else.
    ScimToken,
    /// These actions, of which one applies (a PUT makes or changes), on this resource.
    One(Vec<Action>, &'static str),
    /// It answers with what the caller may do this to.
    Visible(Action),
}

/// An endpoint of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `GET`.
    pub method: &'static str,
    /// As in the OpenAPI document.
    pub path: String,
    /// What it takes.
    pub needs: Needs,
}

const GROUP: &str = "arn:api7:gateway:gatewaygroup/{gateway_group_id}";
const NEW_GROUP: &str = "arn:api7:gateway:gatewaygroup/*";
const SERVICE: &str = "arn:api7:gateway:gatewaygroup/{gateway_group_id}/publishedservice/{service_id}";
const CONSUMER: &str = "arn:api7:gateway:gatewaygroup/{gateway_group_id}/consumer/{username}";
const USER: &str = "arn:api7:iam:user/{user_id}";
const ROLE: &str = "arn:api7:iam:role/{role_id}";
const ORGANIZATION: &str = "arn:api7:iam:organization/*";
const POLICY: &str = "arn:api7:iam:permissionpolicy/{permission_policy_id}";

/// Every endpoint but those of a group's resources, which [`table`] adds.
#[rustfmt::skip]
fn fixed() -> Vec<(&'static str, &'static str, Needs)> {
    use Action::*;
    use Needs::{Anybody, Nobody, OwnAccount, ScimToken, Visible};
    let one = |action, on| Needs::One(vec![action], on);
    vec![
        ("POST", "/api/login", Nobody),
        ("GET", "/api/status", Nobody),
        ("POST", "/api/logout", Anybody),
        ("GET", "/api/me", Anybody),
        ("PUT", "/api/password", Anybody),
        ("GET", "/api/version", Anybody),
        ("GET", "/api/license", Anybody),
        ("PUT", "/api/license", one(UpdateLicense, ORGANIZATION)),
        ("GET", "/api/schema/core", Anybody),
        ("GET", "/api/plugins", Anybody),
        ("GET", "/apisix/admin/plugins/list", Anybody),
        ("GET", "/apisix/admin/plugins/{name}", Anybody),
        ("GET", "/api/tokens", OwnAccount),
        ("POST", "/api/tokens", OwnAccount),
        ("DELETE", "/api/tokens/{token_id}", OwnAccount),
        ("PUT", "/api/tokens/{token_id}/regenerate", OwnAccount),
        ("POST", "/api/second_factor", OwnAccount),
        ("PUT", "/api/second_factor", OwnAccount),
        ("DELETE", "/api/second_factor", OwnAccount),

        ("GET", "/api/login_options/public", Nobody),
        ("GET", "/api/oidc/{login_option_id}/login", Nobody),
        ("GET", "/api/oidc/{login_option_id}/callback", Nobody),
        ("POST", "/api/ldap/{login_option_id}/login", Nobody),
        ("GET", "/api/login_options", one(GetLoginOption, ORGANIZATION)),
        ("POST", "/api/login_options", one(CreateLoginOption, ORGANIZATION)),
        ("GET", "/api/login_options/{login_option_id}", one(GetLoginOption, ORGANIZATION)),
        ("PUT", "/api/login_options/{login_option_id}", one(UpdateLoginOption, ORGANIZATION)),
        ("DELETE", "/api/login_options/{login_option_id}", one(DeleteLoginOption, ORGANIZATION)),
        ("GET", "/api/system_settings/built_in_login", one(GetLoginOption, ORGANIZATION)),
        ("PUT", "/api/system_settings/built_in_login", one(UpdateLoginOption, ORGANIZATION)),

        ("GET", "/api/gateway_groups", Visible(GetGatewayGroup)),
        ("GET", "/api/gateway_groups/count/{what}", Visible(GetGatewayGroup)),
        ("POST", "/api/gateway_groups", one(CreateGatewayGroup, NEW_GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}", one(GetGatewayGroup, GROUP)),
        ("PUT", "/api/gateway_groups/{gateway_group_id}", one(UpdateGatewayGroup, GROUP)),
        ("DELETE", "/api/gateway_groups/{gateway_group_id}", one(DeleteGatewayGroup, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/status", one(GetGatewayGroup, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/revisions", one(GetGatewayGroup, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/permitted_users", one(GetGatewayGroup, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/admin_key", one(GetAdminKey, GROUP)),
        ("PUT", "/api/gateway_groups/{gateway_group_id}/admin_key", one(UpdateGatewayGroup, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/admin_keys", one(GetAdminKey, GROUP)),
        ("POST", "/api/gateway_groups/{gateway_group_id}/admin_keys", one(UpdateGatewayGroup, GROUP)),
        ("DELETE", "/api/gateway_groups/{gateway_group_id}/admin_keys/{admin_key_id}", one(UpdateGatewayGroup, GROUP)),
        // What each of its changes takes.
        ("POST", "/api/gateway_groups/{gateway_group_id}/batch", Anybody),
        ("POST", "/api/gateway_groups/{gateway_group_id}/instance_token", one(CreateGatewayInstance, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/instance_tokens", one(GetGatewayInstance, GROUP)),
        ("DELETE", "/api/gateway_groups/{gateway_group_id}/instance_tokens/{token_id}", one(CreateGatewayInstance, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/instances", one(GetGatewayInstance, GROUP)),
        ("GET", "/api/instances", Visible(GetGatewayInstance)),
        ("GET", "/api/instances/count/status", Visible(GetGatewayInstance)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/instances/{instance_id}", one(GetGatewayInstance, GROUP)),
        ("DELETE", "/api/gateway_groups/{gateway_group_id}/instances/{instance_id}", one(DeleteGatewayInstance, GROUP)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/services/{service_id}/healthcheck", one(GetPublishedService, SERVICE)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/services/{service_id}/routes", one(GetPublishedService, SERVICE)),
        ("GET", "/api/gateway_groups/{gateway_group_id}/services/{service_id}/stream_routes", one(GetPublishedService, SERVICE)),

        ("POST", "/api/invites", one(InviteUser, "arn:api7:iam:user/*")),
        ("GET", "/api/users", Visible(GetUser)),
        ("GET", "/api/users/{user_id}", one(GetUser, USER)),
        ("PATCH", "/api/users/{user_id}", one(UpdateUser, USER)),
        ("DELETE", "/api/users/{user_id}", one(DeleteUser, USER)),
        // And on each role that is given or taken.
        ("PUT", "/api/users/{user_id}/assigned_roles", one(UpdateUserRole, USER)),
        ("GET", "/api/users/{user_id}/boundaries", one(GetUser, USER)),
        ("PUT", "/api/users/{user_id}/boundaries", one(UpdateUserBoundary, USER)),
        ("PUT", "/api/users/{user_id}/password_reset", one(ResetPassword, USER)),
        ("DELETE", "/api/users/{user_id}/second_factor", one(ResetPassword, USER)),
        ("GET", "/api/users/{user_id}/sessions", one(GetUser, USER)),
        ("DELETE", "/api/users/{user_id}/sessions/{session_id}", one(UpdateUser, USER)),
        ("GET", "/api/roles", Visible(GetRole)),
        ("POST", "/api/roles", one(CreateCustomRole, "arn:api7:iam:role/*")),
        ("GET", "/api/roles/{role_id}", one(GetRole, ROLE)),
        ("PUT", "/api/roles/{role_id}", one(UpdateCustomRole, ROLE)),
        ("DELETE", "/api/roles/{role_id}", one(DeleteCustomRole, ROLE)),
        ("GET", "/api/roles/{role_id}/permission_policies", one(GetRole, ROLE)),
        ("POST", "/api/roles/{role_id}/attach_permission_policies", one(UpdateCustomRole, ROLE)),
        ("POST", "/api/roles/{role_id}/detach_permission_policies", one(UpdateCustomRole, ROLE)),
        ("GET", "/api/permission_policies", Visible(GetPermissionPolicy)),
        ("POST", "/api/permission_policies", one(CreatePermissionPolicy, "arn:api7:iam:permissionpolicy/*")),
        ("GET", "/api/permission_policies/{permission_policy_id}", one(GetPermissionPolicy, POLICY)),
        ("PUT", "/api/permission_policies/{permission_policy_id}", one(UpdatePermissionPolicy, POLICY)),
        ("DELETE", "/api/permission_policies/{permission_policy_id}", one(DeletePermissionPolicy, POLICY)),
        ("POST", "/api/permission_policies/simulate", one(GetPermissionPolicy, "arn:api7:iam:permissionpolicy/*")),
        ("POST", "/api/can_i", Anybody),
        ("GET", "/api/audit_logs", one(GetAudit, ORGANIZATION)),
        ("GET", "/api/audit_logs/event_types", one(GetAudit, ORGANIZATION)),
        ("GET", "/api/audit_logs/export", one(ExportAudits, ORGANIZATION)),
        ("GET", "/api/audit_logs/verify", one(GetAudit, ORGANIZATION)),
        ("GET", "/api/audit_logs/config", one(GetAudit, ORGANIZATION)),
        ("PUT", "/api/audit_logs/config", one(UpdateAuditConfig, ORGANIZATION)),

        ("GET", "/api/system_settings/scim", one(GetScimProvisioning, ORGANIZATION)),
        ("PUT", "/api/system_settings/scim", one(UpdateScimProvisioning, ORGANIZATION)),
        ("POST", "/api/system_settings/scim/token", one(UpdateScimProvisioning, ORGANIZATION)),
        ("GET", "/scim/v2/ServiceProviderConfig", ScimToken),
        ("GET", "/scim/v2/ResourceTypes", ScimToken),
        ("GET", "/scim/v2/ResourceTypes/{name}", ScimToken),
        ("GET", "/scim/v2/Schemas", ScimToken),
        ("GET", "/scim/v2/Schemas/{urn}", ScimToken),
        ("GET", "/scim/v2/Users", ScimToken),
        ("POST", "/scim/v2/Users", ScimToken),
        ("GET", "/scim/v2/Users/{id}", ScimToken),
        ("PUT", "/scim/v2/Users/{id}", ScimToken),
        ("PATCH", "/scim/v2/Users/{id}", ScimToken),
        ("DELETE", "/scim/v2/Users/{id}", ScimToken),
        ("GET", "/scim/v2/Groups", ScimToken),
        ("POST", "/scim/v2/Groups", ScimToken),
        ("GET", "/scim/v2/Groups/{id}", ScimToken),
        ("PUT", "/scim/v2/Groups/{id}", ScimToken),
        ("PATCH", "/scim/v2/Groups/{id}", ScimToken),
        ("DELETE", "/scim/v2/Groups/{id}", ScimToken),

        ("POST", "/apisix/admin/configs/validate", one(GetGatewayGroup, GROUP)),
    ]
}

/// Every endpoint with what it takes.
pub fn table() -> Vec<Endpoint> {
    let fixed = fixed().into_iter().map(|(method, path, needs)| Endpoint { method, path: path.to_owned(), needs });
    fixed.chain(resources()).collect()
}

fn resources() -> impl Iterator<Item = Endpoint> {
    let top = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Credential);
    let top = top.map(|kind| (kind, format!("/apisix/admin/{}", kind.plural())));
    let nested = [
        (Kind::Upstream, "/apisix/admin/services/{service_id}/upstreams".to_owned()),
        (Kind::Credential, "/apisix/admin/consumers/{username}/credentials".to_owned()),
    ];
    top.chain(nested).flat_map(|(kind, collection)| of_kind(kind, &collection))
}

/// Every route of the plain Admin API of Apache APISIX (port 9180) with what it takes, `{sub_path}` for any number of parts. The
/// group is that of the key; a user's token is good for the group `default` there.
pub fn apisix_admin_table() -> Vec<Endpoint> {
    crate::apisix_admin::table()
}

/// That these are done to a resource of the kind, or that it is made.
pub(crate) fn done_to(kind: Kind, verbs: &[Verb]) -> Needs {
    let mut actions: Vec<Action> = verbs.iter().map(|verb| action(*verb, kind)).collect();
    actions.dedup();
    Needs::One(actions, arn_of(kind))
}

/// What a resource of the kind is asked for on.
fn arn_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Service | Kind::Route | Kind::StreamRoute | Kind::Upstream | Kind::PluginConfig | Kind::Proto => SERVICE,
        Kind::Consumer | Kind::Credential | Kind::ConsumerGroup => CONSUMER,
        Kind::Ssl | Kind::GlobalRule | Kind::PluginMetadata | Kind::Secret => GROUP,
    }
}

fn of_kind(kind: Kind, collection: &str) -> Vec<Endpoint> {
    let on = arn_of(kind);
    let one = |verbs: &[Verb]| done_to(kind, verbs);
    let single = format!("{collection}/{{id}}");
    let endpoint = |method, path: &str, needs| Endpoint { method, path: path.to_owned(), needs };
    // A list of what stands below a parent shows that the parent is there.
    let list = match kind {
        Kind::Upstream if collection.ends_with("}/upstreams") => Needs::One(vec![Action::GetPublishedService], on),
        Kind::Credential => Needs::One(vec![Action::GetConsumer], on),
        _ => Needs::Visible(action(Verb::Get, kind)),
    };
    vec![
        endpoint("GET", collection, list),
        endpoint("POST", collection, one(&[Verb::Create])),
        endpoint("GET", &single, one(&[Verb::Get])),
        endpoint("PUT", &single, one(&[Verb::Create, Verb::Update])),
        endpoint("PATCH", &single, one(&[Verb::Update])),
        endpoint("DELETE", &single, one(&[Verb::Delete])),
    ]
}
