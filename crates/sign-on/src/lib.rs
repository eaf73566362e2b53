//! Clients for single sign-on of the management API's users: OpenID Connect and LDAP.
//!
//! Knows nothing of the API, the database or roles as such: it proves who somebody is and says so as an
//! [`ExternalIdentity`]; [`mapping`] turns that identity's attributes into ids of roles and permission policies.
//! Read in this order: [`config`] (what an administrator writes), [`oidc`] and [`ldap`] (one way to sign in each),
//! [`mapping`].

pub mod config;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
pub mod ldap;
pub mod mapping;
pub mod oidc;
mod tls;

pub use config::{LdapConfig, OidcConfig, ProvisionedAttribute, Secret};
pub use error::{SignOnError, TokenError};
pub use identity::ExternalIdentity;
pub use ldap::Ldap;
pub use oidc::{Callback, Oidc, Pending, Started};
