//! A request and its response as phases see them.

use std::any::Any;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use model::Labels;
use serde_json::Value;
use smallvec::SmallVec;
use yoke::Yoke;
use yoke::erased::ErasedRcCart;

use crate::{InlineUpstream, Kept};

/// One request with all that has become known of it. Lives on one worker, from routing to the log phase.
pub struct Exchange {
    /// The request's method, as the client sent it.
    pub method: Method,
    /// The request's target, as the client sent it.
    pub uri: Uri,
    /// The client's protocol version.
    pub version: Version,
    /// The request's headers; what phases change here, later phases and the upstream see.
    pub headers: HeaderMap,
    /// Decoded, dot segments resolved; what routes match. `None` when it is the path of `uri` as it stands.
    pub normalised_path: Option<Box<str>>,
    /// The Host without port, lower case.
    pub host: SmallVec<[u8; 48]>,
    /// The other end of the connection; shared by its requests until a plugin changes it.
    pub client: Rc<Client>,
    /// When the request's head was read.
    pub started: Instant,
    /// `$request_id`, once somebody asked for it.
    pub request_id: OnceCell<Box<str>>,
    /// The route that matched; `None` before routing and when none did.
    pub route: Option<Held<Arc<RouteInfo>>>,
    /// Values of `:name` segments: byte ranges of the path, in the order of [`RouteInfo::param_names`].
    pub params: SmallVec<[(u32, u32); 2]>,
    /// Who calls, once an authentication plugin found out.
    pub consumer: Option<Arc<ConsumerEntry>>,
    /// The group's consumers.
    pub consumers: Rc<dyn ConsumerIndex>,
    /// The request's body, when a plugin of the chain asked for it whole. Such a plugin may put another in its place.
    pub request_body: Option<Bytes>,
    /// Most bytes the request's body may have (`client-control`); `None` leaves it to the instance's settings.
    pub request_body_limit: Option<u64>,
    /// Whether a short body, too, goes on as it comes (`proxy-control`), instead of being kept for another try.
    pub streams_request_body: bool,
    /// What phases want the upstream to see instead of the client's request.
    pub target: Target,
    /// Headers that phases before the response want on it, whoever makes it; see [`Exchange::set_response_header`].
    pub early_headers: Vec<(HeaderName, HeaderValue)>,
    /// The response's head, from `header_filter` on.
    pub response: ResponseHead,
    /// What the proxy step measured, for the log phase.
    pub outcome: Outcome,
    /// Values that plugins leave for each other and for variables, by name.
    pub notes: Vec<(&'static str, Value)>,
    /// What compiled plugins keep for themselves from phase to phase.
    pub kept: Kept,
    /// What `_meta.filter` said of compiled plugins, by their addresses, when it was asked first.
    pub filtered: Vec<(usize, bool)>,
}

/// A part of something that is held as a whole: of the plan, by a count that is the worker's own. The part's own count would
/// be written by all workers at each request.
pub type Held<T> = Yoke<&'static T, ErasedRcCart>;

/// The other end of the connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// Address of the connection's other end; `real-ip` may replace it.
    pub remote: SocketAddr,
    /// The connection's own other end, whatever `real-ip` says.
    pub peer: SocketAddr,
    /// Address the connection came in at.
    pub local: SocketAddr,
    /// `https` or `http`.
    pub tls: Option<Arc<TlsInfo>>,
}

/// Facts of a TLS connection.
#[derive(Debug, Clone, Default)]
pub struct TlsInfo {
    /// Server name that the client asked for.
    pub sni: Option<Box<str>>,
    /// `TLSv1.3`
    pub protocol: &'static str,
    /// Cipher suite by its IANA name.
    pub cipher: String,
    /// Whether the handshake agreed on HTTP/2 (ALPN).
    pub is_http2: bool,
    /// The certificate that the client has shown, for which the server name's authority vouches.
    pub client_certificate: Option<ClientCertificate>,
}

/// What a client's certificate says, as nginx writes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientCertificate {
    /// Serial number, in hexadecimal digits.
    pub serial: String,
    /// SHA-1 of the whole, in hexadecimal digits.
    pub fingerprint: String,
    /// Whose it is, as in RFC 2253: `CN=client,O=Shop`.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// The whole, PEM.
    pub pem: String,
}

/// What is known of a route without running it; shared by all requests that match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouteInfo {
    /// Stable number of the route while the instance runs.
    pub slot: u32,
    /// Its id.
    pub id: Box<str>,
    /// Its name.
    pub name: Option<Box<str>>,
    /// Labels of the route.
    pub labels: Labels,
    /// The path pattern that matched, for `$matched_uri`.
    pub uri: Box<str>,
    /// The host pattern that matched, of the route or its service; for `$matched_host`.
    pub host: Option<Box<str>>,
    /// Its service's id.
    pub service_id: Option<Box<str>>,
    /// Its service's name.
    pub service_name: Option<Box<str>>,
    /// Names of `:name` segments, in order.
    pub param_names: Vec<Box<str>>,
}

/// A consumer, and the credential it proved itself with; shared by all requests that bring it.
#[derive(Debug)]
pub struct ConsumerEntry {
    /// The consumer.
    pub consumer: Arc<ConsumerInfo>,
    /// Id of the credential; `None` when the settings stand in the consumer itself.
    pub credential_id: Option<Box<str>>,
    /// The authentication plugin's part of the credential.
    pub conf: Value,
    /// What the plugin made of it when the plan was compiled; see [`crate::PluginType::prepare_credential`].
    pub prepared: Option<Prepared>,
}

