//! Variables by name: nginx's, APISIX's and those of plugins.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, USER_AGENT};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::Exchange;
use crate::graphql::Part;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is escaped in `ssl_client_escaped_cert`: all but what RFC 3986 reserves for nothing.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A variable, resolved when a configuration is compiled.
#[derive(Debug, Clone, PartialEq)]
pub enum Var {
    /// `arg_NAME`: a query argument.
    Argument(Box<str>),
    /// `http_NAME`: a request header.
    Header(HeaderName),
    /// `cookie_NAME`
    Cookie(Box<str>),
    /// `uri_param_NAME`: a `:name` segment of the matched path.
    PathParameter(Box<str>),
    /// `post_arg_NAME` or `post_arg.NAME`: a field of a form or JSON body that was read.
    BodyArgument(Box<str>),
    /// `graphql_operation`, `graphql_name`, `graphql_root_fields`: of a query that was read.
    Graphql(Part),
    /// `sent_http_NAME`, `upstream_http_NAME`, `resp_header_NAME`: a response header.
    ResponseHeader(HeaderName),
    /// One with a fixed name.
    Known(Known),
    /// Any other: what a plugin left under this name.
    Note(Box<str>),
}

macro_rules! known {
    ($($variant:ident = $($name:literal)|+;)*) => {
        /// Variables with a fixed name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Known { $($variant),* }

        impl Known {
            fn parse(name: &str) -> Option<Self> {
                match name {
                    $($($name)|+ => Some(Known::$variant),)*
                    _ => None,
                }
            }
        }

        /// Every fixed name, for expression builders and documentation.
        pub const KNOWN_NAMES: &[&str] = &[$($($name),+),*];
    };
}

known! {
    Uri = "uri" | "document_uri";
    RequestUri = "request_uri";
    RealRequestUri = "real_request_uri";
    Args = "args" | "query_string";
    IsArgs = "is_args";
    Request = "request" | "request_line";
    RequestMethod = "request_method" | "method";
    Scheme = "scheme";
    Host = "host";
    ServerName = "server_name";
    ServerPort = "server_port";
    ServerAddr = "server_addr";
    ServerProtocol = "server_protocol";
    RemoteAddr = "remote_addr";
    RemotePort = "remote_port";
    RemoteUser = "remote_user";
    RealipRemoteAddr = "realip_remote_addr";
    RealipRemotePort = "realip_remote_port";
    BinaryRemoteAddr = "binary_remote_addr";
    ContentType = "content_type";
    ContentLength = "content_length";
    RequestLength = "request_length";
    RequestTime = "request_time";
    RequestId = "request_id";
    Status = "status";
    BodyBytesSent = "body_bytes_sent";
    BytesSent = "bytes_sent";
    UpstreamAddr = "upstream_addr";
    UpstreamStatus = "upstream_status";
    UpstreamResponseTime = "upstream_response_time" | "apisix_upstream_response_time" | "upstream_header_time";
    GatewayFault = "gateway_fault";
    UpstreamUri = "upstream_uri";
    UpstreamHost = "upstream_host";
    UpstreamScheme = "upstream_scheme";
    BalancerIp = "balancer_ip";
    BalancerPort = "balancer_port";
    UpstreamUnresolvedHost = "upstream_unresolved_host";
    ProxyAddXForwardedFor = "proxy_add_x_forwarded_for";
    SslServerName = "ssl_server_name";
    SslProtocol = "ssl_protocol";
    SslCipher = "ssl_cipher";
    SslClientVerify = "ssl_client_verify";
    SslClientSerial = "ssl_client_serial";
    SslClientFingerprint = "ssl_client_fingerprint";
    SslClientSubject = "ssl_client_s_dn";
    SslClientIssuer = "ssl_client_i_dn";
    SslClientRawCert = "ssl_client_raw_cert";
    SslClientEscapedCert = "ssl_client_escaped_cert";
    Https = "https";
    ConsumerName = "consumer_name";
    ConsumerGroupId = "consumer_group_id";
    CredentialId = "credential_id";
    RouteId = "route_id";
    RouteName = "route_name";
    ServiceId = "service_id";
    ServiceName = "service_name";
    MatchedUri = "matched_uri";
    MatchedHost = "matched_host";
    Hostname = "hostname";
    Msec = "msec";
    TimeIso8601 = "time_iso8601";
    TimeLocal = "time_local";
}

