//! The parser: by descent, bounded in length and depth, for bytes that anybody may send.

use super::{Filter, Literal, MAX_BYTES, MAX_DEPTH, Operator};
use crate::error::{Error, ErrorType};
use crate::path::{AttributePath, is_name};

impl Filter {
    /// Reads a filter. Whether its attributes exist is [`Filter::check`]'s to say.
    ///
    /// # Errors
    /// [`ErrorType::InvalidFilter`] with the place of the fault.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parser = Parser::new(text)?;
        let filter = parser.any(0)?;
        parser.spaces();
        match parser.rest() {
            "" => Ok(filter),
            _ => Err(parser.fault("\"and\", \"or\" or the end")),
        }
    }
}

/// `emails[type eq "work"].value`, as PATCH names its target.
pub(crate) fn value_path(text: &str) -> Result<(AttributePath, Filter, Option<String>), Error> {
    let mut parser = Parser::new(text)?;
    let path = parser.path()?;
    parser.expect("[")?;
    let filter = parser.any(1)?;
    parser.spaces();
    parser.expect("]")?;
    let sub = match parser.rest() {
        "" => None,
        rest => match rest.strip_prefix('.').filter(|sub| is_name(sub)) {
            Some(sub) => Some(sub.to_owned()),
            None => return Err(parser.fault("the name of a part, or the end")),
        },
    };
    Ok((path, filter, sub))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            let wanted = format!("a filter must have at most {MAX_BYTES} bytes");
            return Err(Error::of(ErrorType::InvalidFilter, wanted));
        }
        Ok(Self { text, at: 0 })
    }

    /// `and` binds more tightly than `or`.
    fn any(&mut self, depth: usize) -> Result<Filter, Error> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(joined(parts, Filter::Or))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, Error> {
        let mut parts = vec![self.one(depth)?];
        while self.word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(joined(parts, Filter::And))
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Error> {
        if depth > MAX_DEPTH {
            return Err(self.fault(&format!("at most {MAX_DEPTH} levels of nesting")));
        }
        self.spaces();
        if self.not() {
            return Ok(Filter::Not(Box::new(self.group(depth)?)));
        }
        if self.rest().starts_with('(') {
            return self.group(depth);
        }
        let path = self.path()?;
        if self.rest().starts_with('[') {
            return self.within(path, depth);
        }
        self.comparison(path)
    }

    fn group(&mut self, depth: usize) -> Result<Filter, Error> {
        self.spaces();
        self.expect("(")?;
        let filter = self.any(depth + 1)?;
        self.spaces();
        self.expect(")")?;
        Ok(filter)
    }

    fn within(&mut self, path: AttributePath, depth: usize) -> Result<Filter, Error> {
        self.expect("[")?;
        let inner = self.any(depth + 1)?;
        self.spaces();
        self.expect("]")?;
        let Some(rest) = self.rest().strip_prefix('.') else {
            return Ok(Filter::Within(path, Box::new(inner)));
        };
        // Beyond the grammar, but Entra ID asks so: emails[type eq "work"].value eq "ann@example.com"
        self.at = self.text.len() - rest.len();
        let sub = self.path()?;
        let comparison = self.comparison(sub)?;
        Ok(Filter::Within(path, Box::new(Filter::And(vec![inner, comparison]))))
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, Error> {
        self.spaces();
        let word = self.take(|byte| byte.is_ascii_alphabetic());
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(operator) = operator(word) else {
            self.at -= word.len();
            return Err(self.fault("eq, ne, co, sw, ew, gt, ge, lt, le or pr"));
        };
        self.spaces();
        Ok(Filter::Compare(path, operator, self.literal()?))
    }

    fn path(&mut self) -> Result<AttributePath, Error> {
        let text = self.take(|byte| byte.is_ascii_alphanumeric() || b":._-$".contains(&byte));
        let path = AttributePath::read(text).filter(|path| !path.attribute.is_empty());
        path.ok_or_else(|| {
            self.at -= text.len();
            self.fault("an attribute")
        })
    }

    fn literal(&mut self) -> Result<Literal, Error> {
        if self.rest().starts_with('"') {
            return self.quoted().map(Literal::Text);
        }
        let word = self.take(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let literal = match word.to_ascii_lowercase().as_str() {
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            "null" => Some(Literal::Null),
            _ => serde_json::from_str(word).ok().filter(|number: &f64| number.is_finite()).map(Literal::Number),
        };
        literal.ok_or_else(|| {
            self.at -= word.len();
            self.fault("a text in double quotes, a number, true, false or null")
        })
    }

    /// A text as JSON writes it.
    fn quoted(&mut self) -> Result<String, Error> {
        let mut escaped = true;
        let end = self.rest().bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            // The opening quote counts as escaped.
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let text = end.and_then(|end| self.rest().get(..=end));
        let read = text.and_then(|text| Some((text.len(), serde_json::from_str(text).ok()?)));
        let (length, read) = read.ok_or_else(|| self.fault("a text in double quotes, escaped as in JSON"))?;
        self.at += length;
        Ok(read)
    }

    /// Takes a word that stands between spaces, in any case; parentheses may follow at once.
    fn word(&mut self, word: &str) -> bool {
        let before = self.at;
        self.spaces();
        let is_apart = self.at > before || self.text.as_bytes().get(before.wrapping_sub(1)).is_some_and(closes);
        let found = self.take(|byte| byte.is_ascii_alphabetic());
        let ends = matches!(self.rest().bytes().next(), Some(b' ' | b'('));
        if is_apart && found.eq_ignore_ascii_case(word) && ends {
            return true;
        }
        self.at = before;
        false
    }

    fn not(&mut self) -> bool {
        let before = self.at;
        let found = self.take(|byte| byte.is_ascii_alphabetic());
        if found.eq_ignore_ascii_case("not") {
            self.spaces();
            if self.rest().starts_with('(') {
                return true;
            }
        }
        self.at = before;
        false
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Error> {
        if !self.rest().starts_with(wanted) {
            return Err(self.fault(&format!("{wanted:?}")));
        }
        self.at += wanted.len();
        Ok(())
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !belongs(byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn spaces(&mut self) {
        self.take(|byte| byte == b' ');
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, wanted: &str) -> Error {
        let place = self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1;
        Error::of(ErrorType::InvalidFilter, format!("the filter must have {wanted} at character {place}"))
    }
}

fn closes(byte: &u8) -> bool {
    matches!(byte, b')' | b']')
}

fn joined(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn operator(word: &str) -> Option<Operator> {
    Some(match word.to_ascii_lowercase().as_str() {
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "co" => Operator::Co,
        "sw" => Operator::Sw,
        "ew" => Operator::Ew,
        "gt" => Operator::Gt,
        "ge" => Operator::Ge,
        "lt" => Operator::Lt,
        "le" => Operator::Le,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter as a fully parenthesised text.
    fn shape(filter: &Filter) -> String {
        let all = |parts: &[Filter], by: &str| format!("({})", parts.iter().map(shape).collect::<Vec<_>>().join(by));
        match filter {
            Filter::Compare(path, operator, literal) => format!("{path} {operator:?} {literal:?}"),
            Filter::Present(path) => format!("{path} pr"),
            Filter::And(parts) => all(parts, " & "),
            Filter::Or(parts) => all(parts, " | "),
            Filter::Not(part) => format!("!{}", shape(part)),
            Filter::Within(path, part) => format!("{path}[{}]", shape(part)),
        }
    }

    #[test]
    fn the_grammar() {
        let cases = [
            ("userName eq \"ann\"", "userName Eq Text(\"ann\")"),
            ("  userName   EQ \"a\\\"b\\\\\"  ", "userName Eq Text(\"a\\\"b\\\\\")"),
            ("userName eq \"\\u00e9 and (\"", "userName Eq Text(\"é and (\")"),
            ("active eq TRUE", "active Eq Bool(true)"),
            ("title pr", "title pr"),
            ("a eq null or b gt -1.5e2", "(a Eq Null | b Gt Number(-150.0))"),
            ("a pr or b pr and c pr", "(a pr | (b pr & c pr))"),
            ("(a pr or b pr) and c pr", "((a pr | b pr) & c pr)"),
            ("(a pr)and(b pr)", "(a pr & b pr)"),
            ("not (a pr) and b pr", "(!a pr & b pr)"),
            ("NOT(a pr)", "!a pr"),
            ("notes eq \"x\"", "notes Eq Text(\"x\")"),
            ("not pr", "not pr"),
            (
                "emails[type eq \"work\" and value co \"@x\"]",
                "emails[(type Eq Text(\"work\") & value Co Text(\"@x\"))]",
            ),
            ("emails[type eq \"work\"].value eq \"a\"", "emails[(type Eq Text(\"work\") & value Eq Text(\"a\"))]"),
            ("emails[type eq \"work\"] or a pr", "(emails[type Eq Text(\"work\")] | a pr)"),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department sw \"d\"",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department Sw Text(\"d\")",
            ),
            ("meta.lastModified ge \"2026-01-01T00:00:00Z\"", "meta.lastModified Ge Text(\"2026-01-01T00:00:00Z\")"),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(&Filter::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_outside_the_grammar_is_refused_with_its_place() {
        let deep = format!("{}a pr{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
        let long = format!("a eq \"{}\"", "x".repeat(MAX_BYTES));
        let cases = [
            ("", "character 1"),
            ("userName", "character 9"),
            ("userName is \"a\"", "character 10"),
            ("userName eq ann", "character 13"),
            ("userName eq \"ann", "character 13"),
            ("userName eq \"\\x\"", "character 13"),
            ("userName eq \"ann\" x", "character 19"),
            ("a pr and", "character 6"),
            ("a pr andb pr", "character 6"),
            ("(a pr", "character 6"),
            ("a pr)", "character 5"),
            ("emails[type pr", "character 15"),
            ("é eq 1", "character 1"),
            ("a eq 1e999", "character 6"),
            ("a..b pr", "character 1"),
            (&deep, "levels"),
            (&long, "at most"),
        ];
        for (text, place) in cases {
            let error = Filter::parse(text).unwrap_err();
            assert_eq!(error.scim_type, Some(ErrorType::InvalidFilter));
            assert!(error.detail.contains(place), "{text}: {error}");
        }
    }
}
