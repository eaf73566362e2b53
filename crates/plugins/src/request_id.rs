//! `request-id`: a number for each request, for the upstream and the client.
//!
//! ```json
//! { "header_name": "X-Request-Id", "include_in_response": true, "algorithm": "uuid" }
//! ```
//! Source: <https://apisix.apache.org/docs/apisix/plugins/request-id/>

use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{Entry, HeaderName, HeaderValue};
use model::Fault;
use plugin_api::schema::with_meta;
use plugin_api::{CompileInput, Exchange, Flow, Phases, Plugin, PluginType};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::header_names;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789";
const NANOID: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const NANOID_LENGTH: usize = 21;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// When KSUIDs begin to count, in unix seconds.
const KSUID_EPOCH: u64 = 1_400_000_000;
const KSUID_LENGTH: usize = 27;

thread_local! {
    /// Counts the UUIDs of a worker that are of one millisecond.
    static CONTEXT: ContextV7 = const { ContextV7::new() };
}

/// The plugin by name.
pub(crate) struct RequestId;

#[derive(Deserialize)]
#[serde(default)]
struct Conf {
    header_name: String,
    include_in_response: bool,
    algorithm: String,
    range_id: RangeId,
}

impl Default for Conf {
    fn default() -> Self {
        let header_name = "X-Request-Id".to_owned();
        Self { header_name, include_in_response: true, algorithm: "uuid".into(), range_id: RangeId::default() }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct RangeId {
    length: usize,
    char_set: String,
}

impl Default for RangeId {
    fn default() -> Self {
        Self { length: 16, char_set: LETTERS.to_owned() }
    }
}

impl PluginType for RequestId {
    fn name(&self) -> &'static str {
        "request-id"
    }

    fn priority(&self) -> i32 {
        12015
    }

    fn schema(&self) -> &'static Value {
        static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
            with_meta(json!({
                "type": "object",
                "properties": {
                    "header_name": { "type": "string", "default": "X-Request-Id" },
                    "include_in_response": { "type": "boolean", "default": true },
                    "algorithm": { "type": "string", "enum": ["uuid", "nanoid", "range_id", "ksuid", "uuidv7"], "default": "uuid" },
                    "range_id": {
                        "type": "object",
                        "properties": {
                            "length": { "type": "integer", "minimum": 6, "default": 16 },
                            "char_set": { "type": "string", "minLength": 6, "default": LETTERS },
                        },
                        "default": { "length": 16, "char_set": LETTERS },
                    },
                },
            }))
        });
        &SCHEMA
    }

    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        let conf: Conf = crate::read(input.conf)?;
        let header = header_names::parse(&conf.header_name);
        let header = header.map_err(|_| Fault::new("/header_name", "must be a header's name"))?;
        if !conf.range_id.char_set.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::new("/range_id/char_set", "must consist of printable ASCII characters"));
        }
        Ok(Arc::new(Compiled {
            header,
            in_response: conf.include_in_response,
            algorithm: match conf.algorithm.as_str() {
                "nanoid" => Algorithm::Range(NANOID.into(), NANOID_LENGTH),
                "range_id" => Algorithm::Range(conf.range_id.char_set.into_bytes().into(), conf.range_id.length),
                "ksuid" => Algorithm::Ksuid,
                "uuidv7" => Algorithm::UuidV7,
                _ => Algorithm::Uuid,
            },
        }))
    }
}

enum Algorithm {
    Uuid,
    UuidV7,
    Range(Box<[u8]>, usize),
    Ksuid,
}

struct Compiled {
    header: HeaderName,
    in_response: bool,
    algorithm: Algorithm,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        if self.in_response { Phases::REWRITE.and(Phases::HEADER_FILTER) } else { Phases::REWRITE }
    }

    /// A client's own number is kept.
    fn rewrite<'a>(&'a self, exchange: &'a mut Exchange) -> Flow<'a> {
        let id = match exchange.headers.entry(&self.header) {
            Entry::Occupied(given) if !given.get().is_empty() => given.get().clone(),
            entry => {
                let id = self.algorithm.generate();
                set(entry, id.clone());
                id
            }
        };
        if self.in_response {
            exchange.kept.put(self, id);
        }
        Flow::CONTINUE
    }

    /// An upstream's own number is kept.
    fn header_filter(&self, exchange: &mut Exchange) {
        let Some(id) = exchange.kept.take(self) else { return };
        match exchange.response.headers.entry(&self.header) {
            Entry::Occupied(own) if !own.get().is_empty() => {}
            entry => set(entry, id),
        }
    }
}

/// In the place of all lines of the header.
fn set(entry: Entry<'_, HeaderValue>, value: HeaderValue) {
    match entry {
        Entry::Occupied(mut lines) => {
            lines.insert(value);
        }
        Entry::Vacant(place) => {
            place.insert(value);
        }
    }
}

