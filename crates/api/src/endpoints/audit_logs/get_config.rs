//! `GET /api/audit_logs/config`

use api_types::{AuditConfig, AuditHeader, AuditStream, AuditStreamState, AuditSyslog, AuditWebhook, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::audit::{self, StreamTarget, SyslogTransport, WebhookFormat};
use store::audit::StreamState;

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;

/// How long the audit log is kept, where it is streamed to, and how that goes.
#[utoipa::path(get, path = "/api/audit_logs/config", tag = "audit",
    responses((status = OK, body = Valued<AuditConfig>), (status = FORBIDDEN, body = api_types::ErrorBody)))]
pub(crate) async fn get_audit_config(
    caller: Caller,
    State(control): State<Control>,
) -> ApiResult<Json<Valued<AuditConfig>>> {
    let (config, state) = control.audit_config(&caller.actor).await?;
    Ok(value(AuditConfig { stream_state: state.map(shown_state), ..shown(config) }))
}

/// The settings in the API's words.
pub(super) fn shown(config: audit::AuditConfig) -> AuditConfig {
    let stream = config.stream.map(|target| match target {
        StreamTarget::Webhook(webhook) => AuditStream::Webhook(shown_webhook(webhook)),
        StreamTarget::Syslog(syslog) => AuditStream::Syslog(shown_syslog(syslog)),
    });
    AuditConfig { retention_days: config.retention_days, stream, stream_state: None }
}

fn shown_webhook(webhook: audit::Webhook) -> AuditWebhook {
    let format = match webhook.format {
        WebhookFormat::Lines => "lines",
        WebhookFormat::Array => "array",
    };
    let header = webhook.header.map(|header| AuditHeader { name: header.name, value: header.value });
    AuditWebhook { url: webhook.url, format: format.to_owned(), header }
}

fn shown_syslog(syslog: audit::Syslog) -> AuditSyslog {
    let transport = match syslog.transport {
        SyslogTransport::Tcp => "tcp",
        SyslogTransport::Udp => "udp",
    };
    AuditSyslog { address: syslog.address, transport: transport.to_owned(), facility: syslog.facility }
}

fn shown_state(state: StreamState) -> AuditStreamState {
    let StreamState { delivered, lost, failures, last_error, delivered_at, waiting } = state;
    AuditStreamState { delivered, waiting, lost, failures, last_error, delivered_at }
}
