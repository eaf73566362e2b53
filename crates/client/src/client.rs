//! The connection to one control plane, and how requests and answers are read.

use std::time::Duration;

use api_types::{ErrorBody, Listing, Valued};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ClientError, ClientResult};
use crate::trust::Trust;

/// Where the control plane is and how to reach it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address: `https://host:7443`.
    pub server: String,
    /// Whom to trust on HTTPS.
    pub trust: Trust,
    /// How the client proves who it is; none for what needs no proof.
    pub key: Option<Key>,
    /// Longest time for one request.
    pub timeout: Duration,
}

impl Settings {
    /// The address alone, everything else by default: the system's authorities, no key, 30 seconds.
    pub fn new(server: impl Into<String>) -> Self {
        Self { server: server.into(), trust: Trust::System, key: None, timeout: Duration::from_secs(30) }
    }
}

/// How a client proves who it is.
#[derive(Clone)]
pub enum Key {
    /// A personal token (`a7ee-...`) or a group's admin key (`a7adm-...`).
    ApiKey(String),
    /// What [`Client::login`] gave.
    Session(String),
    /// Name and password with each request: for a single one.
    Basic {
        /// Name of the user.
        username: String,
        /// Its password.
        password: String,
    },
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(..)",
            Self::Session(_) => "Session(..)",
            Self::Basic { .. } => "Basic(..)",
        })
    }
}

/// A client of one control plane; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
    key: Option<Key>,
}

impl Client {
    /// A client; connects at the first call.
    ///
    /// # Errors
    /// When the address is none, or the authority to trust cannot be used.
    pub fn new(settings: Settings) -> ClientResult<Self> {
        let server = Url::parse(&settings.server).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let server = server.ok_or_else(|| ClientError::Address(settings.server.clone()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(settings.trust.client_config()?)
            .timeout(settings.timeout)
            .user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| ClientError::NoAnswer { server: settings.server.clone(), source })?;
        Ok(Self { http, server, key: settings.key })
    }

    /// The same client with another proof.
    pub fn with_key(&self, key: Key) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    /// The server it speaks to.
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    /// A call: method and path segments, each of which is percent-encoded.
    pub(crate) fn call(&self, method: Method, segments: &[&str]) -> Call<'_> {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let what = format!("{method} {}", url.path());
        let request = self.http.request(method, url);
        let request = match &self.key {
            Some(Key::ApiKey(key)) => request.header("X-API-KEY", key),
            Some(Key::Session(cookie)) => request.header(header::COOKIE, cookie),
            Some(Key::Basic { username, password }) => request.basic_auth(username, Some(password)),
            None => request,
        };
        Call { client: self, what, request }
    }
}

/// A request being put together.
pub(crate) struct Call<'c> {
    client: &'c Client,
    what: String,
    request: RequestBuilder,
}

impl Call<'_> {
    /// Adds parameters to the address.
    pub(crate) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.request = self.request.query(pairs);
        self
    }

    /// Gives the whole exchange this long instead of the client's time.
    pub(crate) fn within(mut self, time: Duration) -> Self {
        self.request = self.request.timeout(time);
        self
    }

    /// Makes the write depend on the head being this revision.
    pub(crate) fn if_match(mut self, revision: Option<u64>) -> Self {
        if let Some(revision) = revision {
            self.request = self.request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        self
    }

    /// Adds a JSON body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Sends it and reads `{value}`.
    pub(crate) async fn value<T: DeserializeOwned>(self) -> ClientResult<T> {
        self.read().await.map(|Valued { value }| value)
    }

    /// Sends it and reads `{list, total}`.
    pub(crate) async fn list<T: DeserializeOwned>(self) -> ClientResult<Listing<T>> {
        self.read().await
    }

    /// Sends it and reads the whole answer as `T`.
    pub(crate) async fn read<T: DeserializeOwned>(self) -> ClientResult<T> {
        let (what, server) = (self.what.clone(), self.client.server.to_string());
        let response = self.send().await?;
        let bytes = response.bytes().await.map_err(|source| ClientError::NoAnswer { server, source })?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer { what, detail: error.to_string() })
    }

    /// Sends it; an answer other than 2xx is an error.
    pub(crate) async fn send(self) -> ClientResult<Response> {
        let server = self.client.server.to_string();
        let response = self.request.send().await.map_err(|source| ClientError::NoAnswer { server, source })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }
}

async fn refusal(response: Response) -> ClientError {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    let error_msg = match serde_json::from_str::<ErrorBody>(&text) {
        Ok(body) => body.error_msg,
        Err(_) => reason(status),
    };
    ClientError::Refused { status: status.as_u16(), error_msg }
}

fn reason(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("refused without a reason").to_owned()
}
