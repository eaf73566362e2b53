//! Of a GraphQL request what routes match by: operation, name, root fields.
//!
//! Not a parser of the language: it reads the first definition as far as its root fields and skips what stands in
//! between. Source: <https://apisix.apache.org/docs/apisix/graphql/>, and the grammar of
//! <https://spec.graphql.org/October2021/#sec-Document-Syntax>.

use std::borrow::Cow;

use http::Method;

use crate::Exchange;

/// Longer queries are not looked at, in bytes.
pub const LONGEST: usize = 1024 * 1024;

/// What is asked of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `query`, `mutation` or `subscription`.
    Operation,
    /// The operation's name, which may be empty.
    Name,
    /// The fields that it asks for, parted by commas.
    RootFields,
}

impl Part {
    /// The variable's name without `graphql_`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "operation" => Some(Part::Operation),
            "name" => Some(Part::Name),
            "root_fields" => Some(Part::RootFields),
            _ => None,
        }
    }

    /// The part of a request's query; `None` when it has none.
    pub(crate) fn of(self, exchange: &Exchange) -> Option<String> {
        let query = query(exchange).filter(|query| query.len() <= LONGEST)?;
        let head = Head::read(&query)?;
        Some(match self {
            Part::Operation => head.operation.to_owned(),
            Part::Name => head.name.to_owned(),
            Part::RootFields => head.root_fields.join(","),
        })
    }
}

/// The query: an argument of a GET; the body of a POST, or its field when it is JSON. As in APISIX a body of any other type
/// is the query itself: a client must not get past a condition by what it calls its body.
fn query(exchange: &Exchange) -> Option<Cow<'_, str>> {
    match exchange.method {
        Method::GET => return exchange.query_argument("query"),
        Method::POST => {}
        _ => return None,
    }
    let body = exchange.request_body.as_deref()?;
    if !exchange.header("content-type").is_some_and(|content_type| content_type.starts_with("application/json")) {
        return std::str::from_utf8(body).ok().map(Cow::Borrowed);
    }
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(Cow::Owned(document.get("query")?.as_str()?.to_owned()))
}

/// The head of a document's first definition.
#[derive(Debug, PartialEq)]
struct Head<'q> {
    operation: &'q str,
    name: &'q str,
    root_fields: Vec<&'q str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'q> {
    Name(&'q str),
    Sign(u8),
    Spread,
    /// A string or number.
    Value,
}

impl<'q> Head<'q> {
    fn read(query: &'q str) -> Option<Self> {
        let mut tokens = Tokens { text: query, at: 0 };
        let mut head = Head { operation: "query", name: "", root_fields: Vec::new() };
        let mut token = tokens.next()?;
        if let Token::Name(operation) = token {
            head.operation = Some(operation).filter(|name| matches!(*name, "query" | "mutation" | "subscription"))?;
            token = tokens.next()?;
            if let Token::Name(name) = token {
                head.name = name;
                token = tokens.next()?;
            }
        }
        token = tokens.skip_arguments(token)?;
        if token != Token::Sign(b'{') {
            return None;
        }
        head.root_fields = tokens.fields()?;
        Some(head)
    }
}

struct Tokens<'q> {
    text: &'q str,
    at: usize,
}

impl<'q> Tokens<'q> {
    /// The fields up to the closing brace.
    fn fields(&mut self) -> Option<Vec<&'q str>> {
        let mut fields = Vec::new();
        let mut token = self.next()?;
        while token != Token::Sign(b'}') {
            match token {
                Token::Name(name) => {
                    token = self.next()?;
                    // What stands before a colon is what the client wants to call the field.
                    let name = if token == Token::Sign(b':') {
                        let Token::Name(field) = self.next()? else { return None };
                        token = self.next()?;
                        field
                    } else {
                        name
                    };
                    fields.push(name);
                }
                Token::Spread => {
                    token = self.next()?;
                    while matches!(token, Token::Name(_)) {
                        token = self.next()?;
                    }
                }
                _ => return None,
            }
            token = self.skip_arguments(token)?;
            if token == Token::Sign(b'{') {
                self.skip_to_close(b'{', b'}')?;
                token = self.next()?;
            }
        }
        Some(fields)
    }

    /// Skips arguments and directives; gives the token after them.
    fn skip_arguments(&mut self, mut token: Token<'q>) -> Option<Token<'q>> {
        loop {
            match token {
                Token::Sign(b'(') => self.skip_to_close(b'(', b')')?,
                Token::Sign(b'@') => drop(self.next()?),
                other => return Some(other),
            }
            token = self.next()?;
        }
    }

    fn skip_to_close(&mut self, open: u8, close: u8) -> Option<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Token::Sign(sign) if sign == open => depth += 1,
                Token::Sign(sign) if sign == close => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }

    fn next(&mut self) -> Option<Token<'q>> {
        self.skip_blank();
        let rest = self.text.get(self.at..)?;
        let first = *rest.as_bytes().first()?;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = match first {
            b'"' if rest.starts_with("\"\"\"") => rest.get(3..)?.find("\"\"\"")? + 6,
            b'"' => string_length(rest.as_bytes())?,
            byte if is_name(&byte) => rest.bytes().take_while(is_name).count(),
            b'.' if rest.starts_with("...") => 3,
            byte if byte.is_ascii() => 1,
            _ => return None,
        };
        self.at += length;
        Some(match first {
            b'"' | b'0'..=b'9' => Token::Value,
            b'.' => Token::Spread,
            byte if is_name(&byte) => Token::Name(rest.get(..length)?),
            sign => Token::Sign(sign),
        })
    }

    /// White space, commas and comments mean nothing.
    fn skip_blank(&mut self) {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                b'#' => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }
}

/// A string with its quotes.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Option<(&str, &str, String)> {
        Head::read(query).map(|head| (head.operation, head.name, head.root_fields.join(",")))
    }

    #[test]
    fn the_first_definition_is_read_as_far_as_its_root_fields() {
        let cases = [
            ("{ owner }", ("query", "", "owner")),
            ("query getRepo { owner { name } repo { created } }", ("query", "getRepo", "owner,repo")),
            (
                "query ($id: ID! = \"}\") @live(x: 1) { a: owner(id: $id, s: \"{\\\"\") @skip(if: true) { x } b }",
                ("query", "", "owner,b"),
            ),
            ("mutation M { make }", ("mutation", "M", "make")),
            ("# a comment {\n subscription { s, t }", ("subscription", "", "s,t")),
            ("query { ...part ... on T { x } a(o: {k: [1, 2]}) } fragment part on Q { y }", ("query", "", "a")),
            ("query { a(text: \"\"\"block } \" \"\"\") b }", ("query", "", "a,b")),
        ];
        for (query, (operation, name, fields)) in cases {
            assert_eq!(read(query), Some((operation, name, fields.to_owned())), "{query}");
        }
        for query in ["", "query", "fragment f on T { x }", "{ a", "{ a(", "{ \"a\" }", "query { é }"] {
            assert_eq!(read(query), None, "{query}");
        }
    }
}
