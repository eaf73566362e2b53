//! One line per request, in APISIX's format, buffered per worker.
//!
//! Source: `access_log_format` of APISIX's `config.yaml`.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use plugin_api::{Exchange, Var, var};

use crate::settings::AccessLog;

/// Written out when it has this many bytes, and every second.
const BUFFER: usize = 64 * 1024;

/// A worker's end of the access log. Lines are whole: each write appends complete lines.
pub(crate) struct AccessLogWriter {
    sink: RefCell<Sink>,
}

struct Sink {
    target: Box<dyn Write>,
    buffer: String,
}

impl AccessLogWriter {
    /// Opens the log; `None` when it is off.
    pub(crate) fn open(log: &AccessLog) -> io::Result<Option<Self>> {
        let target: Box<dyn Write> = match log {
            AccessLog::Off => return Ok(None),
            AccessLog::Stdout => Box::new(io::stdout()),
            AccessLog::File(path) => Box::new(append_to(path)?),
        };
        Ok(Some(Self { sink: RefCell::new(Sink { target, buffer: String::with_capacity(BUFFER + 4096) }) }))
    }

    /// Adds the line of a finished request.
    pub(crate) fn write(&self, exchange: &Exchange) {
        let mut sink = self.sink.borrow_mut();
        // Writing to a String cannot fail.
        let _ = line(&mut sink.buffer, exchange);
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

fn line(out: &mut String, exchange: &Exchange) -> std::fmt::Result {
    let outcome = &exchange.outcome;
    let variable = |name: &str| Var::parse(name).get(exchange).map(|value| value.into_owned());
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let header = |name: &str| escape(exchange.header(name).unwrap_or("-"));
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    write!(out, "{} - - [{}] {} ", exchange.client.remote.ip(), var::iso8601(since_epoch), header("host"))?;
    write!(out, "\"{} {} {:?}\" ", exchange.method, escape(&exchange.uri.to_string()), exchange.version)?;
    write!(out, "{} {} ", exchange.response.status.as_u16(), outcome.body_bytes_sent)?;
    write!(out, "{} \"{}\" \"{}\" ", or_dash(variable("request_time")), header("referer"), header("user-agent"))?;
    write!(out, "{} ", outcome.upstream_addr.as_deref().unwrap_or("-"))?;
    write!(out, "{} {} ", or_dash(variable("upstream_status")), or_dash(variable("upstream_response_time")))?;
    let (route, consumer) = (or_dash(variable("route_id")), or_dash(variable("consumer_name")));
    writeln!(out, "route={route} consumer={consumer} fault={}", outcome.fault.unwrap_or("-"))
}

/// What a client wrote must not end the field or the line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                let _ = write!(out, "\\x{:02X}", c as u32);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_client_cannot_forge_a_line() {
        assert_eq!(escape("a\"b\nc\\"), "a\\x22b\\x0Ac\\x5C");
        assert_eq!(escape("/café"), "/café");
    }
}
