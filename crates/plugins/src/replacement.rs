//! What takes the place of a match, as nginx's `ngx.re.sub` reads it: `$1`, `${1}`, `$$`.

use std::borrow::Cow;
use std::ops::Range;

/// A text with places for groups.
#[derive(Debug, PartialEq)]
pub(crate) struct Replacement {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// # Errors
    /// A dollar sign before anything but a number, `{number}` or another dollar sign.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid capturing variable name found in {text:?}");
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(remaining) = after.strip_prefix('$') {
                plain.push('$');
                rest = remaining;
                continue;
            }
            let (group, remaining) = group(after).ok_or_else(invalid)?;
            push_text(&mut parts, &mut plain);
            parts.push(Part::Group(group));
            rest = remaining;
        }
        plain.push_str(rest);
        push_text(&mut parts, &mut plain);
        Ok(Self { parts })
    }

    /// Writes the replacement, with groups from `group`; one that took no part in the match is empty.
    pub(crate) fn expand<'g>(&self, group: impl Fn(usize) -> Option<&'g [u8]>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Group(number) => out.extend_from_slice(group(*number).unwrap_or_default()),
            }
        }
    }

    /// `text` with these matches replaced, of which `group` gives the groups, the whole match as number 0; as it is when
    /// there are none.
    pub(crate) fn replace<'t, M>(
        &self,
        text: &'t [u8],
        matches: impl IntoIterator<Item = M>,
        group: impl Fn(&M, usize) -> Option<Range<usize>>,
    ) -> Cow<'t, [u8]> {
        let mut out = Vec::new();
        let mut copied = 0;
        let mut matches = matches.into_iter().peekable();
        if matches.peek().is_none() {
            return Cow::Borrowed(text);
        }
        for found in matches {
            let whole = group(&found, 0).unwrap_or(copied..copied);
            out.extend_from_slice(text.get(copied..whole.start).unwrap_or_default());
            self.expand(|number| text.get(group(&found, number)?), &mut out);
            copied = whole.end;
        }
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }
}

fn push_text(parts: &mut Vec<Part>, plain: &mut String) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

/// The group's number at the start of `text` (after the dollar sign), and what follows it.
fn group(text: &str) -> Option<(usize, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (number, rest) = braced.split_once('}')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        return is_number.then(|| number.parse().ok()).flatten().map(|number| (number, rest));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    fn replaced(pattern: &str, replacement: &str, text: &str, all: bool) -> String {
        let regex = Regex::new(pattern).expect("a pattern");
        let replacement = Replacement::parse(replacement).expect("a replacement");
        let matches = regex.captures_iter(text.as_bytes()).take(if all { usize::MAX } else { 1 });
        let replaced = replacement.replace(text.as_bytes(), matches, |found, group| Some(found.get(group)?.range()));
        String::from_utf8(replaced.into_owned()).expect("text")
    }

    #[test]
    fn groups_take_their_places() {
        let cases = [
            ("a+", "<$0>", "aa b aa", false, "<aa> b aa"),
            ("a+", "<$0>", "aa b aa", true, "<aa> b <aa>"),
            ("(a)(b)?", "$2-$1_${1}x$$", "a", true, "-a_ax$"),
            ("x", "y", "none", true, "none"),
            ("a", "", "aba", true, "b"),
            ("^", "> ", "text", true, "> text"),
        ];
        for (pattern, replacement, text, all, expected) in cases {
            assert_eq!(replaced(pattern, replacement, text, all), expected, "{pattern} {replacement}");
        }
    }

    #[test]
    fn a_dollar_sign_before_anything_else_is_refused() {
        for text in ["$", "$a", "${", "${}", "${a}", "${1", "a$", "$99999999999999999999999"] {
            let fault = Replacement::parse(text).expect_err(text);
            assert!(fault.starts_with("invalid capturing variable name"), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn it_never_panics_and_keeps_a_text_without_match(text in "\\PC{0,20}", body in prop::collection::vec(any::<u8>(), 0..40)) {
            let regex = Regex::new("(?-u)(\\xff)?ab(c*)").expect("a pattern");
            if let Ok(replacement) = Replacement::parse(&text) {
                let group = |found: &regex::bytes::Captures<'_>, group: usize| Some(found.get(group)?.range());
                let changed = replacement.replace(&body, regex.captures_iter(&body), group);
                if !regex.is_match(&body) {
                    prop_assert_eq!(&*changed, &*body);
                }
            }
        }
    }
}