impl Algorithm {
    fn generate(&self) -> HeaderValue {
        let text = match self {
            Algorithm::Uuid => return hyphenated(random_uuid()),
            Algorithm::UuidV7 => return hyphenated(CONTEXT.with(|context| Uuid::new_v7(Timestamp::now(context)))),
            Algorithm::Range(characters, length) => {
                let mut random = rand::rng();
                let pick = |_| characters.get(random.random_range(0..characters.len().max(1))).copied().unwrap_or(b'0');
                (0..*length).map(pick).collect::<Vec<u8>>()
            }
            Algorithm::Ksuid => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                ksuid(now.saturating_sub(KSUID_EPOCH) as u32, rand::rng().random())
            }
        };
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// RFC 9562, section 5.4.
fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(rand::rng().random()).into_uuid()
}

fn hyphenated(id: Uuid) -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Seconds and 128 random bits as one number of 160 bits, in base 62.
fn ksuid(seconds: u32, random: u128) -> Vec<u8> {
    // The upper 32 bits stand apart, as there is no integer of 160.
    let (mut high, mut low) = (seconds, random);
    let mut digits = vec![b'0'; KSUID_LENGTH];
    for digit in digits.iter_mut().rev() {
        // (high * 2^128 + low) divided by 62, by halves of 64 bits.
        let rest = u128::from(high % 62);
        high /= 62;
        let upper = (rest << 64) | (low >> 64);
        let lower = (upper % 62) << 64 | (low & u128::from(u64::MAX));
        low = ((upper / 62) << 64) | (lower / 62);
        *digit = BASE62[(lower % 62) as usize];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, compile, reply_of};

    fn ran(conf: &str, given: &[(&str, &str)], upstream: Option<&str>) -> (String, Option<String>) {
        let plugin = compile(&RequestId, conf);
        let mut exchange = testing::exchange("/", given);
        assert!(reply_of(plugin.rewrite(&mut exchange)).is_none());
        if let Some(own) = upstream {
            exchange.response.headers.insert("x-request-id", own.parse().expect("a value"));
        }
        plugin.header_filter(&mut exchange);
        let answered = exchange.response.headers.get("x-request-id").map(|id| id.to_str().expect("text").to_owned());
        (exchange.header("x-request-id").unwrap_or_default().to_owned(), answered)
    }

    #[test]
    fn a_new_one_goes_both_ways_and_given_ones_are_kept() {
        let (sent, answered) = ran("{}", &[], None);
        assert_eq!((sent.len(), answered.as_ref()), (36, Some(&sent)));
        assert_ne!(ran("{}", &[], None).0, sent);
        assert_eq!(ran("{}", &[("x-request-id", "mine")], None), ("mine".into(), Some("mine".into())));
        assert_eq!(ran("{}", &[("x-request-id", "")], None).0.len(), 36);
        assert_eq!(ran("{}", &[("x-request-id", "mine")], Some("its")).1.as_deref(), Some("its"));
        assert_eq!(ran(r#"{"include_in_response": false}"#, &[], None).1, None);
    }

    #[test]
    fn algorithms_give_their_shapes() {
        assert_eq!(ran(r#"{"algorithm": "nanoid"}"#, &[], None).0.len(), 21);
        assert_eq!(ran(r#"{"algorithm": "range_id"}"#, &[], None).0.len(), 16);
        let own = ran(r#"{"algorithm": "range_id", "range_id": {"length": 8, "char_set": "aaaaaa"}}"#, &[], None);
        assert_eq!(own.0, "aaaaaaaa");
        assert_eq!(ran(r#"{"algorithm": "ksuid"}"#, &[], None).0.len(), 27);
    }

    #[test]
    fn uuids_with_a_time_sort_by_it_even_within_a_millisecond() {
        let made: Vec<_> = (0..200).map(|_| ran(r#"{"algorithm": "uuidv7"}"#, &[], None).0).collect();
        assert!(made.iter().all(|id| id.parse::<Uuid>().expect("a UUID").get_version_num() == 7), "{made:?}");
        assert!(made.is_sorted_by(|one, next| one < next), "{made:?}");
    }

    /// Source: the examples of KSUID's own documentation.
    #[test]
    fn ksuids_sort_by_time() {
        let payload = u128::from_str_radix("B5A1CD34B5F99D1154FB6853345C9735", 16).expect("a number");
        assert_eq!(ksuid(107_608_047, payload), b"0ujtsYcgvSTl8PAuAdqWYSMnLOv");
        assert_eq!(ksuid(0, 0), vec![b'0'; 27]);
        assert_eq!(ksuid(u32::MAX, u128::MAX), b"aWgEPTl1tmebfsQzFP4bxwgy80V");
    }
}