/// What an authentication plugin made of a credential: parsed keys, say. Opaque to all but the plugin.
pub type Prepared = Box<dyn Any + Send + Sync>;

/// What is known of a consumer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerInfo {
    /// Stable number of the consumer while the instance runs.
    pub slot: u32,
    /// Its user name.
    pub username: Box<str>,
    /// Its consumer group.
    pub group_id: Option<Box<str>>,
    /// Its labels.
    pub labels: Labels,
    /// Whether it brings plugins besides authentication, so that the chain must be merged.
    pub has_plugins: bool,
}

/// How authentication plugins find consumers.
pub trait ConsumerIndex {
    /// By an authentication plugin and the text its `credential_key` gave.
    fn find(&self, plugin: &str, key: &str) -> Option<&Arc<ConsumerEntry>>;
    /// By user name, for `anonymous_consumer`.
    fn by_name(&self, username: &str) -> Option<&Arc<ConsumerInfo>>;
}

/// What phases want the upstream to see. `None` leaves what the client sent.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Path and query.
    pub path_and_query: Option<String>,
    /// Method.
    pub method: Option<Method>,
    /// Host header.
    pub host: Option<Box<str>>,
    /// `http`, `https`, ...
    pub scheme: Option<model::resource::Scheme>,
    /// Another upstream than the route's.
    pub upstream: Option<ChosenUpstream>,
    /// Headers that a phase took away: those that are told of the client's connection are not filled in again.
    pub withheld: Vec<HeaderName>,
}

/// An upstream that a plugin chose.
#[derive(Debug, Clone)]
pub enum ChosenUpstream {
    /// By its id: of the route's service, else of the group; unknown ids answer 502.
    Id(Box<str>),
    /// One that stands in the plugin's configuration.
    Inline(InlineUpstream),
}

/// The head of the response on its way to the client.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// A body that takes the place of the upstream's; the gateway corrects Content-Length.
    pub body: Option<Bytes>,
    /// Whether the gateway or a plugin made the response, not an upstream.
    pub local: bool,
}

/// What the proxy step measured.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The node that answered last, `host:port`.
    pub upstream_addr: Option<Arc<str>>,
    /// The same node as its upstream names it, where that is no address.
    pub upstream_name: Option<Arc<str>>,
    /// Its status, per try: `502, 200` in `$upstream_status`.
    pub upstream_status: SmallVec<[u16; 2]>,
    /// From choosing a node to the response's head.
    pub upstream_latency: Option<Duration>,
    /// From the request's head to the end of the response.
    pub total: Duration,
    /// Bytes of the response's body that were sent.
    pub body_bytes_sent: u64,
    /// Bytes of the response, head included.
    pub bytes_sent: u64,
    /// Bytes of the request, head included.
    pub bytes_received: u64,
    /// Why the exchange was cut short, if it was.
    pub fault: Option<&'static str>,
}

impl Exchange {
    /// The route that matched.
    pub fn route(&self) -> Option<&RouteInfo> {
        self.route.as_ref().map(|route| &***route.get())
    }

    /// The path that routes match: decoded, dot segments resolved.
    pub fn path(&self) -> &str {
        self.normalised_path.as_deref().unwrap_or_else(|| self.uri.path())
    }

    /// The target as routes see it: the path decoded, the query as it was sent. What a client hides behind escapes and dots
    /// is plain in it. Source: `request_uri` of APISIX, which keeps what was sent as `real_request_uri`.
    pub fn request_uri(&self) -> Cow<'_, str> {
        match (&self.normalised_path, self.uri.query()) {
            (None, None) => self.uri.path().into(),
            (_, None | Some("")) => self.path().into(),
            (None, Some(_)) => self.uri.path_and_query().map_or("/", |target| target.as_str()).into(),
            (Some(path), Some(query)) => format!("{path}?{query}").into(),
        }
    }

    /// The Host without port, lower case.
    pub fn host(&self) -> &str {
        // Only bytes of a checked Host header are stored, and those are ASCII.
        std::str::from_utf8(&self.host).unwrap_or_default()
    }

    /// A request header as text; `None` when absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query argument, percent-decoded; the first where there are several.
    pub fn query_argument(&self, name: &str) -> Option<Cow<'_, str>> {
        crate::var::query_argument(self.uri.query()?, name)
    }

    /// A cookie's value; the last where there are several.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        crate::var::cookie(&self.headers, name)
    }

    /// A value that a plugin left.
    pub fn note(&self, name: &str) -> Option<&Value> {
        self.notes.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Sets a header of the response to come, from a phase before it.
    pub fn set_response_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.early_headers.push((name, value));
    }

    /// Leaves a value for other plugins and for variables.
    pub fn set_note(&mut self, name: &'static str, value: Value) {
        match self.notes.iter_mut().find(|(key, _)| *key == name) {
            Some((_, slot)) => *slot = value,
            None => self.notes.push((name, value)),
        }
    }

    /// `https` when the client's connection is encrypted, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.client.tls.is_some() { "https" } else { "http" }
    }
}
