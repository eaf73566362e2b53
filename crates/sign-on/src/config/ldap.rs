//! How to sign in by a directory.

use std::time::Duration;

use model::Faults;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Check, Secret, default_timeout, has_certificates, read, yes};

/// An LDAP directory and how users are found in it. Field names are those of API7's login options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapConfig {
    /// Name or address of the server.
    pub host: String,
    /// Its port; 636 with `use_ssl` and else 389 when nothing is said.
    #[serde(default)]
    pub port: Option<u16>,
    /// Under which entry users are looked for, at any depth.
    pub base_dn: String,
    /// The account that looks users up; empty to look them up anonymously.
    #[serde(default)]
    pub bind_dn: String,
    /// That account's password.
    #[serde(default)]
    pub bind_password: Secret,
    /// The attribute that holds what a user types as name: `uid`, `mail`, `sAMAccountName`.
    #[serde(default = "default_identifier")]
    pub identifier: String,
    /// Which attributes say what of a user.
    #[serde(default)]
    pub attributes: LdapAttributes,
    /// Longest time for a whole sign-in, in seconds: 1 to 60.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// Whether the connection is TLS from its start (`ldaps`). Without it passwords cross the network in the clear.
    #[serde(default)]
    pub use_ssl: bool,
    /// Whether the server's certificate is verified.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
    /// PEM of the authorities to trust, instead of the system's.
    #[serde(default)]
    pub root_ca_cert: String,
    /// PEM of the certificate that we show to the server.
    #[serde(default)]
    pub client_cert: String,
    /// PEM of its private key.
    #[serde(default)]
    pub client_key: Secret,
}

/// Which attributes of an entry say what of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LdapAttributes {
    /// The e-mail address.
    pub email: String,
    /// The name to show.
    pub display_name: String,
}

impl Default for LdapAttributes {
    fn default() -> Self {
        Self { email: "mail".into(), display_name: "cn".into() }
    }
}

impl LdapConfig {
    /// JSON pointers of the secrets, for callers that mask them.
    pub const SECRETS: &'static [&'static str] = &["/bind_password", "/client_key"];

    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// Every fault, each with its JSON pointer and what would be right.
    pub fn parse(body: &Value) -> Result<Self, Faults> {
        let config: Self = read(body)?;
        config.check().map(|()| config)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.use_ssl { 636 } else { 389 })
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    fn check(&self) -> Result<(), Faults> {
        let mut check = Check::default();
        check.that(is_host(&self.host), "/host", "must be a host's name or address, without scheme and port");
        check.that(self.port != Some(0), "/port", "must be a port from 1 to 65535");
        check.that(!self.base_dn.is_empty(), "/base_dn", "must be the DN of the entry that users stand under");
        // RFC 4513, 5.1.2: a bind with a name and no password succeeds and proves nothing.
        let has_password = self.bind_dn.is_empty() == self.bind_password.is_empty();
        check.that(has_password, "/bind_password", "must be the password of bind_dn, and empty when that is empty");
        self.check_attributes(&mut check);
        check.timeout(self.timeout);
        self.check_tls(&mut check);
        check.end()
    }

    fn check_attributes(&self, check: &mut Check) {
        let names = [
            ("/identifier", &self.identifier),
            ("/attributes/email", &self.attributes.email),
            ("/attributes/display_name", &self.attributes.display_name),
        ];
        for (pointer, name) in names {
            check.that(is_attribute(name), pointer, "must be the name of an attribute, such as uid, or its number");
        }
    }

    fn check_tls(&self, check: &mut Check) {
        let is_ca = self.root_ca_cert.is_empty() || has_certificates(&self.root_ca_cert);
        check.that(is_ca, "/root_ca_cert", "must be PEM certificates");
        let is_certificate = self.client_cert.is_empty() || has_certificates(&self.client_cert);
        check.that(is_certificate, "/client_cert", "must be PEM certificates");
        let key = self.client_key.reveal();
        let is_key = key.is_empty() || PrivateKeyDer::from_pem_slice(key.as_bytes()).is_ok();
        check.that(is_key, "/client_key", "must be a PEM private key");
        let is_pair = self.client_cert.is_empty() == self.client_key.is_empty();
        check.that(is_pair, "/client_key", "must be the private key of client_cert; the two go together");
        let is_used = self.use_ssl || (self.root_ca_cert.is_empty() && self.client_cert.is_empty());
        check.that(is_used, "/use_ssl", "must be true for root_ca_cert and client_cert to be used");
    }
}

fn default_identifier() -> String {
    "uid".to_owned()
}

fn is_host(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (1..=253).contains(&text.len()) && text.bytes().all(is_name) && rustls_pki_types::ServerName::try_from(text).is_ok()
}

/// RFC 4512, section 2.5: a name or a dotted number.
fn is_attribute(text: &str) -> bool {
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';');
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.len() <= 128 && text.bytes().all(is_rest)
}