impl Var {
    /// Resolves a name without `$`. Every name is some variable; one that nobody sets is empty.
    pub fn parse(name: &str) -> Self {
        if let Some(known) = Known::parse(name) {
            return Var::Known(known);
        }
        let header = |text: &str| HeaderName::try_from(text.replace('_', "-")).ok();
        if let Some(rest) = name.strip_prefix("arg_") {
            return Var::Argument(rest.into());
        }
        if let Some(rest) = name.strip_prefix("cookie_") {
            return Var::Cookie(rest.into());
        }
        if let Some(rest) = name.strip_prefix("uri_param_") {
            return Var::PathParameter(rest.into());
        }
        if let Some(rest) = name.strip_prefix("post_arg_").or_else(|| name.strip_prefix("post_arg.")) {
            return Var::BodyArgument(rest.into());
        }
        if let Some(part) = name.strip_prefix("graphql_").and_then(Part::parse) {
            return Var::Graphql(part);
        }
        if let Some(name) = name.strip_prefix("http_").and_then(header) {
            return Var::Header(name);
        }
        let response = ["sent_http_", "upstream_http_", "resp_header_"];
        let response = response.iter().find_map(|prefix| name.strip_prefix(prefix)).and_then(header);
        response.map_or_else(|| Var::Note(name.into()), Var::ResponseHeader)
    }

    /// The variable's value; `None` when it is not set.
    pub fn get<'e>(&self, exchange: &'e Exchange) -> Option<Cow<'e, str>> {
        match self {
            Var::Argument(name) => exchange.query_argument(name),
            Var::Header(name) => header_text(&exchange.headers, name),
            Var::Cookie(name) => exchange.cookie(name).map(Cow::Borrowed),
            Var::PathParameter(name) => path_parameter(exchange, name).map(Cow::Borrowed),
            Var::BodyArgument(name) => body_argument(exchange, name),
            Var::Graphql(part) => part.of(exchange).map(Cow::Owned),
            Var::ResponseHeader(name) => header_text(&exchange.response.headers, name),
            Var::Known(known) => known.get(exchange),
            Var::Note(name) => exchange.note(name).map(|value| match value {
                serde_json::Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            }),
        }
    }
}

