//! From the path of the request to that for the upstream.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use plugin_api::{Exchange, Template};
use regex::Regex;

use crate::replacement::Replacement;

/// What nginx escapes in a path.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What cannot stand in a query; escapes are left as they are.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// What cannot stand in a request's target at all.
const AS_SENT: &AsciiSet = &QUERY.add(b'`');

/// Which path is rewritten.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Source {
    /// Decoded, dot segments resolved; the result is escaped again and the client's query kept.
    Normalised,
    /// The client's target with its query, byte for byte; so is the result.
    AsSent,
}

impl Source {
    /// The path as it stands; a global rule may have rewritten it before.
    pub(super) fn path<'e>(&self, exchange: &'e Exchange) -> Cow<'e, str> {
        match (self, &exchange.target.path_and_query) {
            (Source::AsSent, _) => exchange.uri.path_and_query().map_or("/", |target| target.as_str()).into(),
            (Source::Normalised, None) => exchange.path().into(),
            (Source::Normalised, Some(target)) => {
                let path = target.split('?').next().unwrap_or_default();
                percent_decode_str(path).decode_utf8_lossy()
            }
        }
    }

    /// The target from a rewritten path. A question mark parts a query, unless the client's own path had one
    /// (as `%3F`).
    pub(super) fn target(self, from: &str, rewritten: &str, exchange: &Exchange) -> String {
        if self == Source::AsSent {
            return as_sent(rewritten);
        }
        let parts = if from.contains('?') { None } else { rewritten.split_once('?') };
        let (path, query) = parts.map_or((rewritten, None), |(path, query)| (path, Some(query)));
        with_query(path, query, exchange)
    }
}

/// Escapes the path; behind it goes the rewritten query, then the client's.
fn with_query(path: &str, query: Option<&str>, exchange: &Exchange) -> String {
    let mut target = rooted(utf8_percent_encode(path, PATH).to_string());
    if let Some(query) = query {
        target.push('?');
        target.extend(utf8_percent_encode(query, QUERY));
    }
    if let Some(query) = exchange.uri.query().filter(|query| !query.is_empty()) {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(query);
    }
    target
}

/// A target as it is but for what no request line can have.
fn as_sent(target: &str) -> String {
    rooted(utf8_percent_encode(target, AS_SENT).to_string())
}

fn rooted(mut target: String) -> String {
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    target
}

/// `uri`: a path, and perhaps a query, with variables.
pub(super) struct PathTemplate {
    path: Template,
    query: Option<Template>,
}

impl PathTemplate {
    /// A question mark in the text parts the query; one in a variable's value does not.
    pub(super) fn parse(text: &str) -> Self {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        Self { path: Template::parse(path), query: query.map(Template::parse) }
    }

    pub(super) fn render(&self, exchange: &Exchange, source: Source) -> String {
        let path = self.path.render(exchange);
        let query = self.query.as_ref().map(|query| query.render(exchange));
        match (source, query) {
            (Source::Normalised, query) => with_query(&path, query.as_deref(), exchange),
            (Source::AsSent, Some(query)) => as_sent(&format!("{path}?{query}")),
            (Source::AsSent, None) => as_sent(&path),
        }
    }
}

/// A pair of `regex_uri`.
pub(super) struct RegexPair {
    regex: Regex,
    replacement: Replacement,
}

impl RegexPair {
    /// # Errors
    /// Which of the two is wrong, and why.
    pub(super) fn compile(pattern: &str, replacement: &str) -> Result<Self, (usize, String)> {
        Ok(Self {
            regex: model::vars::compile_regex(pattern).map_err(|reason| (0, reason))?,
            replacement: Replacement::parse(replacement).map_err(|reason| (1, reason))?,
        })
    }

    /// `path` with the first match replaced, and the groups of the match where they are wanted; `None` when
    /// it does not match.
    pub(super) fn apply(&self, path: &str, wants_captures: bool) -> Option<(String, Vec<String>)> {
        let captures = self.regex.captures(path)?;
        let whole = captures.get_match();
        let mut out = Vec::with_capacity(path.len());
        out.extend_from_slice(path.get(..whole.start())?.as_bytes());
        self.replacement.expand(|group| captures.get(group).map(|found| found.as_str().as_bytes()), &mut out);
        out.extend_from_slice(path.get(whole.end()..)?.as_bytes());
        let group = |found: Option<regex::Match<'_>>| found.map_or_else(String::new, |found| found.as_str().to_owned());
        let captured = if wants_captures { captures.iter().map(group).collect() } else { Vec::new() };
        Some((String::from_utf8(out).ok()?, captured))
    }
}
