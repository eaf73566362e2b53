//! How long the log is kept, and where it is streamed to.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::audit::StreamState;

use super::{MASK, entry};
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor};

const SETTING: &str = "audit-config";
const DAY_SECONDS: i64 = 24 * 3600;
/// How often old rows are looked for.
const PRUNE_EVERY_SECONDS: i64 = 3600;
const MAX_RETENTION_DAYS: u32 = 36_500;
const MAX_TEXT_BYTES: usize = 2048;

/// The log's settings. They lie sealed in the database, for a stream's header may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditConfig {
    /// Older rows are removed.
    pub retention_days: u32,
    /// Where rows are sent as they are recorded.
    pub stream: Option<StreamTarget>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { retention_days: 60, stream: None }
    }
}

/// Where rows are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamTarget {
    /// POST requests.
    Webhook(Webhook),
    /// Syslog messages.
    Syslog(Syslog),
}

/// A server that takes rows by POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// `http://` or `https://`.
    pub url: String,
    /// How a body carries many rows.
    pub format: WebhookFormat,
    /// A header that lets us in.
    pub header: Option<SecretHeader>,
}

/// How a body carries many rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// One JSON object a line.
    #[default]
    Lines,
    /// One JSON array.
    Array,
}

/// A header whose value is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHeader {
    /// `Authorization`.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A syslog server (RFC 5424).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syslog {
    /// `host:port`.
    pub address: String,
    /// By which protocol.
    pub transport: SyslogTransport,
    /// 0 to 23; 13 is "log audit".
    pub facility: u8,
}

/// How syslog messages travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyslogTransport {
    /// With octet counting (RFC 6587).
    #[default]
    Tcp,
    /// A message a datagram (RFC 5426); what is lost on the way nobody knows.
    Udp,
}

impl AuditConfig {
    /// Without the secret.
    pub fn masked(mut self) -> Self {
        if let Some(StreamTarget::Webhook(Webhook { header: Some(header), .. })) = &mut self.stream {
            MASK.clone_into(&mut header.value);
        }
        self
    }

    /// A client that sends back what it was shown means the secret that stands; for another address it must know it,
    /// or who may change the settings could have the secret sent to himself.
    fn with_secret_of(mut self, old: &Self) -> Self {
        if let Some(StreamTarget::Webhook(Webhook { url, header: Some(header), .. })) = &mut self.stream
            && header.value == MASK
            && let Some(StreamTarget::Webhook(Webhook { url: kept_url, header: Some(kept), .. })) = &old.stream
            && (&*url, &header.name) == (kept_url, &kept.name)
        {
            header.value.clone_from(&kept.value);
        }
        self
    }

    fn check(&self) -> Result<(), ControlError> {
        if !(1..=MAX_RETENTION_DAYS).contains(&self.retention_days) {
            return Err(ControlError::fault("/retention_days", format!("must be 1 to {MAX_RETENTION_DAYS}")));
        }
        match &self.stream {
            Some(StreamTarget::Webhook(webhook)) => webhook.check(),
            Some(StreamTarget::Syslog(syslog)) => syslog.check(),
            None => Ok(()),
        }
    }
}

impl Webhook {
    fn check(&self) -> Result<(), ControlError> {
        let host = ["http://", "https://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let host = host.filter(|host| !host.is_empty() && !host.starts_with(['/', ':', '?']));
        if host.is_none() || !is_plain(&self.url) || self.url.contains(' ') {
            return Err(ControlError::fault("/stream/url", "must be an address that begins with http:// or https://"));
        }
        let Some(header) = &self.header else { return Ok(()) };
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if header.name.is_empty() || !header.name.chars().all(is_token) {
            return Err(ControlError::fault("/stream/header/name", "must be the name of an HTTP header"));
        }
        if header.value == MASK {
            return Err(ControlError::fault(
                "/stream/header/value",
                "must be the secret itself for another address or header",
            ));
        }
        if header.value.is_empty() || !header.value.is_ascii() || !is_plain(&header.value) {
            return Err(ControlError::fault("/stream/header/value", "must be one line of ASCII text"));
        }
        Ok(())
    }
}

impl Syslog {
    fn check(&self) -> Result<(), ControlError> {
        let parts = self.address.rsplit_once(':');
        let right = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0));
        if !right || !is_plain(&self.address) {
            return Err(ControlError::fault("/stream/address", "must be host:port"));
        }
        if self.facility > 23 {
            return Err(ControlError::fault("/stream/facility", "must be 0 to 23"));
        }
        Ok(())
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
}

