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
        Some(match text {
            "==" => Operator::Equal,
            "~=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "~~" => Operator::Matches,
            "~*" => Operator::MatchesIgnoreCase,
            "in" | "IN" => Operator::In,
            "has" | "HAS" => Operator::Has,
            "ipmatch" | "IPMATCH" => Operator::IpMatch,
            _ => return None,
        })
    }
}

const OPERATORS: &str = "==, ~=, >, >=, <, <=, ~~, ~*, in, has or ipmatch";
/// Deeper nesting is somebody's mistake, and costs stack.
const DEEPEST: usize = 16;

/// Reads an expression.
///
/// # Errors
/// The first fault, with its pointer relative to `value`.
pub fn parse(value: &Value) -> Result<Expr, Fault> {
    expression(value, DEEPEST)
}

fn expression(value: &Value, depth: usize) -> Result<Expr, Fault> {
    let Value::Array(items) = value else {
        return Err(Fault::new("", "value must be an array such as [[\"arg_name\", \"==\", \"json\"]]"));
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Fault::new("", format!("expressions may be nested {DEEPEST} deep")));
    };
    let all = |from: usize| -> Result<Vec<Expr>, Fault> {
        let rest = items.iter().enumerate().skip(from);
        rest.map(|(at, item)| expression(item, depth).map_err(|fault| fault.under(&format!("/{at}")))).collect()
    };
    match items.first() {
        None => Ok(Expr::All(Vec::new())),
        Some(Value::String(word)) => match word.to_ascii_uppercase().as_str() {
            "AND" => Ok(Expr::All(all(1)?)),
            "OR" => Ok(Expr::Any(all(1)?)),
            "!AND" => Ok(Expr::Not(Box::new(Expr::All(all(1)?)))),
            "!OR" => Ok(Expr::Not(Box::new(Expr::Any(all(1)?)))),
            _ => comparison(word, items),
        },
        Some(Value::Array(_)) => Ok(Expr::All(all(0)?)),
        Some(_) => Err(Fault::new("/0", "value must be a variable's name, AND, OR, !AND, !OR or an array")),
    }
}

fn comparison(name: &str, items: &[Value]) -> Result<Expr, Fault> {
    let is_negated = items.get(1).and_then(Value::as_str) == Some("!");
    let at = if is_negated { 2 } else { 1 };
    if items.len() != at + 2 {
        return Err(Fault::new(
            "",
            "a comparison must be [variable, operator, value] or [variable, \"!\", operator, value]",
        ));
    }
    if name.is_empty() {
        return Err(Fault::new("/0", "a variable's name must not be empty"));
    }
    let word = items.get(at).and_then(Value::as_str);
    let operator = word.and_then(Operator::parse);
    let operator = operator.ok_or_else(|| Fault::new(format!("/{at}"), format!("operator must be {OPERATORS}")))?;
    let value = items.get(at + 1).cloned().unwrap_or_default();
    check(operator, &value).map_err(|message| Fault::new(format!("/{}", at + 1), message))?;
    let compare = Expr::Compare(Comparison { name: name.trim_start_matches('$').to_owned(), operator, value });
    Ok(if is_negated { Expr::Not(Box::new(compare)) } else { compare })
}

/// Whether the value is one that the operator can compare with.
fn check(operator: Operator, value: &Value) -> Result<(), String> {
    match operator {
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
            let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
            text.trim().parse::<f64>().map(drop).map_err(|_| format!("value must be a number, not {value}"))
        }
        Operator::Matches | Operator::MatchesIgnoreCase => check_regex(value),
        Operator::In => value.as_array().map(drop).ok_or_else(|| "value must be an array".to_owned()),
        Operator::IpMatch => match value {
            Value::Array(items) => items.iter().try_for_each(check_network),
            single => check_network(single),
        },
        Operator::Equal | Operator::NotEqual | Operator::Has => match value {
            Value::Array(_) | Value::Object(_) => Err("value must be a string, number, boolean or null".to_owned()),
            _ => Ok(()),
        },
    }
}

fn check_regex(value: &Value) -> Result<(), String> {
    let Some(pattern) = value.as_str() else { return Err("value must be a regular expression".to_owned()) };
    compile_regex(pattern).map(drop)
}

/// Compiles a regular expression of a user, for the same engine that will run it.
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
    if is_network { Ok(()) } else { Err(format!("value must be IP addresses or networks, {value} is none")) }
}

#[cfg(test)]
mod tests;
