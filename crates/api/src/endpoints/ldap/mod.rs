//! Logging in by an LDAP directory.

pub(crate) mod login;
