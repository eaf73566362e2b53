//! A control plane with its API on free ports.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use api::{ApiSettings, Running, serve};
use control::{Control, ControlSettings, SystemClock};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use store::{MasterKey, Store};
use tokio_util::sync::CancellationToken;

/// Name and password of the first admin.
pub(crate) const ADMIN: (&str, &str) = ("admin", "correct horse battery staple");
/// The key of the Apache APISIX Admin API for the group `default`.
pub(crate) const APISIX_KEY: &str = "edd1c9f034335f136f87ad84b625c8f1";
/// Small, so that tests of the limit are cheap.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;

pub(crate) struct Fixture {
    pub(crate) control: Control,
    pub(crate) http: String,
    pub(crate) https: String,
    /// Root of the Apache APISIX Admin API.
    pub(crate) apisix_admin: String,
    pub(crate) token: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    running: Option<Running>,
    pub(crate) directory: tempfile::TempDir,
    master_key: [u8; 32],
}

/// Status, revision and body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) revision: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> &str {
        self.body["error_msg"].as_str().unwrap_or("no error_msg")
    }

    /// The answer, when it is a good one.
    pub(crate) fn good(self) -> Result<Self> {
        ensure!(self.status == 200, "status {}: {}", self.status, self.body);
        Ok(self)
    }
}

impl Fixture {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(crate::plugins::registry()).await
    }

    /// With these plugins.
    pub(crate) async fn start_with(plugins: &'static plugin_api::Registry) -> Result<Self> {
        Self::start_as(plugins, ApiSettings { requests_per_second: 0, ..ApiSettings::default() }).await
    }

    /// With so many requests a second for each client.
    pub(crate) async fn start_paced(requests_per_second: u32) -> Result<Self> {
        Self::start_as(crate::plugins::registry(), ApiSettings { requests_per_second, ..ApiSettings::default() }).await
    }

    /// The same behind proxies of this network.
    pub(crate) async fn start_behind(proxies: &str, requests_per_second: u32) -> Result<Self> {
        let trusted_proxies = vec![proxies.parse()?];
        let settings = ApiSettings { requests_per_second, trusted_proxies, ..ApiSettings::default() };
        Self::start_as(crate::plugins::registry(), settings).await
    }

    async fn start_as(plugins: &'static plugin_api::Registry, api_settings: ApiSettings) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let url = format!("sqlite://{}", directory.path().join("control.db").display());
        let key = MasterKey::generate()?;
        let master_key = *key.as_bytes();
        let store = Store::open(&url, key).await?;
        let settings = ControlSettings {
            first_admin_password: Some(ADMIN.1.to_owned()),
            apisix_admin_key: Some(APISIX_KEY.to_owned()),
            ..ControlSettings::default()
        };
        let started = Control::start(store, plugins, settings, Arc::new(SystemClock)).await?;
        let loopback = "127.0.0.1:0".parse()?;
        let settings = ApiSettings {
            http: Some(loopback),
            https: Some(loopback),
            apisix_admin: Some(loopback),
            body_limit_bytes: BODY_LIMIT,
            ..api_settings
        };
        let shutdown = CancellationToken::new();
        let running = serve(settings, started.control.clone(), shutdown.clone()).await?;
        let mut fixture = Self {
            control: started.control,
            http: format!("http://{}", running.http.context("http")?),
            https: format!("https://{}", running.https.context("https")?),
            apisix_admin: format!("http://{}/apisix/admin/", running.apisix_admin.context("apisix admin")?),
            token: String::new(),
            client: plain_client()?,
            shutdown,
            running: Some(running),
            directory,
            master_key,
        };
        fixture.token = fixture.first_token().await?;
        Ok(fixture)
    }

    /// Another control plane on the same database, started as operators do when no login option works.
    pub(crate) async fn restarted_with_built_in_login(&self) -> Result<Control> {
        let store = self.store().await?;
        let settings = ControlSettings { force_built_in_login: true, ..ControlSettings::default() };
        Ok(Control::start(store, self.control.plugins(), settings, Arc::new(SystemClock)).await?.control)
    }

    /// Its database.
    pub(crate) async fn store(&self) -> Result<Store> {
        let url = format!("sqlite://{}", self.directory.path().join("control.db").display());
        Ok(Store::open(&url, MasterKey::new(self.master_key)).await?)
    }

    /// Ends the API in order.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        if let Some(running) = self.running.take() {
            running.wait().await;
        }
        self.control.shutdown().await;
    }

    async fn first_token(&self) -> Result<String> {
        let session = self.login().await?.login(ADMIN.0, ADMIN.1).await?;
        let spec = client::api_types::TokenSpec { name: "tests".to_owned(), ..Default::default() };
        Ok(session.create_token(&spec).await?.token)
    }

    /// A typed client without a key.
    pub(crate) async fn login(&self) -> Result<client::Client> {
        Ok(client::Client::new(client::Settings::new(&self.http))?)
    }

    /// A typed client with the admin's token.
    pub(crate) fn typed(&self) -> Result<client::Client> {
        let mut settings = client::Settings::new(&self.http);
        settings.key = Some(client::Key::ApiKey(self.token.clone()));
        Ok(client::Client::new(settings)?)
    }

    /// A bare request without any key.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, &format!("{}{path}", self.http))
    }

    /// The same to any address.
    pub(crate) fn bare(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// A request with the admin's token.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let request = self.request(method, path).header("X-API-KEY", &self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        read(request.send().await?).await
    }

    /// A request to the Apache APISIX Admin API.
    pub(crate) async fn admin(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Response> {
        let method = Method::from_bytes(method.as_bytes())?;
        let request = self.client.request(method, format!("{}{path}", self.apisix_admin)).header("X-API-KEY", key);
        Ok(match body {
            Some(body) => request.json(body),
            None => request,
        }
        .send()
        .await?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(Method::PUT, path, Some(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(Method::PATCH, path, Some(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }
}

fn plain_client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().tls_backend_preconfigured(no_trust()?).build()?)
}

/// reqwest wants TLS set up even for plain HTTP; these requests trust nobody.
pub(crate) fn no_trust() -> Result<rustls::ClientConfig> {
    trust(rustls::RootCertStore::empty())
}

/// A client's TLS that trusts these authorities.
pub(crate) fn trust(authorities: rustls::RootCertStore) -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tls.with_root_certificates(authorities).with_no_client_auth())
}

pub(crate) async fn read(response: Response) -> Result<Answer> {
    let status = response.status().as_u16();
    let revision = response.headers().get("x-flotilla-revision").and_then(|value| value.to_str().ok()?.parse().ok());
    let text = response.text().await?;
    let body = if text.is_empty() { json!(null) } else { serde_json::from_str(&text).with_context(|| text.clone())? };
    Ok(Answer { status, revision, body })
}

/// In unix seconds.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed()
}

/// A path of `/apisix/admin` in the group `default`.
pub(crate) fn admin(path: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("/apisix/admin/{path}{mark}gateway_group_id=default")
}

/// A service that is valid.
pub(crate) fn service(name: &str) -> Value {
    json!({"name": name, "upstream": {"nodes": [{"host": "127.0.0.1", "port": 8080, "weight": 1}]}})
}

/// A route of a service.
pub(crate) fn route(service: &str, path: &str) -> Value {
    json!({"name": "r", "service_id": service, "paths": [path]})
}
