//! The body of a request as JSON, and why it is none in the words of APISIX's reader.
//!
//! The reading is serde's. Only when it fails is the text walked again, token by token, to say what was expected and
//! what was found where. Source: <https://github.com/openresty/lua-cjson>

use serde_json::{Value, json};

use super::refusal::Refusal;

/// Larger bodies are refused, as in APISIX.
const LIMIT: usize = 1024 * 1024 * 3 / 2;

/// The body; `None` when there is none.
pub(super) fn read(body: &[u8]) -> Result<Option<Value>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    if body.len() > LIMIT {
        return Err(too_large(body.len()));
    }
    serde_json::from_slice(body).map(Some).map_err(|error| {
        let reason = reason(body).unwrap_or_else(|| error.to_string());
        let text = String::from_utf8_lossy(body);
        let answer = json!({ "error_msg": format!("invalid request body: {reason}"), "req_body": text });
        Refusal::body(http::StatusCode::BAD_REQUEST, answer)
    })
}

/// Of a body that was not even taken in the length is not known.
pub(super) fn too_large(length: usize) -> Refusal {
    let length = length.max(LIMIT + 1);
    let message = format!("request size {length} is greater than the maximum size {LIMIT} allowed");
    Refusal::bad_request(format!("invalid request body: {message}"))
}

/// What is wrong with a text that is no JSON; none when nothing is found.
fn reason(text: &[u8]) -> Option<String> {
    let mut reader = Reader { text, at: 0 };
    let read = reader.value(None).and_then(|()| match reader.next() {
        (Token::End, _) => Ok(()),
        found => Err(wrong("the end", found)),
    });
    read.err()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text,
    Number,
    Boolean,
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

/// A token and where it begins.
type Found = (Token, usize);

impl Token {
    fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text => "T_STRING",
            Token::Number => "T_NUMBER",
            Token::Boolean => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(what) => what,
        }
    }
}

fn wrong(expected: &str, (token, at): Found) -> String {
    format!("Expected {expected} but found {} at character {}", token.name(), at + 1)
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    /// A value, whose first token may have been read.
    fn value(&mut self, first: Option<Found>) -> Result<(), String> {
        // serde has stopped at its own depth before, so the recursion is bounded by it for what parses; what does not
        // is followed as deep.
        self.value_within(first, 128)
    }

    fn value_within(&mut self, first: Option<Found>, depth: usize) -> Result<(), String> {
        let found = first.unwrap_or_else(|| self.next());
        let Some(depth) = depth.checked_sub(1) else {
            return Err("Found too many nested data structures".to_owned());
        };
        match found.0 {
            Token::Text | Token::Number | Token::Boolean | Token::Null => Ok(()),
            Token::ObjectBegin => self.object(depth),
            Token::ArrayBegin => self.array(depth),
            _ => Err(wrong("value", found)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        let mut found = self.next();
        if found.0 == Token::ObjectEnd {
            return Ok(());
        }
        loop {
            if found.0 != Token::Text {
                return Err(wrong("object key string", found));
            }
            match self.next() {
                (Token::Colon, _) => self.value_within(None, depth)?,
                other => return Err(wrong("colon", other)),
            }
            match self.next() {
                (Token::ObjectEnd, _) => return Ok(()),
                (Token::Comma, _) => found = self.next(),
                other => return Err(wrong("comma or object end", other)),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        let mut found = self.next();
        if found.0 == Token::ArrayEnd {
            return Ok(());
        }
        loop {
            self.value_within(Some(found), depth)?;
            match self.next() {
                (Token::ArrayEnd, _) => return Ok(()),
                (Token::Comma, _) => found = self.next(),
                other => return Err(wrong("comma or array end", other)),
            }
        }
    }

    fn next(&mut self) -> Found {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let start = self.at;
        let Some(byte) = self.text.get(start) else { return (Token::End, start) };
        let single = |token| (token, 1);
        let (token, length) = match byte {
            b'{' => single(Token::ObjectBegin),
            b'}' => single(Token::ObjectEnd),
            b'[' => single(Token::ArrayBegin),
            b']' => single(Token::ArrayEnd),
            b':' => single(Token::Colon),
            b',' => single(Token::Comma),
            b'"' => return self.text_token(start),
            b'-' | b'+' | b'0'..=b'9' => (Token::Number, self.number_length()),
            _ => self.word(),
        };
        self.at += length;
        (token, start)
    }

    fn word(&self) -> (Token, usize) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let words = [("true", Token::Boolean), ("false", Token::Boolean), ("null", Token::Null)];
        let word = words.into_iter().find(|(word, _)| rest.starts_with(word.as_bytes()));
        word.map_or((Token::Error("invalid token"), 0), |(word, token)| (token, word.len()))
    }

    fn number_length(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: &&u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        rest.iter().take_while(is_part).count().max(1)
    }

    fn text_token(&mut self, start: usize) -> Found {
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                None => return (Token::Error("unexpected end of string"), at),
                Some(b'"') => break,
                Some(b'\\') if !self.is_escape(at + 1) => return (Token::Error("invalid escape code"), at),
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        (Token::Text, start)
    }

    fn is_escape(&self, at: usize) -> bool {
        matches!(self.text.get(at), Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_what_was_expected_and_what_was_found_where() {
        let cases = [
            ("abc", "Expected value but found invalid token at character 1"),
            ("{\"a\":", "Expected value but found T_END at character 6"),
            ("{a}", "Expected object key string but found invalid token at character 2"),
            ("{\"a\" 1}", "Expected colon but found T_NUMBER at character 6"),
            ("{\"a\":1", "Expected comma or object end but found T_END at character 7"),
            ("[1 2]", "Expected comma or array end but found T_NUMBER at character 4"),
            ("{}}", "Expected the end but found T_OBJ_END at character 3"),
            ("{\"a\":1,}", "Expected object key string but found T_OBJ_END at character 8"),
            ("\"abc", "Expected value but found unexpected end of string at character 5"),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(text.as_bytes()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(reason(b" {\"a\": [true, null, -1.5e3, \"\\n\"]} "), None);
    }

    #[test]
    fn depth_has_a_limit() {
        assert!(reason("[".repeat(10_000).as_bytes()).is_some());
    }
}
