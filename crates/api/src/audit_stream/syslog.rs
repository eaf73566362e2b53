//! Rows to a syslog server (RFC 5424), each as one message whose text is the row's JSON.
//!
//! Syslog has no answers: over TCP a batch counts as arrived when it is written and the server has not hung up; over UDP
//! when it is sent. Who needs more takes a webhook.

use std::io;
use std::time::Duration;

use control::audit::{Syslog, SyslogTransport};
use serde_json::json;
use store::Outcome;
use store::audit::AuditRow;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::SinkError;
use crate::endpoints::audit_logs::shown;

/// How long a server is given to hang up after a batch.
const HANG_UP: Duration = Duration::from_millis(50);
/// A datagram's longest text; IPv4 takes 65,507 bytes.
const MAX_DATAGRAM_BYTES: usize = 60_000;
/// RFC 5424, section 6: the longest MSGID.
const MAX_MSGID: usize = 32;

/// A connection to one syslog server.
pub(super) struct SyslogSink {
    syslog: Syslog,
    stream: Option<TcpStream>,
    socket: Option<UdpSocket>,
}

impl SyslogSink {
    pub(super) fn new(syslog: Syslog) -> Self {
        Self { syslog, stream: None, socket: None }
    }

    pub(super) async fn send(&mut self, rows: &[AuditRow]) -> Result<(), SinkError> {
        match self.syslog.transport {
            SyslogTransport::Tcp => self.send_stream(rows).await,
            SyslogTransport::Udp => self.send_datagrams(rows).await,
        }
    }

    async fn send_stream(&mut self, rows: &[AuditRow]) -> Result<(), SinkError> {
        let mut bytes = Vec::new();
        for row in rows {
            let message = message(row, self.syslog.facility)?;
            // RFC 6587, section 3.4.1: octet counting.
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(message.as_bytes());
        }
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&self.syslog.address).await?,
        };
        // A server that went away between two batches would take the first bytes without a word.
        hung_up(&mut stream, Duration::ZERO).await?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        hung_up(&mut stream, HANG_UP).await?;
        self.stream = Some(stream);
        Ok(())
    }

    async fn send_datagrams(&mut self, rows: &[AuditRow]) -> Result<(), SinkError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connected_socket(&self.syslog.address).await?,
        };
        for row in rows {
            let mut text = message(row, self.syslog.facility)?;
            if text.len() > MAX_DATAGRAM_BYTES {
                let mut short = row.clone();
                short.entry.detail = json!({ "omitted": "too long for a datagram" });
                text = message(&short, self.syslog.facility)?;
            }
            socket.send(text.as_bytes()).await?;
        }
        self.socket = Some(socket);
        Ok(())
    }
}

async fn connected_socket(address: &str) -> io::Result<UdpSocket> {
    let mut last = io::Error::other("the address names no host");
    for address in tokio::net::lookup_host(address).await? {
        let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(local).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// An error if the server hangs up within this time; what it says is read and forgotten.
async fn hung_up(stream: &mut TcpStream, within: Duration) -> io::Result<()> {
    let mut said = [0; 512];
    match tokio::time::timeout(within, stream.read(&mut said)).await {
        Ok(Ok(0)) => Err(io::ErrorKind::ConnectionReset.into()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// RFC 5424, section 6. There is no structured data: the text is JSON.
fn message(row: &AuditRow, facility: u8) -> Result<String, SinkError> {
    let severity = match row.entry.outcome {
        Outcome::Ok => 6,
        Outcome::Failed => 5,
        Outcome::Refused => 4,
    };
    let priority = u32::from(facility) * 8 + severity;
    let time = jiff::Timestamp::from_millisecond(row.at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let visible = |c: &char| c.is_ascii_graphic();
    let action: String = row.entry.action.chars().filter(visible).take(MAX_MSGID).collect();
    let action = if action.is_empty() { "-" } else { &action };
    let text = serde_json::to_string(&shown(row.clone()))?;
    Ok(format!("<{priority}>1 {time} - flotilla {} {action} - {text}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use store::AuditEntry;

    use super::*;

    #[test]
    fn a_message_has_rfc_5424_s_parts() {
        let entry = AuditEntry { action: "Log in".into(), outcome: Outcome::Refused, ..AuditEntry::default() };
        let row = AuditRow { id: "1".into(), at_ms: 1_700_000_000_123, revision: None, entry, link: None };
        let text = message(&row, 13).expect("written");
        let pid = std::process::id();
        let head = format!("<108>1 2023-11-14T22:13:20.123Z - flotilla {pid} Login - {{\"id\":\"1\"");
        assert!(text.starts_with(&head), "{text}");
    }
}
