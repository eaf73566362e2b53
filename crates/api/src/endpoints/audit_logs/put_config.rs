//! `PUT /api/audit_logs/config`

use api_types::{AuditConfig, AuditStream, AuditSyslog, AuditWebhook, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use control::audit::{self, SecretHeader, StreamTarget, SyslogTransport, WebhookFormat};
use model::Fault;

use super::get_config::shown;
use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;
use crate::input::JsonBody;

/// Sets how long the audit log is kept and where it is streamed to. A new stream begins with what is recorded from now on.
#[utoipa::path(put, path = "/api/audit_logs/config", tag = "audit", request_body = AuditConfig,
    responses((status = OK, body = Valued<AuditConfig>), (status = BAD_REQUEST, body = api_types::ErrorBody)))]
pub(crate) async fn put_audit_config(
    caller: Caller,
    State(control): State<Control>,
    JsonBody(config): JsonBody<AuditConfig>,
) -> ApiResult<Json<Valued<AuditConfig>>> {
    let stream = config.stream.map(target).transpose()?;
    let config = audit::AuditConfig { retention_days: config.retention_days, stream };
    Ok(value(shown(control.set_audit_config(&caller.actor, config).await?)))
}

fn target(stream: AuditStream) -> Result<StreamTarget, Fault> {
    Ok(match stream {
        AuditStream::Webhook(AuditWebhook { url, format, header }) => {
            let format = match format.as_str() {
                "lines" => WebhookFormat::Lines,
                "array" => WebhookFormat::Array,
                _ => return Err(Fault::new("/stream/format", "must be \"lines\" or \"array\"")),
            };
            let header = header.map(|header| SecretHeader { name: header.name, value: header.value });
            StreamTarget::Webhook(audit::Webhook { url, format, header })
        }
        AuditStream::Syslog(AuditSyslog { address, transport, facility }) => {
            let transport = match transport.as_str() {
                "tcp" => SyslogTransport::Tcp,
                "udp" => SyslogTransport::Udp,
                _ => return Err(Fault::new("/stream/transport", "must be \"tcp\" or \"udp\"")),
            };
            StreamTarget::Syslog(audit::Syslog { address, transport, facility })
        }
    })
}
