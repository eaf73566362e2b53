//! Login options: ways to log in beside name and password.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod public;
pub(crate) mod update;

use control::iam::{LoginKind, LoginOption, LoginOptionSpec};
use model::Fault;
use serde_json::{Value, json};

use crate::error::ApiResult;

/// A login option in the API's words.
fn shown(option: LoginOption) -> api_types::LoginOption {
    let LoginOptionSpec { name, kind, logo, enabled, config, mapping } = option.spec;
    let rules = |field: &str| mapping.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let config_of = |of: LoginKind| (kind == of).then(|| config.clone());
    let spec = api_types::LoginOptionSpec {
        name,
        option_type: kind.name().to_owned(),
        logo,
        enabled,
        oidc: config_of(LoginKind::Oidc),
        ldap: config_of(LoginKind::Ldap),
        role_mapping: rules("role_mapping"),
        boundary_mapping: rules("boundary_mapping"),
    };
    api_types::LoginOption {
        id: option.id,
        spec,
        last_used_at: option.last_used_at.unwrap_or_default(),
        created_at: option.created_at,
        updated_at: option.updated_at,
    }
}

/// A login option as requests give it.
fn spec(body: api_types::LoginOptionSpec) -> ApiResult<LoginOptionSpec> {
    let kind: LoginKind = body.option_type.parse().map_err(|right| Fault::new("/type", right))?;
    let (own, other) = match kind {
        LoginKind::Oidc => (body.oidc, body.ldap),
        LoginKind::Ldap => (body.ldap, body.oidc),
    };
    let place = format!("/{}", kind.name());
    let config = own.filter(Value::is_object).ok_or_else(|| Fault::new(place, "must be an object for this type"))?;
    if other.is_some() {
        return Err(Fault::new("/type", "must be the one type whose configuration is given").into());
    }
    let mapping = json!({ "role_mapping": body.role_mapping, "boundary_mapping": body.boundary_mapping });
    Ok(LoginOptionSpec { name: body.name, kind, logo: body.logo, enabled: body.enabled, config, mapping })
}
