//! What tests need around them: real servers on free ports that stop by themselves.

pub mod authority;
pub mod http2;
pub mod ldap;
pub mod name_server;
pub mod oidc_provider;
pub mod postgres;
pub mod redis;
mod server;
