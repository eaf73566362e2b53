//! Logging in by a provider of OpenID Connect: `login` sends the browser there, `callback` takes it back.

pub(crate) mod callback;
pub(crate) mod login;
mod pending;
