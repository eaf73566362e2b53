//! Filters of lists and of value paths (RFC 7644, section 3.4.2.2).

mod evaluate;
mod parse;

pub(crate) use parse::value_path;

use crate::path::AttributePath;

/// Longest filter that is read.
pub const MAX_BYTES: usize = 4096;
/// Deepest nesting of parentheses, brackets and `not`.
pub const MAX_DEPTH: usize = 24;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// `userName eq "ann"`
    Compare(AttributePath, Operator, Literal),
    /// `title pr`
    Present(AttributePath),
    /// All of these.
    And(Vec<Filter>),
    /// Any of these.
    Or(Vec<Filter>),
    /// `not (...)`
    Not(Box<Filter>),
    /// `emails[type eq "work"]`: one and the same value of the attribute meets the filter.
    Within(AttributePath, Box<Filter>),
}

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal, or without a value.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
}

/// What values are compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// No value.
    Null,
}
