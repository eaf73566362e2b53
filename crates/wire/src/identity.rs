//! Who an instance is: the URI in its certificate, parsed strictly.

use std::fmt;
use std::str::FromStr;

use model::{GroupId, InstanceId};

/// Why a URI is not an instance's identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The URI has not the form `spiffe://<trust domain>/gateway-group/<group>/instance/<instance>`.
    #[error("{0:?} is not spiffe://<trust domain>/gateway-group/<group>/instance/<instance>")]
    BadForm(String),
    /// The trust domain is another.
    #[error("trust domain is {found:?}, not {expected:?}")]
    OtherTrustDomain {
        /// Ours.
        expected: String,
        /// The certificate's.
        found: String,
    },
}

/// An instance's identity. Only the control plane's CA writes it, so it alone decides the group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceIdentity {
    /// Whose CA vouches: lower-case letters, digits, `.`, `-` and `_`.
    pub trust_domain: String,
    /// The one group whose configuration the instance may have.
    pub group: GroupId,
    /// The instance.
    pub instance: InstanceId,
}

impl InstanceIdentity {
    /// Checks that the identity is of `trust_domain`.
    ///
    /// # Errors
    /// [`IdentityError::OtherTrustDomain`] when it is of another.
    pub fn within(self, trust_domain: &str) -> Result<Self, IdentityError> {
        if self.trust_domain == trust_domain {
            return Ok(self);
        }
        Err(IdentityError::OtherTrustDomain { expected: trust_domain.to_owned(), found: self.trust_domain })
    }
}

impl fmt::Display for InstanceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/gateway-group/{}/instance/{}", self.trust_domain, self.group, self.instance)
    }
}

impl FromStr for InstanceIdentity {
    type Err = IdentityError;
    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        parse(uri).ok_or_else(|| IdentityError::BadForm(uri.to_owned()))
    }
}

/// No case folding, no percent-decoding, no empty or extra segment, no query: one text for one identity.
fn parse(uri: &str) -> Option<InstanceIdentity> {
    let mut parts = uri.strip_prefix("spiffe://")?.split('/');
    let trust_domain = parts.next().filter(|domain| is_trust_domain(domain))?;
    parts.next().filter(|word| *word == "gateway-group")?;
    let group = GroupId::new(parts.next()?).ok()?;
    parts.next().filter(|word| *word == "instance")?;
    let instance = InstanceId::new(parts.next()?).ok()?;
    parts.next().is_none().then(|| InstanceIdentity { trust_domain: trust_domain.to_owned(), group, instance })
}

/// SPIFFE-ID section 2.1: lower-case letters, digits, dots, dashes and underscores.
fn is_trust_domain(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_what_it_writes() {
        let uri = "spiffe://flotilla.test/gateway-group/default/instance/i-1";
        let identity: InstanceIdentity = uri.parse().unwrap();
        assert_eq!((identity.group.as_str(), identity.instance.as_str()), ("default", "i-1"));
        assert_eq!(identity.to_string(), uri);
        assert!(identity.clone().within("flotilla.test").is_ok());
        assert!(identity.within("other").is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        for uri in [
            "",
            "https://d/gateway-group/g/instance/i",
            "SPIFFE://d/gateway-group/g/instance/i",
            "spiffe:///gateway-group/g/instance/i",
            "spiffe://D/gateway-group/g/instance/i",
            "spiffe://d:1/gateway-group/g/instance/i",
            "spiffe://u@d/gateway-group/g/instance/i",
            "spiffe://d/gateway-group/g/instance/i/",
            "spiffe://d/gateway-group/g/instance/i/instance/j",
            "spiffe://d//gateway-group/g/instance/i",
            "spiffe://d/gateway-group//instance/i",
            "spiffe://d/gateway-group/g/instance/",
            "spiffe://d/gateway-group/g%2Fh/instance/i",
            "spiffe://d/gateway-group/g/instance/i?x=1",
            "spiffe://d/gateway-group/g/instance/i#x",
            "spiffe://d/Gateway-Group/g/instance/i",
        ] {
            assert!(uri.parse::<InstanceIdentity>().is_err(), "{uri}");
        }
    }
}
