//! Writing JSON into a buffer as it comes, without a tree of values first.

use std::fmt::Display;
use std::io::Write;

use http::HeaderMap;
use http::header::HeaderValue;
use serde::Serialize;
use serde_json::Number;

/// Most query arguments that are looked at: nginx's bound, which also bounds the work.
const ARGUMENTS: usize = 100;

/// A name and its colon, after a comma where one is due.
pub(super) fn name(out: &mut Vec<u8>, name: &str) {
    if !out.ends_with(b"{") {
        out.push(b',');
    }
    text(out, name);
    out.push(b':');
}

/// A text. Most need no escapes, and to find that out costs a fraction of looking for each.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    if needs_escapes(text) {
        return json(out, text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// A number.
pub(super) fn number(out: &mut Vec<u8>, number: impl Into<Number>) {
    json(out, &number.into());
}

fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Texts and numbers always become JSON, and memory takes all that is written to it.
    let _ = serde_json::to_writer(out, value);
}

/// RFC 8259, section 7. Without an early end, so that the compiler can have many bytes looked at together.
fn needs_escapes(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
}

/// A text that needs no escapes: an address.
pub(super) fn plain(out: &mut Vec<u8>, text: impl Display) {
    let _ = write!(out, "\"{text}\"");
}

/// Milliseconds, to the microsecond.
pub(super) fn milliseconds(out: &mut Vec<u8>, time: std::time::Duration) {
    json(out, &(time.as_micros() as f64 / 1000.0));
}

/// Seconds, to the millisecond, as nginx tells times.
pub(super) fn seconds(out: &mut Vec<u8>, time: std::time::Duration) {
    json(out, &(time.as_millis() as f64 / 1000.0));
}

/// Names in lower case; several of one name are a list.
pub(super) fn headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    out.push(b'{');
    // Those of one name come one after another.
    let mut lines = headers.iter().peekable();
    while let Some((header, value)) = lines.next() {
        name(out, header.as_str());
        if lines.peek().is_none_or(|(next, _)| *next != header) {
            header_value(out, value);
            continue;
        }
        list(out, || headers.get_all(header).iter(), header_value);
        while lines.next_if(|(next, _)| *next == header).is_some() {}
    }
    out.push(b'}');
}

fn header_value(out: &mut Vec<u8>, header: &HeaderValue) {
    text(out, &String::from_utf8_lossy(header.as_bytes()));
}

/// Arguments by name, decoded; several of one name are a list, one without `=` is `true`.
pub(super) fn arguments(out: &mut Vec<u8>, query: &str) {
    let all: Vec<_> = plugin_api::var::arguments(query).take(ARGUMENTS).collect();
    out.push(b'{');
    for (at, (argument, _)) in all.iter().enumerate() {
        if all.iter().take(at).any(|(before, _)| before == argument) {
            continue;
        }
        name(out, argument);
        let same = || all.iter().filter(|(other, _)| other == argument);
        list(out, same, |out, (_, one)| match one {
            Some(one) => text(out, one),
            None => out.extend_from_slice(b"true"),
        });
    }
    out.push(b'}');
}

/// One as it is, several in brackets.
fn list<I: Iterator>(out: &mut Vec<u8>, items: impl Fn() -> I, write: impl Fn(&mut Vec<u8>, I::Item)) {
    let is_list = items().nth(1).is_some();
    if is_list {
        out.push(b'[');
    }
    for (at, item) in items().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    if is_list {
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn texts_are_escaped_where_they_need_it() {
        let long = "x".repeat(100);
        let cases = ["", "a", "\u{e4}\u{7f}/'", "\"", "\\", "\n", "\u{0}", "\u{1f}", &long, &format!("{long}\"{long}")];
        for case in cases {
            assert_eq!(written(|out| text(out, case)), serde_json::to_string(case).expect("json"));
        }
    }

    #[test]
    fn arguments_are_decoded_and_gathered() {
        let cases = [
            ("", "{}"),
            ("a=1&b=%22x%22+y", r#"{"a":"1","b":"\"x\" y"}"#),
            ("a=1&b&a=2&%61=", r#"{"a":["1","2",""],"b":true}"#),
        ];
        for (query, expected) in cases {
            assert_eq!(written(|out| arguments(out, query)), expected, "{query}");
        }
        assert_eq!(written(|out| arguments(out, &"a&".repeat(5000))).matches("true").count(), ARGUMENTS);
    }

    #[test]
    fn headers_are_text_whatever_bytes_they_have() {
        let mut map = HeaderMap::new();
        map.append("x-a", HeaderValue::from_static("1"));
        map.append("x-a", HeaderValue::from_bytes(b"\xff").expect("a value"));
        map.append("x-a", HeaderValue::from_static("3"));
        map.append("x-b", HeaderValue::from_static("\"2\""));
        assert_eq!(written(|out| headers(out, &map)), "{\"x-a\":[\"1\",\"\u{fffd}\",\"3\"],\"x-b\":\"\\\"2\\\"\"}");
    }
}
