//! How to sign in by a provider of OpenID Connect.

use std::time::Duration;

use model::Faults;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Check, ProvisionedUsers, Secret, default_timeout, has_certificates, read, yes};

/// A provider of OpenID Connect and our registration with it. Field names are those of API7's login options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Our name at the provider.
    pub client_id: String,
    /// Our password at the provider's token endpoint.
    pub client_secret: Secret,
    /// The provider's identifier, exactly as its discovery document and tokens spell it. HTTPS, save on loopback.
    pub issuer: String,
    /// What is asked for; `openid` is always asked for beside it.
    #[serde(default = "default_scopes")]
    pub request_scopes: Vec<String>,
    /// Whether the provider's TLS certificate is verified; without it whoever is on the way can sign in as anyone.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// PEM of the authorities to trust, instead of the system's: ours, for providers within an organisation.
    #[serde(default)]
    pub root_ca_cert: String,
    /// Where users see us: what the redirect address starts with. `https://flotilla.example.com`; empty when not told.
    #[serde(default)]
    pub root_url: String,
    /// Longest time for one call to the provider, in seconds: 1 to 60.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// How a user that SCIM made is found at its first sign-in; left out: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_users: Option<ProvisionedUsers>,
}

impl OidcConfig {
    /// JSON pointers of the secrets, for callers that mask them.
    pub const SECRETS: &'static [&'static str] = &["/client_secret"];

    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// Every fault, each with its JSON pointer and what would be right.
    pub fn parse(body: &Value) -> Result<Self, Faults> {
        let config: Self = read(body)?;
        config.check().map(|()| config)
    }

    /// The redirect address to register with the provider: `path` (`/api/oidc/callback`) under `root_url`, if that is told.
    pub fn redirect_uri(&self, path: &str) -> Option<String> {
        let root = Some(self.root_url.trim_end_matches('/')).filter(|root| !root.is_empty())?;
        Some(format!("{root}/{}", path.trim_start_matches('/')))
    }

    /// The scopes to ask for, `openid` first and each once.
    pub(crate) fn scope(&self) -> String {
        let mut scopes = vec!["openid"];
        for scope in &self.request_scopes {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes.join(" ")
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    fn check(&self) -> Result<(), Faults> {
        let mut check = Check::default();
        check.that(!self.client_id.is_empty(), "/client_id", "must be the client id that the provider gave out");
        check.that(!self.client_secret.is_empty(), "/client_secret", "must be the secret that the provider gave out");
        let right =
            "must be an https URL without query and fragment (http on loopback only), as the provider spells it";
        check.that(is_issuer(&self.issuer), "/issuer", right);
        let right = "must be an http or https URL without query and fragment, such as https://flotilla.example.com";
        check.that(self.root_url.is_empty() || is_plain_url(&self.root_url), "/root_url", right);
        for (n, scope) in self.request_scopes.iter().enumerate() {
            let right = "must be a scope: visible ASCII without space, quote and backslash";
            check.that(is_scope(scope), &format!("/request_scopes/{n}"), right);
        }
        let is_ca = self.root_ca_cert.is_empty() || has_certificates(&self.root_ca_cert);
        check.that(is_ca, "/root_ca_cert", "must be PEM certificates");
        let is_sound = self.provisioned_users.as_ref().is_none_or(ProvisionedUsers::is_sound);
        let right = "must name a claim; an address is compared with \"email\" alone, so leave it out there";
        check.that(is_sound, "/provisioned_users/claim", right);
        check.timeout(self.timeout);
        check.end()
    }
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).into()
}

/// Whether the provider may be spoken to there: what it says is believed because TLS says who it is.
pub(crate) fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host_str().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    // Brackets stand around an IPv6 address.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// OpenID Connect Discovery 1.0, section 3, `issuer`.
fn is_issuer(text: &str) -> bool {
    is_plain_url(text) && Url::parse(text).is_ok_and(|url| is_safe(&url))
}

fn is_plain_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        is_plain && matches!(url.scheme(), "http" | "https") && url.host_str().is_some()
    })
}

/// RFC 6749, section 3.3, `scope-token`.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
