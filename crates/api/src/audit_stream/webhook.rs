//! Rows to a server by POST.

use std::sync::Arc;
use std::time::Duration;

use control::audit::{SecretHeader, Webhook, WebhookFormat};
use http::{HeaderName, HeaderValue, header};
use reqwest::redirect::Policy;
use rustls_platform_verifier::BuilderVerifierExt;
use store::audit::AuditRow;

use super::SinkError;
use crate::endpoints::audit_logs::shown;

/// A client of one webhook.
pub(super) struct WebhookSink {
    client: reqwest::Client,
    webhook: Webhook,
}

impl WebhookSink {
    pub(super) fn new(webhook: Webhook, deadline: Duration) -> Result<Self, SinkError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map_err(|error| SinkError::Refused(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth();
        // No redirects: they would carry the secret elsewhere.
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none()).timeout(deadline);
        let client = client.user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION"))).build();
        Ok(Self { client: client.map_err(|error| SinkError::Refused(error.to_string()))?, webhook })
    }

    pub(super) async fn send(&self, rows: &[AuditRow]) -> Result<(), SinkError> {
        let mut request = self.client.post(&self.webhook.url).header(header::CONTENT_TYPE, self.content_type());
        if let Some(secret) = &self.webhook.header {
            let (name, value) = parse(secret)?;
            request = request.header(name, value);
        }
        let answer = request.body(body(rows, self.webhook.format)?).send().await;
        let answer = answer.map_err(|error| SinkError::Refused(cause(&error.without_url())))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(SinkError::Refused(format!("the webhook answered {}", answer.status())))
    }

    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(match self.webhook.format {
            WebhookFormat::Lines => "application/x-ndjson",
            WebhookFormat::Array => "application/json",
        })
    }
}

fn parse(secret: &SecretHeader) -> Result<(HeaderName, HeaderValue), SinkError> {
    let name = HeaderName::from_bytes(secret.name.as_bytes());
    let name = name.map_err(|_| SinkError::Refused("the header's name is none".to_owned()))?;
    let value = HeaderValue::from_str(&secret.value);
    let mut value = value.map_err(|_| SinkError::Refused("the header's value is none".to_owned()))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn body(rows: &[AuditRow], format: WebhookFormat) -> Result<Vec<u8>, SinkError> {
    let rows: Vec<_> = rows.iter().cloned().map(shown).collect();
    if format == WebhookFormat::Array {
        return Ok(serde_json::to_vec(&rows)?);
    }
    let mut lines = Vec::new();
    for row in &rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The last cause says it; what stands before it is how one came there.
fn cause(error: &dyn std::error::Error) -> String {
    let deepest = std::iter::successors(Some(error), |error| error.source()).last();
    deepest.map_or_else(|| error.to_string(), ToString::to_string)
}
