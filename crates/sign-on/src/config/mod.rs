//! What an administrator writes to let users sign in elsewhere: read from JSON once, and right from then on.

mod ldap;
mod oidc;
mod provisioned_users;
mod secret;

use model::{Fault, Faults};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

pub use ldap::{LdapAttributes, LdapConfig};
pub use oidc::OidcConfig;
pub(crate) use oidc::is_safe;
pub use provisioned_users::{ProvisionedAttribute, ProvisionedUsers};
pub use secret::Secret;

/// Longest time that a sign-in may be told to take, in seconds.
const TIMEOUT_MAX_SECONDS: u64 = 60;

/// Seconds that a sign-in may take when nothing is said.
const fn default_timeout() -> u64 {
    10
}

const fn yes() -> bool {
    true
}

/// Reads a document; a wrong field is named by its JSON pointer.
pub(crate) fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Faults> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let pointer: String = error.path().iter().map(step).collect();
        Fault::new(pointer, error.into_inner().to_string()).into()
    })
}

fn step(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            format!("/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        Segment::Unknown => String::new(),
    }
}

fn has_certificates(pem: &str) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}

/// Gathers what is wrong with a document whose shape is right.
#[derive(Default)]
struct Check {
    faults: Vec<Fault>,
}

impl Check {
    fn that(&mut self, holds: bool, pointer: &str, right: &str) {
        if !holds {
            self.faults.push(Fault::new(pointer, right));
        }
    }

    fn timeout(&mut self, seconds: u64) {
        let right = "must be a number of seconds from 1 to 60";
        self.that((1..=TIMEOUT_MAX_SECONDS).contains(&seconds), "/timeout", right);
    }

    fn end(self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }
}

#[cfg(test)]
mod tests;
