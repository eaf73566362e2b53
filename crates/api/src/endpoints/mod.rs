//! One file per endpoint: `<resource>/<verb>.rs`. The doc comment of a handler is its text in the OpenAPI document;
//! its body reads as the list of what happens. Rules live in `control`, not here.

pub(crate) mod admin_keys;
pub(crate) mod audit_logs;
pub(crate) mod gateway_groups;
pub(crate) mod instances;
pub(crate) mod join_tokens;
pub(crate) mod ldap;
pub(crate) mod license;
pub(crate) mod login_options;
pub(crate) mod me;
pub(crate) mod oidc;
pub(crate) mod password;
pub(crate) mod permission_policies;
pub(crate) mod plugins;
pub(crate) mod resources;
pub(crate) mod roles;
pub(crate) mod schema;
pub(crate) mod scim;
pub(crate) mod second_factor;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod system_settings;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod version;
