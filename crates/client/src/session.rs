//! Login, tokens, version.

use api_types::{IssuedToken, Login, Me, PasswordChange, Status, Token, TokenSpec, Version};
use reqwest::{Method, header};

use crate::client::{Client, Key};
use crate::error::{ClientError, ClientResult};

impl Client {
    /// Logs in and gives a client of that session.
    ///
    /// # Errors
    /// 401 when name or password is wrong; see also [`ClientError::wants_second_factor`].
    pub async fn login(&self, username: &str, password: &str) -> ClientResult<Client> {
        self.log_in(Login { username: username.to_owned(), password: password.to_owned(), totp_code: None }).await
    }

    /// Logs in with a one-time code of the user's second factor, and gives a client of that session.
    ///
    /// # Errors
    /// 401 when name, password or code is wrong, or the code was used before.
    pub async fn login_with_code(&self, username: &str, password: &str, code: &str) -> ClientResult<Client> {
        let (username, password) = (username.to_owned(), password.to_owned());
        self.log_in(Login { username, password, totp_code: Some(code.to_owned()) }).await
    }

    async fn log_in(&self, body: Login) -> ClientResult<Client> {
        let response = self.call(Method::POST, &["api", "login"]).json(&body).send().await?;
        let cookie = response.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        // The rest of the header (path, age, flags) is for browsers.
        let cookie = cookie.and_then(|text| text.split(';').next()).ok_or_else(|| ClientError::Answer {
            what: "POST /api/login".to_owned(),
            detail: "it carries no session cookie".to_owned(),
        })?;
        Ok(self.with_key(Key::Session(cookie.to_owned())))
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn logout(&self) -> ClientResult<()> {
        self.call(Method::POST, &["api", "logout"]).send().await.map(drop)
    }

    /// Who the caller is.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn me(&self) -> ClientResult<Me> {
        self.call(Method::GET, &["api", "me"]).value().await
    }

    /// Changes the caller's password.
    ///
    /// # Errors
    /// 400 when the old one is wrong or the new one too weak.
    pub async fn change_password(&self, change: &PasswordChange) -> ClientResult<()> {
        self.call(Method::PUT, &["api", "password"]).json(change).send().await.map(drop)
    }

    /// Makes a personal token; its secret is in this answer only.
    ///
    /// # Errors
    /// 400 when the name is empty or the expiry has passed.
    pub async fn create_token(&self, spec: &TokenSpec) -> ClientResult<IssuedToken> {
        self.call(Method::POST, &["api", "tokens"]).json(spec).value().await
    }

    /// The caller's personal tokens.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn tokens(&self) -> ClientResult<Vec<Token>> {
        self.call(Method::GET, &["api", "tokens"]).list().await.map(|listing| listing.list)
    }

    /// Gives a personal token a new text, in this answer only; the old one ends. It has another id then.
    ///
    /// # Errors
    /// 404 when there is none of this id.
    pub async fn regenerate_token(&self, id: &str) -> ClientResult<IssuedToken> {
        self.call(Method::PUT, &["api", "tokens", id, "regenerate"]).value().await
    }

    /// Revokes a personal token.
    ///
    /// # Errors
    /// 404 when there is none of this id.
    pub async fn delete_token(&self, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "tokens", id]).send().await.map(drop)
    }

    /// Which version answers.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn version(&self) -> ClientResult<Version> {
        self.call(Method::GET, &["api", "version"]).read().await
    }

    /// Whether the control plane can do its work.
    ///
    /// # Errors
    /// 503 when its database is away.
    pub async fn status(&self) -> ClientResult<Status> {
        self.call(Method::GET, &["api", "status"]).value().await
    }
}