impl Known {
    fn get(self, exchange: &Exchange) -> Option<Cow<'_, str>> {
        let outcome = &exchange.outcome;
        let tls = exchange.client.tls.as_deref();
        let certificate = tls.and_then(|tls| tls.client_certificate.as_ref());
        let route = exchange.route();
        let consumer = exchange.consumer.as_ref();
        Some(match self {
            Known::Uri => exchange.path().into(),
            Known::RequestUri => exchange.request_uri(),
            Known::RealRequestUri => exchange.uri.path_and_query().map_or("/", |target| target.as_str()).into(),
            Known::Args => exchange.uri.query()?.into(),
            Known::IsArgs => if exchange.uri.query().is_some_and(|query| !query.is_empty()) { "?" } else { "" }.into(),
            Known::Request => format!("{} {} {:?}", exchange.method, exchange.uri, exchange.version).into(),
            Known::RequestMethod => exchange.method.as_str().into(),
            Known::Scheme => exchange.scheme().into(),
            Known::Host | Known::ServerName => exchange.host().into(),
            Known::ServerPort => exchange.client.local.port().to_string().into(),
            Known::ServerAddr => exchange.client.local.ip().to_string().into(),
            Known::ServerProtocol => protocol(exchange.version).into(),
            Known::RemoteAddr | Known::BinaryRemoteAddr => exchange.client.remote.ip().to_string().into(),
            Known::RemotePort => exchange.client.remote.port().to_string().into(),
            Known::RemoteUser => basic_user(&exchange.headers)?.into(),
            Known::RealipRemoteAddr => exchange.client.peer.ip().to_string().into(),
            Known::RealipRemotePort => exchange.client.peer.port().to_string().into(),
            Known::ContentType => first_line(&exchange.headers, &CONTENT_TYPE)?,
            Known::ContentLength => first_line(&exchange.headers, &CONTENT_LENGTH)?,
            Known::RequestLength => outcome.bytes_received.to_string().into(),
            Known::RequestTime => seconds(outcome.total).into(),
            Known::RequestId => (**exchange.request_id.get_or_init(request_id)).into(),
            Known::Status => exchange.response.status.as_str().to_owned().into(),
            Known::BodyBytesSent => outcome.body_bytes_sent.to_string().into(),
            Known::BytesSent => outcome.bytes_sent.to_string().into(),
            Known::UpstreamAddr => outcome.upstream_addr.as_deref()?.into(),
            Known::UpstreamStatus => statuses(&outcome.upstream_status)?.into(),
            Known::UpstreamResponseTime => seconds(outcome.upstream_latency?).into(),
            Known::GatewayFault => outcome.fault?.into(),
            Known::UpstreamUri => exchange.target.path_and_query.as_deref().unwrap_or(exchange.uri.path()).into(),
            Known::UpstreamHost => exchange.target.host.as_deref().unwrap_or(exchange.host()).into(),
            Known::UpstreamScheme => scheme_name(exchange.target.scheme).into(),
            Known::BalancerIp => outcome.upstream_addr.as_deref()?.rsplit_once(':')?.0.into(),
            Known::BalancerPort => outcome.upstream_addr.as_deref()?.rsplit_once(':')?.1.into(),
            Known::UpstreamUnresolvedHost => {
                let named = outcome.upstream_name.as_deref().or(outcome.upstream_addr.as_deref());
                named?.rsplit_once(':')?.0.into()
            }
            Known::ProxyAddXForwardedFor => {
                let client = exchange.client.remote.ip();
                let before = header_text(&exchange.headers, &X_FORWARDED_FOR);
                before.map_or_else(|| client.to_string(), |before| format!("{before}, {client}")).into()
            }
            Known::SslServerName => tls?.sni.as_deref()?.into(),
            Known::SslProtocol => tls?.protocol.into(),
            Known::SslCipher => tls?.cipher.as_str().into(),
            Known::SslClientVerify => if tls?.client_certificate.is_some() { "SUCCESS" } else { "NONE" }.into(),
            Known::SslClientSerial => certificate?.serial.as_str().into(),
            Known::SslClientFingerprint => certificate?.fingerprint.as_str().into(),
            Known::SslClientSubject => certificate?.subject.as_str().into(),
            Known::SslClientIssuer => certificate?.issuer.as_str().into(),
            Known::SslClientRawCert => certificate?.pem.as_str().into(),
            Known::SslClientEscapedCert => utf8_percent_encode(&certificate?.pem, COMPONENT).to_string().into(),
            Known::Https => if tls.is_some() { "on" } else { "" }.into(),
            Known::ConsumerName => (*consumer?.consumer.username).into(),
            Known::ConsumerGroupId => consumer?.consumer.group_id.as_deref()?.into(),
            Known::CredentialId => consumer?.credential_id.as_deref()?.to_owned().into(),
            Known::RouteId => (*route?.id).into(),
            Known::RouteName => route?.name.as_deref()?.into(),
            Known::ServiceId => route?.service_id.as_deref()?.into(),
            Known::ServiceName => route?.service_name.as_deref()?.into(),
            Known::MatchedUri => (*route?.uri).into(),
            Known::MatchedHost => route?.host.as_deref()?.into(),
            Known::Hostname => hostname().into(),
            Known::Msec => seconds(unix_time()).into(),
            Known::TimeIso8601 => iso8601(unix_time()).into(),
            Known::TimeLocal => common_log_time(unix_time()).into(),
        })
    }
}

/// `HTTP/1.1`
fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        http::Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

fn scheme_name(scheme: Option<model::resource::Scheme>) -> &'static str {
    use model::resource::Scheme;
    match scheme {
        None | Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        Some(Scheme::Grpc) => "grpc",
        Some(Scheme::Grpcs) => "grpcs",
        Some(Scheme::Tcp) => "tcp",
        Some(Scheme::Tls) => "tls",
        Some(Scheme::Udp) => "udp",
        Some(Scheme::Kafka) => "kafka",
    }
}

/// 16 random bytes in hexadecimal digits, as nginx makes them.
fn request_id() -> Box<str> {
    format!("{:032x}", rand::random::<u128>()).into()
}

