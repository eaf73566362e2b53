//! `gzip`: responses compressed as they pass.
//!
//! ```json
//! { "types": ["application/json"], "min_length": 20, "comp_level": 1, "vary": true }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/gzip/>

use std::io::Write;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, VARY, VIA,
};
use http::{Method, Version};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{Chunk, CompileInput, Exchange, Phases, Plugin, PluginType};
use serde::Deserialize;
use serde_json::{Value, json};

static ACCEPT_RANGES: HeaderName = HeaderName::from_static("accept-ranges");
static GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// The plugin by name.
pub(crate) struct Gzip;

#[derive(Deserialize)]
#[serde(default)]
struct Conf {
    types: Value,
    min_length: u64,
    comp_level: u32,
    http_version: f64,
    vary: bool,
}

impl Default for Conf {
    fn default() -> Self {
        Self { types: json!(["text/html"]), min_length: 20, comp_level: 1, http_version: 1.1, vary: false }
    }
}

impl PluginType for Gzip {
    fn name(&self) -> &'static str {
        "gzip"
    }

    fn priority(&self) -> i32 {
        995
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "types": {
                        "anyOf": [
                            { "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 } },
                            { "enum": ["*"] },
                        ],
                        "default": ["text/html"],
                    },
                    "min_length": { "type": "integer", "minimum": 1, "default": 20 },
                    "comp_level": { "type": "integer", "minimum": 1, "maximum": 9, "default": 1 },
                    "http_version": { "enum": [1.1, 1.0], "default": 1.1 },
                    "buffers": {
                        "type": "object",
                        "properties": {
                            "number": { "type": "integer", "minimum": 1, "default": 32 },
                            "size": { "type": "integer", "minimum": 1, "default": 4096 },
                        },
                        "default": { "number": 32, "size": 4096 },
                    },
                    "vary": { "type": "boolean" },
                },
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let types = conf.types.as_array().map(|types| types.iter().filter_map(Value::as_str).map(Into::into).collect());
        Ok(Arc::new(Compiled {
            types,
            min_length: conf.min_length,
            level: Compression::new(conf.comp_level),
            oldest: if conf.http_version < 1.1 { Version::HTTP_10 } else { Version::HTTP_11 },
            vary: conf.vary,
        }))
    }
}

struct Compiled {
    /// `None`: all.
    types: Option<Box<[Box<str>]>>,
    min_length: u64,
    level: Compression,
    oldest: Version,
    vary: bool,
}

type Encoder = GzEncoder<Vec<u8>>;

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases::HEADER_FILTER.and(Phases::BODY_FILTER).and(Phases::ENCODES)
    }

    fn header_filter(&self, exchange: &mut Exchange) {
        if !self.fits(exchange) {
            return;
        }
        // Caches must know of it whichever client asks first.
        if self.vary {
            exchange.response.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if !self.is_taken(exchange) {
            return;
        }
        let headers = &mut exchange.response.headers;
        headers.insert(CONTENT_ENCODING, GZIP.clone());
        headers.remove(CONTENT_LENGTH);
        headers.remove(&ACCEPT_RANGES);
        weaken_etag(headers);
        exchange.kept.put(self, Encoder::new(Vec::new(), self.level));
    }

    /// Each piece is given on as it comes: a stream of events must not wait for more.
    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        if chunk.last {
            let Some(mut encoder) = exchange.kept.take::<_, Encoder>(self) else { return };
            // Writing to memory does not fail.
            let _ = encoder.write_all(&chunk.data);
            chunk.data = encoder.finish().unwrap_or_default().into();
        } else if let Some(encoder) = exchange.kept.get_mut::<_, Encoder>(self) {
            let _ = encoder.write_all(&chunk.data).and_then(|()| encoder.flush());
            chunk.data = Bytes::from(std::mem::take(encoder.get_mut()));
        }
    }
}

impl Compiled {
    /// Whether the response is one to compress, as nginx decides it (`ngx_http_gzip_filter_module`).
    fn fits(&self, exchange: &Exchange) -> bool {
        let headers = &exchange.response.headers;
        let has_body = exchange.method != Method::HEAD && matches!(exchange.response.status.as_u16(), 200 | 403 | 404);
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        has_body
            && !headers.contains_key(CONTENT_ENCODING)
            && length.is_none_or(|length| length >= self.min_length)
            && headers.get(CONTENT_TYPE).is_some_and(|kind| self.has_type(kind))
    }

    /// Whether the client takes it. A proxy in between may not, and nginx asks for more than Accept-Encoding before it believes one.
    fn is_taken(&self, exchange: &Exchange) -> bool {
        exchange.version >= self.oldest
            && !exchange.headers.contains_key(VIA)
            && exchange.headers.get_all(ACCEPT_ENCODING).iter().any(accepts_gzip)
    }

