//! Login options: ways to log in beside name and password.

use api_types::{LoginOption, LoginOptionSpec};
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::error::{ClientError, ClientResult};

const OPTIONS: [&str; 2] = ["api", "login_options"];

impl Client {
    /// All login options; their secrets are shown as `***`.
    ///
    /// # Errors
    /// 403 when the caller may not see them.
    pub async fn login_options(&self) -> ClientResult<Vec<LoginOption>> {
        self.call(Method::GET, &OPTIONS).list().await.map(|listing| listing.list)
    }

    /// The login option of this exact name.
    ///
    /// # Errors
    /// [`ClientError::NoSuch`] when there is none.
    pub async fn login_option_by_name(&self, name: &str) -> ClientResult<LoginOption> {
        let no_such = || ClientError::NoSuch { kind: "login option", name: name.to_owned() };
        self.login_options().await?.into_iter().find(|option| option.spec.name == name).ok_or_else(no_such)
    }

    /// Makes a login option of a specification as the API takes it.
    ///
    /// # Errors
    /// 400 with the JSON pointer of the wrong field, 409 when the name is taken.
    pub async fn create_login_option(&self, spec: &Value) -> ClientResult<LoginOption> {
        self.call(Method::POST, &OPTIONS).json(spec).value().await
    }

    /// Replaces a login option; its type stays, and so do secrets that are left out or `***`.
    ///
    /// # Errors
    /// 400 with the JSON pointer of the wrong field, 404 when there is none, 409 when it is the last way in.
    pub async fn update_login_option(&self, id: &str, spec: &Value) -> ClientResult<LoginOption> {
        self.call(Method::PUT, &["api", "login_options", id]).json(spec).value().await
    }

    /// Enables or disables a login option, which otherwise stays as it is.
    ///
    /// # Errors
    /// 404 when there is none, 409 when it is the last way in.
    pub async fn enable_login_option(&self, option: &LoginOption, enabled: bool) -> ClientResult<LoginOption> {
        let spec = LoginOptionSpec { enabled, ..option.spec.clone() };
        self.call(Method::PUT, &["api", "login_options", &option.id]).json(&spec).value().await
    }

    /// Removes a login option with the users who come by it.
    ///
    /// # Errors
    /// 404 when there is none, 409 when it is the last way in.
    pub async fn delete_login_option(&self, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "login_options", id]).send().await.map(drop)
    }
}
