//! Syntax of APISIX's expressions: `["arg_name", "==", "json"]`, nested with AND and OR.
//!
//! This module reads and checks; `plugin-api` compiles and evaluates against a request.
//! Source: <https://github.com/api7/lua-resty-expr>

use serde_json::Value;

use crate::validate::Fault;

/// A condition on variables.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Every part holds (APISIX: a plain list, or `["AND", ...]`).
    All(Vec<Expr>),
    /// At least one part holds: `["OR", ...]`.
    Any(Vec<Expr>),
    /// The inner one does not hold: `["!AND", ...]`, `["!OR", ...]`, `[name, "!", op, value]`.
    Not(Box<Expr>),
    /// One comparison.
    Compare(Comparison),
}

/// `variable operator value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Variable name without `$`: `arg_id`, `http_host`, `remote_addr`.
    pub name: String,
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub value: Value,
}

/// The operators of lua-resty-expr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    /// `==`
    Equal,
    /// `~=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `~~`, a regular expression
    Matches,
    /// `~*`, a regular expression that ignores case
    MatchesIgnoreCase,
    /// `in`, the value is a list
    In,
    /// `has`, the variable is a list
    Has,
    /// `ipmatch`, the value is a list of addresses and networks
    IpMatch,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "==" => Operator::Equal,
            "~=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "~~" => Operator::Matches,
            "~*" => Operator::MatchesIgnoreCase,
            "in" => Operator::In,
            "has" => Operator::Has,
            "ipmatch" => Operator::IpMatch,
            _ => return None,
        })
    }
}

/// Deeper nesting is somebody's mistake, and costs stack.
const DEEPEST: usize = 16;

/// Reads an expression: a list of comparisons, or `AND`, `OR`, `!AND`, `!OR` before them.
///
/// # Errors
/// The first fault, with its pointer relative to `value`, in APISIX's words.
pub fn parse(value: &Value) -> Result<Expr, Fault> {
    let first = value.as_array().and_then(|items| items.first());
    match first {
        Some(Value::String(word)) if logic(word).is_none() => {
            Err(Fault::new("", "rule should be wrapped inside brackets"))
        }
        Some(Value::Number(_) | Value::Bool(_) | Value::Null) => {
            Err(Fault::new("/0", "rule should be wrapped inside brackets"))
        }
        None if value.is_array() => Ok(Expr::All(Vec::new())),
        _ => expression(value, DEEPEST),
    }
}

/// How the parts that follow are put together.
fn logic(word: &str) -> Option<fn(Vec<Expr>) -> Expr> {
    match word.to_ascii_uppercase().as_str() {
        "AND" => Some(Expr::All),
        "OR" => Some(Expr::Any),
        "!AND" => Some(|parts| Expr::Not(Box::new(Expr::All(parts)))),
        "!OR" => Some(|parts| Expr::Not(Box::new(Expr::Any(parts)))),
        _ => None,
    }
}

fn expression(value: &Value, depth: usize) -> Result<Expr, Fault> {
    let Value::Array(items) = value else {
        return Err(Fault::new("", "rule should be an array such as [\"arg_name\", \"==\", \"json\"]"));
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Fault::new("", format!("expressions may be nested {DEEPEST} deep")));
    };
    let all = |from: usize| -> Result<Vec<Expr>, Fault> {
        let rest = items.iter().enumerate().skip(from);
        rest.map(|(at, item)| expression(item, depth).map_err(|fault| fault.under(&format!("/{at}")))).collect()
    };
    match items.first() {
        None => Err(Fault::new("", "rule too short")),
        Some(Value::String(word)) => match logic(word) {
            Some(_) if items.len() <= 2 => Err(Fault::new("", "rule too short")),
            Some(combined) => Ok(combined(all(1)?)),
            None => comparison(word, items),
        },
        Some(Value::Array(_)) => Ok(Expr::All(all(0)?)),
        Some(_) => Err(Fault::new("/0", "invalid expression")),
    }
}

/// `[name, operator, value]`, `[name, "!", operator, value]`; `[name, value]` asks for equality.
fn comparison(name: &str, items: &[Value]) -> Result<Expr, Fault> {
    let is_negated = items.get(1).and_then(Value::as_str) == Some("!") && items.len() == 4;
    if items.len() == 4 && !is_negated {
        return Err(Fault::new("", "bad 'not' expression"));
    }
    if name.is_empty() {
        return Err(Fault::new("/0", "a variable's name must not be empty"));
    }
    let at = if is_negated { 2 } else { 1 };
    let (operator, value) = match (items.get(at), items.get(at + 1)) {
        (Some(word), Some(value)) => (operator(word, at)?, value),
        (Some(value), None) if value.as_str().and_then(Operator::parse).is_none() => (Operator::Equal, value),
        _ => return Err(Fault::new("", "invalid expression")),
    };
    check(operator, value).map_err(|message| Fault::new(format!("/{}", at + 1), message))?;
    let name = name.trim_start_matches('$').to_owned();
    let compare = Expr::Compare(Comparison { name, operator, value: value.clone() });
    Ok(if is_negated { Expr::Not(Box::new(compare)) } else { compare })
}

fn operator(word: &Value, at: usize) -> Result<Operator, Fault> {
    let text = match word {
        Value::String(text) => text.to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Fault::new(format!("/{at}"), "invalid expression")),
    };
    Operator::parse(&text).ok_or_else(|| Fault::new(format!("/{at}"), format!("invalid operator '{text}'")))
}

/// Whether the value is one that the operator can compare with. One that it never holds for is no fault, as in APISIX.
fn check(operator: Operator, value: &Value) -> Result<(), String> {
    match operator {
        Operator::Matches | Operator::MatchesIgnoreCase => check_regex(value),
        Operator::IpMatch => match value {
            Value::Array(items) if items.is_empty() => Err("invalid ip address".to_owned()),
            Value::Array(items) => items.iter().try_for_each(check_network),
            single => check_network(single),
        },
        _ => Ok(()),
    }
}

fn check_regex(value: &Value) -> Result<(), String> {
    let Some(pattern) = value.as_str() else { return Err("value must be a regular expression".to_owned()) };
    crate::regex::Regex::new(pattern).map(drop)
}

/// Compiles a regular expression that may not backtrack.
///
/// # Errors
/// What is wrong; for look-around and back references, that this engine (linear in time, so that no input
/// can stall a gateway) has none.
pub fn compile_regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        // The engine names what it lacks in the last line, below the place in the pattern.
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let lacks = ["look-around", "backreferences"].into_iter().find(|feature| reason.starts_with(feature));
        match lacks {
            Some(feature) => format!(
                "regular expression {pattern:?} uses {feature}, which an engine that is linear in time does not have; \
                 write it without, or as several conditions"
            ),
            None => format!("{pattern:?} is not a regular expression: {reason}"),
        }
    })
}

fn check_network(value: &Value) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default();
    let is_network = text.parse::<std::net::IpAddr>().is_ok() || text.parse::<ipnet::IpNet>().is_ok();
    match text {
        _ if is_network => Ok(()),
        "" => Err("invalid ip address".to_owned()),
        _ => Err(format!("invalid ip address: {text}")),
    }
}

#[cfg(test)]
mod tests;
