//! Calls to the provider: each has a deadline and a bound on what comes back.

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;

use crate::config::OidcConfig;
use crate::error::SignOnError;
use crate::tls::{self, Trust};

/// Far more than any discovery document, key set or token is.
const ANSWER_LIMIT_BYTES: usize = 512 * 1024;

/// Redirects within one host that are followed.
const REDIRECTS_MAX: usize = 3;

/// A client of one provider.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    deadline: Duration,
}

/// A whole answer.
pub(super) struct Answer {
    what: String,
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

impl Http {
    pub(super) fn new(config: &OidcConfig) -> Result<Self, SignOnError> {
        let trust = Trust::of(config.ssl_verify, &config.root_ca_cert);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(trust, None)?)
            .timeout(config.deadline())
            .redirect(Policy::custom(within_host))
            .user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SignOnError::Client)?;
        Ok(Self { client, deadline: config.deadline() })
    }

    /// Reads a document; `bearer` is the access token to show.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &Url, bearer: Option<&str>) -> Result<T, SignOnError> {
        let mut request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        let answer = self.call(url, request).await?;
        if !answer.status.is_success() {
            return Err(answer.wrong(format!("status {}", answer.status)));
        }
        answer.json()
    }

    /// Sends a form; the answer may be a refusal.
    pub(super) async fn post(&self, url: &Url, form: String, basic: Option<String>) -> Result<Answer, SignOnError> {
        let mut request = self.client.post(url.clone()).header(header::ACCEPT, "application/json");
        if let Some(credentials) = basic {
            request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
        }
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        self.call(url, request).await
    }

    async fn call(&self, url: &Url, request: RequestBuilder) -> Result<Answer, SignOnError> {
        let what = url.to_string();
        let response = request.send().await.map_err(|error| self.failure(&what, &error))?;
        let status = response.status();
        let body = self.body(&what, response).await?;
        Ok(Answer { what, status, body })
    }

    async fn body(&self, what: &str, mut response: Response) -> Result<Vec<u8>, SignOnError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(what, &error))? {
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(SignOnError::TooLarge { what: what.to_owned(), limit_bytes: ANSWER_LIMIT_BYTES });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failure(&self, what: &str, error: &reqwest::Error) -> SignOnError {
        let what = what.to_owned();
        if error.is_timeout() {
            return SignOnError::TimedOut { what, after: self.deadline };
        }
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let why: Vec<_> = causes.map(ToString::to_string).collect();
        SignOnError::Unreachable { what, why: if why.is_empty() { error.to_string() } else { why.join(": ") } }
    }
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, SignOnError> {
        serde_json::from_slice(&self.body).map_err(|error| self.wrong(error.to_string()))
    }

    pub(super) fn wrong(&self, why: String) -> SignOnError {
        SignOnError::Answer { what: self.what.clone(), why }
    }
}

/// Another host could be one that the provider's TLS certificate says nothing of, or one of our own network.
/// A redirect that is not followed is the answer, and its status says what happened.
fn within_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let is_same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    if is_same && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}
