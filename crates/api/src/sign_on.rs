//! What login options take, and the clients that ask there: `control` has the rules, this has the sockets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use control::iam::{Identified, LoginKind, LoginOption, LoginOptionRules, LoginOptionSpec, ProvisionedBy};
use model::{Fault, Faults};
use sign_on::mapping::Mapping;
use sign_on::{ExternalIdentity, Ldap, LdapConfig, Oidc, OidcConfig, ProvisionedAttribute, SignOnError};

use crate::error::{ApiError, ApiResult};

/// Clients kept at most; beyond it, all are made anew.
const CAPACITY: usize = 1000;

/// What OpenID Connect and LDAP take.
pub(crate) struct Kinds;

impl LoginOptionRules for Kinds {
    fn secrets(&self, kind: LoginKind) -> &'static [&'static str] {
        match kind {
            LoginKind::Oidc => OidcConfig::SECRETS,
            LoginKind::Ldap => LdapConfig::SECRETS,
        }
    }

    fn destination(&self, kind: LoginKind) -> &'static [&'static str] {
        match kind {
            LoginKind::Oidc => &["/issuer"],
            LoginKind::Ldap => &["/host", "/port"],
        }
    }

    fn check(&self, spec: &LoginOptionSpec) -> Result<(), Faults> {
        let checked = match spec.kind {
            LoginKind::Oidc => check_oidc(spec),
            LoginKind::Ldap => LdapConfig::parse(&spec.config).and_then(|config| usable(Ldap::new(config))),
        };
        let place = format!("/{}", spec.kind.name());
        checked.map_err(|Faults(faults)| Faults(faults.into_iter().map(|fault| fault.under(&place)).collect()))?;
        Mapping::parse(&spec.mapping).map(drop)
    }
}

fn check_oidc(spec: &LoginOptionSpec) -> Result<(), Faults> {
    let config = OidcConfig::parse(&spec.config)?;
    // What a request says of our address comes from whoever sent it.
    if config.root_url.is_empty() {
        return Err(Fault::new("/root_url", "must be where users see this control plane").into());
    }
    usable(Oidc::new(config))
}

fn usable<T>(client: Result<T, SignOnError>) -> Result<(), Faults> {
    client.map(drop).map_err(|error| Fault::new("", error.to_string()).into())
}

/// By login option.
type ByOption = HashMap<String, (u64, Arc<Oidc>)>;

/// The clients of providers, which keep descriptions and keys; each with the version of its login option.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<ByOption>>);

impl Clients {
    /// The client of a login option's provider.
    pub(crate) fn oidc(&self, option: &LoginOption) -> ApiResult<Arc<Oidc>> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.get(&option.id).filter(|(version, _)| *version == option.version) {
            return Ok(client.clone());
        }
        let client = OidcConfig::parse(&option.spec.config).map_err(SignOnError::from).and_then(Oidc::new);
        let client = Arc::new(client.map_err(|error| refused(option, &error))?);
        if clients.len() >= CAPACITY {
            clients.clear();
        }
        clients.insert(option.id.clone(), (option.version, client.clone()));
        Ok(client)
    }

    /// A client of a login option's directory; it keeps nothing.
    pub(crate) fn ldap(option: &LoginOption) -> ApiResult<Ldap> {
        let client = LdapConfig::parse(&option.spec.config).map_err(SignOnError::from).and_then(Ldap::new);
        client.map_err(|error| refused(option, &error))
    }
}

/// The redirect address of a provider's callback.
pub(crate) fn redirect_uri(option: &LoginOption) -> ApiResult<String> {
    let config = OidcConfig::parse(&option.spec.config).map_err(|faults| refused(option, &faults.into()))?;
    let address = config.redirect_uri(&callback_path(&option.id));
    address.ok_or_else(ApiError::internal)
}

/// Where a provider sends users back to.
pub(crate) fn callback_path(option: &str) -> String {
    format!("/api/oidc/{option}/callback")
}

/// What an identity is to us by the option's mapping. A mapping without rules leaves what was given by hand.
pub(crate) fn identified(option: &LoginOption, identity: ExternalIdentity) -> ApiResult<Identified> {
    let mapping = Mapping::parse(&option.spec.mapping).map_err(|faults| refused(option, &faults.into()))?;
    let attributes = &identity.attributes;
    Ok(Identified {
        roles: (!mapping.role_mapping.is_empty()).then(|| mapping.roles(attributes)),
        boundaries: (!mapping.boundary_mapping.is_empty()).then(|| mapping.boundaries(attributes)),
        provisioned: provisioned(option, &identity)?,
        subject: identity.subject,
        username: identity.username,
        email: identity.email,
    })
}

/// Which user that SCIM made it is, where the option's provider is trusted to say so.
fn provisioned(option: &LoginOption, identity: &ExternalIdentity) -> ApiResult<Option<(ProvisionedBy, String)>> {
    if option.spec.kind != LoginKind::Oidc {
        return Ok(None);
    }
    let config = OidcConfig::parse(&option.spec.config).map_err(|faults| refused(option, &faults.into()))?;
    Ok(config.provisioned_users.and_then(|users| {
        let by = match users.attribute {
            ProvisionedAttribute::ExternalId => ProvisionedBy::ExternalId,
            ProvisionedAttribute::Username => ProvisionedBy::Username,
            ProvisionedAttribute::Email => ProvisionedBy::Email,
        };
        Some((by, users.wanted(&identity.attributes)?))
    }))
}

/// 401 with what the user may be told; the log has the cause.
pub(crate) fn refused(option: &LoginOption, error: &SignOnError) -> ApiError {
    let name = &option.spec.name;
    if error.is_users() {
        tracing::info!(login_option = name, %error, "a sign-in was refused");
    } else {
        tracing::warn!(login_option = name, %error, "a sign-in failed");
    }
    ApiError::unauthenticated(error.user_text())
}
