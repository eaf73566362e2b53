//! Texts with variables: `/v2$uri`, `${remote_addr}-$http_x_tenant`, `${arg_size ?? 10}`.
//!
//! Source: `resolve_var` of APISIX's `core/utils.lua`

use std::borrow::Cow;

use crate::{Exchange, Var};

/// A text whose `$name` and `${name}` are replaced by variables, and `${name ?? default}` by the default where the variable
/// has no value. What follows `\$` is no name; both characters stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(Box<str>),
    Var(Var),
    VarOr(Var, Box<str>),
}

/// What a part of a template comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece<'t> {
    /// It stands in the template.
    Text(&'t str),
    /// A variable's value, or its default; `None` where there is neither.
    Value(Option<Cow<'t, str>>),
}

impl Template {
    /// Reads a template. A dollar sign that no name follows stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            plain.push_str(before);
            match name(after).filter(|_| !before.ends_with('\\')) {
                Some((name, remaining)) => {
                    push_text(&mut parts, &mut plain);
                    parts.push(Part::variable(name));
                    rest = remaining;
                }
                None => {
                    plain.push('$');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain);
        Self { parts }
    }

    /// The text with every variable's value; one that is not set is empty.
    pub fn render(&self, exchange: &Exchange) -> String {
        self.render_counted(exchange).0
    }

    /// As [`Template::render`], and how many variables had a value or a default (`limit-count` falls back when none has).
    pub fn render_counted(&self, exchange: &Exchange) -> (String, usize) {
        let mut out = String::new();
        let mut set = 0;
        for piece in self.pieces(exchange) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(Some(value)) => {
                    out.push_str(&value);
                    set += 1;
                }
                Piece::Value(None) => {}
            }
        }
        (out, set)
    }

    /// Its parts in order, with the values that variables have.
    pub fn pieces<'t>(&'t self, exchange: &'t Exchange) -> impl Iterator<Item = Piece<'t>> {
        self.parts.iter().map(|part| match part {
            Part::Text(text) => Piece::Text(text),
            Part::Var(var) => Piece::Value(var.get(exchange)),
            Part::VarOr(var, default) => Piece::Value(Some(var.get(exchange).unwrap_or(Cow::Borrowed(default)))),
        })
    }

    /// The text when there is no variable in it.
    pub fn as_constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl Part {
    fn variable(text: &str) -> Self {
        match text.split_once("??") {
            Some((name, default)) => {
                let default = default.split("??").next().unwrap_or_default();
                Part::VarOr(Var::parse(name.trim()), default.trim().into())
            }
            None => Part::Var(Var::parse(text.trim())),
        }
    }
}

fn push_text(parts: &mut Vec<Part>, plain: &mut String) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain).into_boxed_str()));
    }
}

/// The name at the start of `text` (after the dollar sign), and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, rest) = braced.split_once('}')?;
        return (!name.is_empty()).then_some((name, rest));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let text = |text: &str| Part::Text(text.into());
        let parse = |text: &str| Template::parse(text).parts;
        assert_eq!(parse("/v2$uri"), [text("/v2"), Part::Var(Var::parse("uri"))]);
        assert_eq!(parse("${arg_a}b"), [Part::Var(Var::parse("arg_a")), text("b")]);
        assert_eq!(parse(r"a\$b\${c}$d"), [text(r"a\$b\${c}"), Part::Var(Var::parse("d"))]);
        assert_eq!(parse("100$ $"), [text("100$ $")]);
        assert_eq!(parse("${"), [text("${")]);
        assert_eq!(parse("${ arg_a ?? b c }d"), [Part::VarOr(Var::parse("arg_a"), "b c".into()), text("d")]);
        assert_eq!(parse("${ arg_a }"), [Part::Var(Var::parse("arg_a"))]);
        assert_eq!(Template::parse("plain").as_constant(), Some("plain"));
        assert_eq!(Template::parse("${a??b}").as_constant(), None);
    }

    #[test]
    fn a_default_takes_the_place_of_a_missing_value_and_counts_as_one() {
        let template = Template::parse("${arg_a ?? none}/$arg_b/${arg_c ?? }");
        let rendered = |target: &str| template.render_counted(&crate::testing::exchange(target));
        assert_eq!(rendered("/"), ("none//".to_owned(), 2));
        assert_eq!(rendered("/?a=1&b=2&c=3"), ("1/2/3".to_owned(), 3));
    }
}
