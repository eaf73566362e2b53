//! The caller's personal tokens.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod regenerate;

/// A token with its text, in the API's words.
fn issued(made: control::iam::IssuedToken) -> api_types::IssuedToken {
    let expires_at = made.expires_at.unwrap_or_default();
    api_types::IssuedToken { id: made.id, name: made.name, token: made.token, expires_at }
}
