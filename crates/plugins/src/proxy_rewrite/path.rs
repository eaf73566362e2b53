//! From the path of the request to that for the upstream.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use plugin_api::{Exchange, Template};

use crate::escape::PATH;

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
        let (path, query) = parted(text);
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

/// What stands before and behind the first question mark that is none of `${name ?? default}`.
fn parted(text: &str) -> (&str, Option<&str>) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(['?', '$'])).map(|at| from + at) {
        let (before, found) = text.split_at(at);
        match (found.strip_prefix('?'), found.strip_prefix("${").and_then(|braced| braced.find('}'))) {
            (Some(query), _) => return (before, Some(query)),
            (None, Some(end)) => from = at + 2 + end,
            (None, None) => from = at + 1,
        }
    }
    (text, None)
}
