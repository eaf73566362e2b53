//! One limit: what is counted together, how many, in how much time.

use std::hash::{BuildHasher, Hasher};

use http::header::HeaderValue;
use limit::WindowType;
use model::Fault;
use plugin_api::var::Known;
use plugin_api::{Exchange, Template, Var};
use serde::Deserialize;
use serde_json::Value;

use super::{HeaderNames, counters};

/// The largest number that APISIX can hold: 2^53 - 1.
const MOST: u64 = 9_007_199_254_740_991;

/// One of `rules`.
#[derive(Deserialize)]
pub(super) struct RuleConf {
    pub(super) count: Option<Value>,
    pub(super) time_window: Option<Value>,
    pub(super) key: String,
    pub(super) header_prefix: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyType {
    #[default]
    Var,
    VarCombination,
    Constant,
}

/// A compiled limit.
pub(super) struct Rule {
    seed: u64,
    count: Amount,
    /// In seconds.
    time_window: Amount,
    key: Key,
    pub(super) headers: HeaderNames,
}

/// A limit for one request.
pub(super) struct Due {
    pub(super) key: u64,
    limit: u64,
    window_ms: u64,
    pub(super) limit_header: HeaderValue,
}

/// A variable gives no number that a limit can be.
#[derive(Debug)]
pub(crate) struct NoNumber;

/// What is counted together.
pub(crate) enum Key {
    /// `remote_addr`, which needs no text.
    Address,
    Var(Var),
    Combination(Template),
    Constant(String),
}

/// A number, or a variable that gives one.
pub(crate) enum Amount {
    /// The number, also as a header's value.
    Known(u64, HeaderValue),
    /// The variable, and the least number that it may give.
    Variable(Template, u64),
}

impl Rule {
    /// Faults are below `pointer`, where `count` and `time_window` stand.
    pub(super) fn new(
        pointer: &str,
        seed: u64,
        count: &Option<Value>,
        time_window: &Option<Value>,
        key: Key,
        headers: HeaderNames,
    ) -> Result<Self, Fault> {
        let amount = |value: &Option<Value>, field: &str| {
            Amount::parse(value.as_ref(), 1).map_err(|message| Fault::new(format!("{pointer}/{field}"), message))
        };
        Ok(Self {
            seed,
            count: amount(count, "count")?,
            time_window: amount(time_window, "time_window")?,
            key,
            headers,
        })
    }

    /// The limit for this request; none when `needs_key` and the key's variables give nothing, for then the rule does not
    /// apply. Else the client's address takes an empty key's place.
    ///
    /// # Errors
    /// When a variable gives no number: what a client sends must not switch a limit off.
    pub(super) fn due(&self, exchange: &Exchange, needs_key: bool) -> Result<Option<Due>, NoNumber> {
        let mut hasher = counters::hashing().build_hasher();
        hasher.write_u64(self.seed);
        let has_key = self.key.write(exchange, &mut hasher);
        if !has_key {
            if needs_key {
                return Ok(None);
            }
            write_address(exchange, &mut hasher);
        }
        let (limit, limit_header) = self.count.resolve(exchange)?;
        let (seconds, _) = self.time_window.resolve(exchange)?;
        Ok(Some(Due { key: hasher.finish(), limit, window_ms: seconds.saturating_mul(1000), limit_header }))
    }

    /// What [`Rule::due`] counts together, as text that means the same on all instances.
    pub(super) fn key_text(&self, exchange: &Exchange) -> String {
        self.key.text(exchange).unwrap_or_else(|| exchange.client.remote.ip().to_string())
    }
}

impl Due {
    pub(super) fn as_rule(&self, window_type: WindowType) -> limit::Rule {
        limit::Rule { limit: self.limit, window_ms: self.window_ms, window_type }
    }
}

impl Key {
    pub(crate) fn new(key_type: KeyType, text: &str) -> Self {
        match key_type {
            KeyType::Constant => Self::Constant(text.to_owned()),
            KeyType::VarCombination => Self::Combination(Template::parse(text)),
            KeyType::Var => match Var::parse(text) {
                Var::Known(Known::RemoteAddr) => Self::Address,
                var => Self::Var(var),
            },
        }
    }

