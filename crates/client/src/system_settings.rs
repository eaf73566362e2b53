//! Settings of the whole organization: provisioning by SCIM.

use api_types::{IssuedScimToken, ScimSettings, ScimSwitch, ScimTokenSpec};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientResult;

const SCIM: [&str; 3] = ["api", "system_settings", "scim"];

impl Client {
    /// Whether provisioning by SCIM is on, and since when there is a token.
    ///
    /// # Errors
    /// 403 when the caller may not see it.
    pub async fn scim_settings(&self) -> ClientResult<ScimSettings> {
        self.call(Method::GET, &SCIM).value().await
    }

    /// Switches provisioning by SCIM on or off; the token stays.
    ///
    /// # Errors
    /// 403 when the caller may not.
    pub async fn set_scim_enabled(&self, enabled: bool) -> ClientResult<ScimSettings> {
        self.call(Method::PUT, &SCIM).json(&ScimSwitch { enabled }).value().await
    }

    /// Makes the SCIM token, whose text is in this answer only; the one before ends at once.
    ///
    /// # Errors
    /// 400 for an end in the past, 403 when the caller may not.
    pub async fn make_scim_token(&self, spec: &ScimTokenSpec) -> ClientResult<IssuedScimToken> {
        self.call(Method::POST, &["api", "system_settings", "scim", "token"]).json(spec).value().await
    }
}
