//! Expressions (`vars`, `_meta.filter`) compiled to run against a request.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Fault;
use model::regex::Regex;
use model::vars::{self, Comparison, Expr, Operator};
use serde_json::Value;

use crate::{Exchange, Var};

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Condition(Node);

#[derive(Debug, Clone)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Var, Test),
}

#[derive(Debug, Clone)]
enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Greater(f64),
    GreaterOrEqual(f64),
    Less(f64),
    LessOrEqual(f64),
    Matches(Regex),
    In(Vec<Operand>),
    Has(String),
    IpMatch(Vec<IpNet>),
}

/// A value to compare with. Variables are text; a number is compared as a number when both are.
#[derive(Debug, Clone)]
enum Operand {
    Text(String),
    Number(f64),
    Null,
    /// What no variable is: a list, an object.
    Never,
}

impl Condition {
    /// Reads and compiles an expression.
    ///
    /// # Errors
    /// The first fault, with its pointer relative to `value`.
    pub fn compile(value: &Value) -> Result<Self, Fault> {
        Ok(Self(compile(&vars::parse(value)?)?))
    }

    /// Whether it asks for fields of the request's body.
    pub fn reads_body(&self) -> bool {
        self.0.reads_body()
    }

    /// Whether the expression holds for this exchange.
    pub fn holds(&self, exchange: &Exchange) -> bool {
        self.0.holds(exchange)
    }
}

fn compile(expr: &Expr) -> Result<Node, Fault> {
    let each = |exprs: &[Expr]| exprs.iter().map(compile).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::All(exprs) => Node::All(each(exprs)?),
        Expr::Any(exprs) => Node::Any(each(exprs)?),
        Expr::Not(expr) => Node::Not(Box::new(compile(expr)?)),
        Expr::Compare(comparison) => Node::Test(Var::parse(&comparison.name), test(comparison)?),
    })
}

fn test(comparison: &Comparison) -> Result<Test, Fault> {
    let value = &comparison.value;
    Ok(match comparison.operator {
        Operator::Equal => Test::Equal(operand(value)),
        Operator::NotEqual => Test::NotEqual(operand(value)),
        Operator::Greater => Test::Greater(number(value)),
        Operator::GreaterOrEqual => Test::GreaterOrEqual(number(value)),
        Operator::Less => Test::Less(number(value)),
        Operator::LessOrEqual => Test::LessOrEqual(number(value)),
        Operator::Matches => Test::Matches(regex(value, "")?),
        Operator::MatchesIgnoreCase => Test::Matches(regex(value, "(?i)")?),
        Operator::In => Test::In(elements(value).map(operand).collect()),
        Operator::Has => Test::Has(text(value).into_owned()),
        Operator::IpMatch => Test::IpMatch(list(value).map(network).collect::<Result<_, _>>()?),
    })
}

/// Of what is no list nothing is an element.
fn elements(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(items) => items.iter(),
        single => std::slice::from_ref(single).iter(),
    }
}

fn operand(value: &Value) -> Operand {
    match value {
        Value::Number(number) => Operand::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::Null => Operand::Null,
        Value::Array(_) | Value::Object(_) => Operand::Never,
        other => Operand::Text(text(other).into_owned()),
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// What is no number is smaller and larger than nothing.
fn number(value: &Value) -> f64 {
    text(value).trim().parse().unwrap_or(f64::NAN)
}

fn regex(value: &Value, flags: &str) -> Result<Regex, Fault> {
    Regex::new(&format!("{flags}{}", text(value))).map_err(|reason| Fault::new("", reason))
}

fn network(value: &Value) -> Result<IpNet, Fault> {
    let text = text(value);
    let single = text.parse::<IpAddr>().map(IpNet::from);
    single.or_else(|_| text.parse()).map_err(|_| Fault::new("", format!("{text:?} must be an IP address or network")))
}

impl Node {
    fn reads_body(&self) -> bool {
        match self {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(Node::reads_body),
            Node::Not(node) => node.reads_body(),
            Node::Test(var, _) => matches!(var, Var::BodyArgument(_) | Var::Graphql(_)),
        }
    }

    fn holds(&self, exchange: &Exchange) -> bool {
        match self {
            Node::All(nodes) => nodes.iter().all(|node| node.holds(exchange)),
            Node::Any(nodes) => nodes.iter().any(|node| node.holds(exchange)),
            Node::Not(node) => !node.holds(exchange),
            Node::Test(var, test) => test.holds(var.get(exchange).as_deref()),
        }
    }
}

impl Test {
    /// A variable that is not set fails every test but `~=` and `== null`.
    fn holds(&self, value: Option<&str>) -> bool {
        let as_number = || value.and_then(|text| text.trim().parse::<f64>().ok());
        match self {
            Test::Equal(operand) => operand.equals(value),
            Test::NotEqual(operand) => !operand.equals(value),
            Test::Greater(bound) => as_number().is_some_and(|number| number > *bound),
            Test::GreaterOrEqual(bound) => as_number().is_some_and(|number| number >= *bound),
            Test::Less(bound) => as_number().is_some_and(|number| number < *bound),
            Test::LessOrEqual(bound) => as_number().is_some_and(|number| number <= *bound),
            // What cannot be decided does not match, as in APISIX.
            Test::Matches(regex) => value.is_some_and(|text| regex.is_match(text) == Ok(true)),
            Test::In(operands) => operands.iter().any(|operand| operand.is(value)),
            Test::Has(wanted) => value.is_some_and(|text| list_has(text, wanted)),
            Test::IpMatch(nets) => {
                let address = value.and_then(|text| text.parse::<IpAddr>().ok());
                address.is_some_and(|address| nets.iter().any(|net| net.contains(&address)))
            }
        }
    }
}

/// A list variable is text here: a JSON list, or items parted by commas.
fn list_has(text: &str, wanted: &str) -> bool {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(items) => items.iter().any(|item| item == wanted),
        Err(_) => text.split(',').any(|item| item.trim() == wanted),
    }
}

impl Operand {
    /// Whether it is the very value: a text is no number, as in APISIX's `in`.
    fn is(&self, value: Option<&str>) -> bool {
        matches!((self, value), (Operand::Text(wanted), Some(text)) if wanted == text)
    }

    fn equals(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Operand::Null, None) => true,
            (Operand::Text(wanted), Some(text)) => wanted == text,
            (Operand::Number(wanted), Some(text)) => text.trim().parse::<f64>().is_ok_and(|number| number == *wanted),
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