    /// A rule's key is a combination of variables.
    pub(crate) fn of_rule(text: &str) -> Self {
        Self::new(KeyType::VarCombination, text)
    }

    /// The key with its owner's seed as one number; the client's address takes an empty key's place.
    pub(crate) fn hashed(&self, seed: u64, exchange: &Exchange) -> u64 {
        let mut hasher = counters::hashing().build_hasher();
        hasher.write_u64(seed);
        if !self.write(exchange, &mut hasher) {
            write_address(exchange, &mut hasher);
        }
        hasher.finish()
    }

    /// As [`Key::hashed`]; `None` for an empty key.
    pub(crate) fn hashed_if_any(&self, seed: u64, exchange: &Exchange) -> Option<u64> {
        let mut hasher = counters::hashing().build_hasher();
        hasher.write_u64(seed);
        self.write(exchange, &mut hasher).then(|| hasher.finish())
    }

    fn text(&self, exchange: &Exchange) -> Option<String> {
        match self {
            Self::Address => None,
            Self::Constant(text) => Some(text.clone()),
            Self::Var(var) => var.get(exchange).map(|text| text.into_owned()),
            Self::Combination(template) => match template.render_counted(exchange) {
                (_, 0) => None,
                (text, _) => Some(text.to_string()),
            },
        }
    }

    /// Hashes the key; `false` when it has no value.
    fn write(&self, exchange: &Exchange, hasher: &mut impl Hasher) -> bool {
        match self {
            Self::Address => write_address(exchange, hasher),
            Self::Constant(text) => hasher.write(text.as_bytes()),
            Self::Var(var) => match var.get(exchange) {
                Some(text) => hasher.write(text.as_bytes()),
                None => return false,
            },
            Self::Combination(template) => match template.render_counted(exchange) {
                (_, 0) => return false,
                (text, _) => hasher.write(text.as_bytes()),
            },
        }
        true
    }
}

fn write_address(exchange: &Exchange, hasher: &mut impl Hasher) {
    match exchange.client.remote.ip() {
        std::net::IpAddr::V4(address) => hasher.write(&address.octets()),
        std::net::IpAddr::V6(address) => hasher.write(&address.octets()),
    }
}

impl Amount {
    /// A number of at least `least`, or text that is one or has variables.
    pub(crate) fn parse(value: Option<&Value>, least: u64) -> Result<Self, String> {
        let known = |number: Option<u64>| {
            let number = number.filter(|number| (least..=MOST).contains(number));
            let number = number.ok_or_else(|| format!("must be a whole number from {least} to {MOST}"))?;
            Ok(Self::Known(number, HeaderValue::from(number)))
        };
        match value {
            Some(Value::String(text)) => {
                let template = Template::parse(text);
                match template.as_constant() {
                    Some(text) => known(whole(text)),
                    None => Ok(Self::Variable(template, least)),
                }
            }
            Some(Value::Number(number)) => {
                // Schemas take 60.0 for an integer.
                known(whole(&number.to_string()))
            }
            _ => known(None),
        }
    }

    /// The number for this request, also as a header's value.
    ///
    /// # Errors
    /// When the variable gives none, or one that is out of bounds.
    pub(crate) fn resolve(&self, exchange: &Exchange) -> Result<(u64, HeaderValue), NoNumber> {
        match self {
            Self::Known(number, header) => Ok((*number, header.clone())),
            Self::Variable(template, least) => {
                let number = whole(&template.render(exchange)).filter(|number| (*least..=MOST).contains(number));
                number.map(|number| (number, HeaderValue::from(number))).ok_or(NoNumber)
            }
        }
    }
}

/// A whole number as APISIX reads texts: `60.0` and `6e1` are 60.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let float = || text.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && *number >= 0.0);
    text.parse().ok().or_else(|| Some(float()? as u64))
}
