//! One line per request, in the format of the settings, buffered per worker.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use plugin_api::{Exchange, Piece, Template};

use crate::settings::AccessLog;

/// Written out when it has this many bytes, and every second.
const BUFFER: usize = 64 * 1024;

/// The format where none is set. Source: `access_log_format` of APISIX's `config.yaml`, without what is of LLMs.
pub const ACCESS_LOG_FORMAT: &str = r#"$remote_addr - $remote_user [$time_local] $http_host "$request_line" $status $body_bytes_sent $request_time "$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time "$upstream_scheme://$upstream_host$upstream_uri""#;

/// A worker's end of the access log. Lines are whole: each write appends complete lines.
pub(crate) struct AccessLogWriter {
    sink: RefCell<Sink>,
    format: Template,
}

struct Sink {
    target: Box<dyn Write>,
    buffer: String,
}

impl AccessLogWriter {
    /// Opens the log; `None` when it is off.
    pub(crate) fn open(log: &AccessLog, format: &str) -> io::Result<Option<Self>> {
        let target: Box<dyn Write> = match log {
            AccessLog::Off => return Ok(None),
            AccessLog::Stdout => Box::new(io::stdout()),
            AccessLog::File(path) => Box::new(append_to(path)?),
        };
        let sink = Sink { target, buffer: String::with_capacity(BUFFER + 4096) };
        Ok(Some(Self { sink: RefCell::new(sink), format: Template::parse(format) }))
    }

    /// Adds the line of a finished request.
    pub(crate) fn write(&self, exchange: &Exchange) {
        let mut sink = self.sink.borrow_mut();
        line(&mut sink.buffer, &self.format, exchange);
        if sink.buffer.len() >= BUFFER {
            sink.flush();
        }
    }

    /// Writes out what is buffered.
    pub(crate) fn flush(&self) {
        self.sink.borrow_mut().flush();
    }
}

impl Sink {
    /// A log that cannot be written loses lines; requests go on.
    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        if let Err(error) = self.target.write_all(self.buffer.as_bytes()).and_then(|()| self.target.flush()) {
            tracing::error!(%error, bytes = self.buffer.len(), "the access log cannot be written, lines are lost");
        }
        self.buffer.clear();
    }
}

fn append_to(path: &std::path::Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// What has no value is a dash, as nginx has it.
fn line(out: &mut String, format: &Template, exchange: &Exchange) {
    for piece in format.pieces(exchange) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(Some(value)) => escape(out, &value),
            Piece::Value(None) => out.push('-'),
        }
    }
    out.push('\n');
}

/// What a client wrote must not end the field or the line; as nginx escapes it by default.
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | ..=0x1f | 0x7f.. => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02X}");
            }
            byte => out.push(char::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_client_cannot_forge_a_line() {
        let escaped = |text: &str| {
            let mut out = String::new();
            escape(&mut out, text);
            out
        };
        assert_eq!(escaped("a\"b\nc\\\x7f"), "a\\x22b\\x0Ac\\x5C\\x7F");
        assert_eq!(escaped("/caf\u{e9}"), "/caf\\xC3\\xA9");
    }
}