/// Seconds with milliseconds, as nginx writes times: `0.042`.
fn seconds(time: std::time::Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

fn statuses(statuses: &[u16]) -> Option<String> {
    let (first, rest) = statuses.split_first()?;
    let mut text = first.to_string();
    for status in rest {
        let _ = write!(text, ", {status}");
    }
    Some(text)
}

fn unix_time() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// A moment of the calendar, in UTC.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    fn of(since_epoch: std::time::Duration) -> Self {
        let seconds = since_epoch.as_secs();
        let (year, month, day) = civil_from_days((seconds / 86_400) as i64);
        Self { year, month, day, hour: seconds / 3_600 % 24, minute: seconds / 60 % 60, second: seconds % 60 }
    }
}

/// `2026-11-23T11:39:35+00:00`
fn iso8601(since_epoch: std::time::Duration) -> String {
    let Moment { year, month, day, hour, minute, second } = Moment::of(since_epoch);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// `23/Nov/2026:11:39:35 +0000`, as in the Common Log Format.
fn common_log_time(since_epoch: std::time::Duration) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Moment { year, month, day, hour, minute, second } = Moment::of(since_epoch);
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// The name that a client gives by HTTP Basic, whoever asks for it (RFC 7617).
fn basic_user(headers: &HeaderMap) -> Option<String> {
    let (scheme, code) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = STANDARD.decode(code.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let name = pair.split(|byte| *byte == b':').next().filter(|name| !name.is_empty() && name.len() < pair.len())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Days since 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn hostname() -> &'static str {
    static NAME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    NAME.get_or_init(|| {
        let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname");
        from_kernel.map(|name| name.trim().to_owned()).unwrap_or_default()
    })
}

fn first_line<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()))
}

/// All lines of a header, joined as nginx joins them: whoever decides by one of several must not see another than the node.
fn header_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    let lines = headers.iter().filter(|(own, _)| is_called(own, name));
    let mut lines = lines.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()));
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first) };
    let separator = if *name == COOKIE { "; " } else { ", " };
    Some(Cow::Owned(lines.fold(format!("{first}{separator}{second}"), |joined, line| joined + separator + &line)))
}

/// `X_Role` is `$http_x_role` as `X-Role` is, as in nginx, and in servers behind that make variables of headers.
fn is_called(own: &HeaderName, name: &HeaderName) -> bool {
    if own == name {
        return true;
    }
    let (own, wanted) = (own.as_str().as_bytes(), name.as_str().as_bytes());
    // What nginx knows by itself it takes by its very name.
    let is_known = || *name == USER_AGENT || *name == X_FORWARDED_FOR;
    let is_same = |(own, wanted): (&u8, &u8)| own == wanted || (*own == b'_' && *wanted == b'-');
    own.len() == wanted.len() && own.iter().zip(wanted).all(is_same) && !is_known()
}

fn path_parameter<'e>(exchange: &'e Exchange, name: &str) -> Option<&'e str> {
    let position = exchange.route()?.param_names.iter().position(|param| **param == *name)?;
    let (start, end) = *exchange.params.get(position)?;
    exchange.path().get(start as usize..end as usize)
}

fn body_argument<'e>(exchange: &'e Exchange, name: &str) -> Option<Cow<'e, str>> {
    let body = exchange.request_body.as_deref()?;
    let content_type = exchange.header("content-type")?;
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return query_argument(std::str::from_utf8(body).ok()?, name);
    }
    if !content_type.starts_with("application/json") {
        return None;
    }
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    match name.split('.').try_fold(&document, |value, key| value.get(key))? {
        serde_json::Value::String(text) => Some(Cow::Owned(text.clone())),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// The arguments of a query in order, decoded; `None` for one without `=`.
pub fn arguments(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
        Some((name, value)) => (decode(name), Some(decode(value))),
        None => (decode(pair), None),
    })
}

/// The first argument of this name in a query, percent-decoded. An argument without `=` is empty.
pub(crate) fn query_argument<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name || decode(key) == name).then(|| decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// The last cookie of this name, as in APISIX. White space ends a value; what is no text is passed over alone.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let ends = |byte: &u8| matches!(byte, b';' | b' ' | b'\t');
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(ends));
    pairs.rev().find_map(|pair| {
        let (key, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
#[path = "var_tests.rs"]
mod tests;