    fn has_type(&self, content_type: &HeaderValue) -> bool {
        let Some(types) = &self.types else { return true };
        let bare = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        types.iter().any(|own| own.eq_ignore_ascii_case(bare))
    }
}

/// `gzip`, `gzip;q=0.5`; not `gzip;q=0`, nor `*`, which nginx does not take for it.
fn accepts_gzip(value: &HeaderValue) -> bool {
    let codings = value.to_str().unwrap_or_default().split(',');
    codings.into_iter().any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").map(|weight| weight.trim().parse::<f32>().unwrap_or(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// Compressed, the response is no longer the same byte by byte.
fn weaken_etag(headers: &mut http::HeaderMap) {
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")).cloned();
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()) {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::testing::{self, compile};

    /// The response's headers and body after the plugin, from these pieces.
    fn run(
        conf: &str,
        accept: &str,
        response: &[(HeaderName, &'static str)],
        pieces: &[&'static str],
    ) -> (Exchange, Vec<u8>) {
        let plugin = compile(&Gzip, conf);
        let mut exchange = testing::exchange("/", &[("accept-encoding", accept)]);
        for (name, value) in response {
            exchange.response.headers.insert(name, HeaderValue::from_static(value));
        }
        plugin.header_filter(&mut exchange);
        let mut out = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let mut chunk = Chunk { data: Bytes::from_static(piece.as_bytes()), last: at + 1 == pieces.len() };
            plugin.body_filter(&mut exchange, &mut chunk);
            assert!(!chunk.data.is_empty() || piece.is_empty(), "nothing is held back");
            out.extend_from_slice(&chunk.data);
        }
        (exchange, out)
    }

    #[test]
    fn what_fits_is_compressed_piece_by_piece() {
        let html = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_LENGTH, "22"), (ETAG, "\"x\"")];
        let (exchange, out) = run(r#"{"vary": true}"#, "br, gzip;q=0.5", &html, &["hello ", "hello hello hello", ""]);
        let headers = &exchange.response.headers;
        assert_eq!(
            (&headers[CONTENT_ENCODING], &headers[ETAG], &headers[VARY]),
            (&GZIP, &"W/\"x\"".parse().unwrap(), &"Accept-Encoding".parse().unwrap())
        );
        assert!(!headers.contains_key(CONTENT_LENGTH));
        let mut text = String::new();
        GzDecoder::new(&out[..]).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, "hello hello hello hello");
    }

    /// Configuration, Accept-Encoding, and the response's headers.
    type Case<'c> = (&'static str, &'static str, &'c [(HeaderName, &'static str)]);

    #[test]
    fn what_does_not_fit_is_left() {
        let html = (CONTENT_TYPE, "text/html");
        let alone = std::slice::from_ref(&html);
        let cases: [Case; 8] = [
            ("{}", "br", alone),
            ("{}", "*", alone),
            ("{}", "gzip;q=0", alone),
            ("{}", "gzip", &[(CONTENT_TYPE, "image/png")]),
            ("{}", "gzip", &[]),
            ("{}", "gzip", &[html.clone(), (CONTENT_LENGTH, "19")]),
            ("{}", "gzip", &[html.clone(), (CONTENT_ENCODING, "br")]),
            (r#"{"types": ["text/css"]}"#, "gzip", alone),
        ];
        for (conf, accept, response) in cases {
            let (exchange, out) = run(conf, accept, response, &["plain"]);
            assert_eq!(out, b"plain", "{conf} {accept} {response:?}");
            assert_ne!(exchange.response.headers.get(CONTENT_ENCODING), Some(&GZIP));
        }
        let (_, out) = run(r#"{"types": "*"}"#, "GZIP", &[(CONTENT_TYPE, "any/thing")], &["plain"]);
        assert_ne!(out, b"plain");
    }

    #[test]
    fn caches_learn_of_it_from_whoever_asks() {
        let html = [(CONTENT_TYPE, "text/html")];
        let vary = |conf: &str, response: &[(HeaderName, &'static str)]| {
            run(conf, "br", response, &["plain"]).0.response.headers.get(VARY).cloned()
        };
        assert_eq!(vary(r#"{"vary": true}"#, &html), Some(HeaderValue::from_static("Accept-Encoding")));
        assert_eq!(vary("{}", &html), None);
        assert_eq!(vary(r#"{"vary": true}"#, &[(CONTENT_TYPE, "image/png")]), None);
    }

    #[test]
    fn a_proxy_between_is_sent_the_plain_response() {
        let mut exchange = testing::exchange("/", &[("accept-encoding", "gzip"), ("via", "1.1 cache")]);
        exchange.response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        compile(&Gzip, "{}").header_filter(&mut exchange);
        assert!(!exchange.response.headers.contains_key(CONTENT_ENCODING));
    }
}
