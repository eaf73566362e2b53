//! Texts with variables: `/v2$uri`, `${remote_addr}-$http_x_tenant`.

use crate::{Exchange, Var};

/// A text whose `$name` and `${name}` are replaced by variables. `\$` stands for a dollar sign.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(Box<str>),
    Var(Var),
}

impl Template {
    /// Reads a template. A dollar sign that no name follows stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            if let Some(before) = before.strip_suffix('\\') {
                plain.push_str(before);
                plain.push('$');
                rest = after;
                continue;
            }
            plain.push_str(before);
            match name(after) {
                Some((name, remaining)) => {
                    push_text(&mut parts, &mut plain);
                    parts.push(Part::Var(Var::parse(name)));
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

    /// As [`Template::render`], and how many variables had a value (`limit-count` falls back when none has).
    pub fn render_counted(&self, exchange: &Exchange) -> (String, usize) {
        let mut out = String::new();
        let mut set = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Var(var) => {
                    if let Some(value) = var.get(exchange) {
                        out.push_str(&value);
                        set += 1;
                    }
                }
            }
        }
        (out, set)
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
        assert_eq!(parse(r"a\$b"), [text("a$b")]);
        assert_eq!(parse("100$ $"), [text("100$ $")]);
        assert_eq!(parse("${"), [text("${")]);
        assert_eq!(Template::parse("plain").as_constant(), Some("plain"));
    }
}
