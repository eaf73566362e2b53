//! What is set for the whole organization.

pub(crate) mod get_built_in_login;
pub(crate) mod get_scim;
pub(crate) mod make_scim_token;
pub(crate) mod put_built_in_login;
pub(crate) mod put_scim;

use api_types::{ScimSettings, ScimToken};

/// The settings in the API's words.
fn shown(settings: control::iam::ScimSettings) -> ScimSettings {
    let token = settings.token.map(|token| ScimToken {
        created_at: token.created_at,
        expires_at: token.expires_at.unwrap_or_default(),
        last_used_at: token.last_used_at.unwrap_or_default(),
    });
    ScimSettings { enabled: settings.enabled, path: crate::scim::ROOT.to_owned(), token }
}