impl Control {
    /// The log's settings, with the secret masked, and how the stream fares.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn audit_config(&self, actor: &Actor) -> Result<(AuditConfig, Option<StreamState>), ControlError> {
        self.permit_audit(actor, Action::GetAudit).await?;
        let config = self.standing_audit_config().await?;
        Ok((config.masked(), self.within(self.inner.store.audit().stream_state()).await?))
    }

    /// Replaces the log's settings. A stream begins with what is recorded from now on; one that changes its target
    /// goes on where it was.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn set_audit_config(&self, actor: &Actor, config: AuditConfig) -> Result<AuditConfig, ControlError> {
        self.permit_audit(actor, Action::UpdateAuditConfig).await?;
        let old = self.standing_audit_config().await?;
        let config = config.with_secret_of(&old);
        config.check()?;
        let entry = entry(actor, "UpdateAuditConfig").of("audit_log", "").detail(changed(&old, &config)?);
        let value = serde_json::to_vec(&config).map_err(ControlError::internal)?;
        // The cursor first: a stream without one would begin with the oldest row.
        if old.stream.is_none() && config.stream.is_some() {
            self.within(self.inner.store.audit().begin_stream()).await?;
        }
        self.within(self.inner.store.settings().put_audited(SETTING, &value, &entry.into())).await?;
        if config.stream.is_none() {
            self.within(self.inner.store.audit().end_stream()).await?;
        }
        self.inner.next_prune.store(0, Ordering::Relaxed);
        Ok(config.masked())
    }

    pub(super) async fn standing_audit_config(&self) -> Result<AuditConfig, ControlError> {
        let Some(value) = self.within(self.inner.store.settings().get(SETTING)).await? else {
            return Ok(AuditConfig::default());
        };
        serde_json::from_slice(&value).map_err(ControlError::internal)
    }

    /// Removes rows older than the settings allow, now and then.
    pub(crate) async fn prune_audit_log(&self) -> Result<(), ControlError> {
        let now = self.now();
        if now < self.inner.next_prune.load(Ordering::Relaxed) {
            return Ok(());
        }
        let days = self.standing_audit_config().await?.retention_days;
        let before = now.saturating_sub(i64::from(days).saturating_mul(DAY_SECONDS));
        // No deadline over the whole: it goes in small steps, each with its own.
        let pruned = self.inner.store.audit().prune(before).await?;
        self.inner.next_prune.store(now.saturating_add(PRUNE_EVERY_SECONDS), Ordering::Relaxed);
        if pruned.rows + pruned.unchained == 0 {
            return Ok(());
        }
        let detail = json!({ "removed": pruned.rows + pruned.unchained, "before": before, "retention_days": days });
        let entry = entry(&Actor::system(), "PruneAuditLog").of("audit_log", "").detail(detail);
        self.within(self.inner.store.audit().record(&entry.into())).await
    }
}

fn changed(before: &AuditConfig, after: &AuditConfig) -> Result<Value, ControlError> {
    let show = |config: &AuditConfig| serde_json::to_value(config.clone().masked()).map_err(ControlError::internal);
    let mut detail = json!({ "before": show(before)?, "after": show(after)? });
    let secret = |config: &AuditConfig| match &config.stream {
        Some(StreamTarget::Webhook(webhook)) => webhook.header.clone(),
        _ => None,
    };
    // Masked, both look alike.
    detail["secret_changed"] = (secret(before) != secret(after)).into();
    Ok(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str, value: &str) -> AuditConfig {
        let header = Some(SecretHeader { name: "Authorization".into(), value: value.into() });
        let webhook = Webhook { url: url.into(), format: WebhookFormat::Lines, header };
        AuditConfig { stream: Some(StreamTarget::Webhook(webhook)), ..AuditConfig::default() }
    }

    fn secret(config: &AuditConfig) -> &str {
        match &config.stream {
            Some(StreamTarget::Webhook(webhook)) => webhook.header.as_ref().map_or("", |header| &header.value),
            _ => "",
        }
    }

    #[test]
    fn a_mask_sent_back_keeps_the_secret() {
        let old = webhook("http://a", "hush");
        assert_eq!(secret(&old.clone().masked()), MASK);
        assert_eq!(secret(&old.clone().masked().with_secret_of(&old)), "hush");
        assert_eq!(secret(&webhook("http://a", "new").with_secret_of(&old)), "new");
        let elsewhere = webhook("http://b", MASK).with_secret_of(&old);
        assert!(secret(&elsewhere) == MASK && elsewhere.check().is_err(), "the secret goes to no other address");
        assert!(!format!("{old:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        let pointer = |config: AuditConfig| match config.check() {
            Err(ControlError::Invalid(faults)) => faults.0[0].pointer.clone(),
            _ => String::new(),
        };
        assert_eq!(pointer(webhook("https://logs.example/in", "x")), "");
        assert_eq!(pointer(webhook("ftp://logs.example", "x")), "/stream/url");
        assert_eq!(pointer(webhook("http:///path", "x")), "/stream/url");
        assert_eq!(pointer(webhook("http://a", "x\r\nHost: b")), "/stream/header/value");
        assert_eq!(pointer(AuditConfig { retention_days: 0, stream: None }), "/retention_days");
        let syslog = |address: &str, facility| {
            let syslog = Syslog { address: address.into(), transport: SyslogTransport::Tcp, facility };
            AuditConfig { stream: Some(StreamTarget::Syslog(syslog)), ..AuditConfig::default() }
        };
        assert_eq!(pointer(syslog("logs:514", 13)), "");
        assert_eq!(pointer(syslog("logs", 13)), "/stream/address");
        assert_eq!(pointer(syslog("logs:514", 24)), "/stream/facility");
    }
}
