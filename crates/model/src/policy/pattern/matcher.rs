//! How a pattern is compared: without a regular expression where that is possible.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::print;

/// More fixed texts than these are left to a regular expression.
const MOST_TEXTS: usize = 64;
/// A compiled expression's size in bytes; one within the limit of weight stays far below.
const MAX_COMPILED: usize = 8 << 20;
/// Memory of an expression's search; one that needs more runs slower, still in linear time.
const MAX_SEARCH: usize = 256 << 10;

/// The three forms of patterns.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Matcher {
    /// One of these texts; never empty.
    OneOf(Box<[Box<str>]>),
    /// These texts in this order, with anything between one and the next; at least two, of which any may be empty.
    Glob(Box<[Box<str>]>),
    /// Anything else.
    Regex(Regex),
}

impl Matcher {
    pub(super) fn of(hir: &Hir) -> Result<Self, String> {
        if let Some(pieces) = pieces(hir) {
            return Ok(Self::Glob(pieces));
        }
        if let Some(texts) = texts(hir) {
            return Ok(Self::OneOf(texts.into_iter().map(Into::into).collect()));
        }
        // The printed form is what a database runs: here, too, so that a list and a decision cannot differ.
        let source = print::whole(&print::body(hir));
        let regex = RegexBuilder::new(&source).size_limit(MAX_COMPILED).dfa_size_limit(MAX_SEARCH).build();
        regex.map(Self::Regex).map_err(|_| "the pattern's regular expressions are too large".to_owned())
    }

    pub(super) fn is_regex(&self) -> bool {
        matches!(self, Matcher::Regex(_))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Matcher::OneOf(texts) => texts.iter().any(|one| one.as_ref() == text),
            Matcher::Glob(pieces) => glob(pieces, text),
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }
}

/// The first piece is at the beginning, the last at the end, each other at the first place after the one before.
fn glob(pieces: &[Box<str>], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let rest = text.strip_prefix(first.as_ref()).and_then(|rest| rest.strip_suffix(last.as_ref()));
    let Some(mut rest) = rest else { return false };
    for piece in middle {
        match rest.find(piece.as_ref()).and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// The texts between `.*`s, if the tree is nothing but texts and at least one `.*`.
fn pieces(hir: &Hir) -> Option<Box<[Box<str>]>> {
    let subs = match hir.kind() {
        HirKind::Concat(subs) => subs.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let mut pieces = vec![String::new()];
    for sub in subs {
        match sub.kind() {
            HirKind::Literal(literal) => pieces.last_mut()?.push_str(std::str::from_utf8(&literal.0).ok()?),
            _ if is_anything(sub) => pieces.push(String::new()),
            _ => return None,
        }
    }
    (pieces.len() > 1).then(|| pieces.into_iter().map(Into::into).collect())
}

/// `.*`
fn is_anything(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else { return false };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return false };
    let all = class.ranges().first().is_some_and(|range| (range.start(), range.end()) == ('\0', char::MAX));
    all && repetition.min == 0 && repetition.max.is_none()
}

/// All texts that match, if they are few.
fn texts(hir: &Hir) -> Option<Vec<String>> {
    let found = match hir.kind() {
        HirKind::Empty => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8(literal.0.to_vec()).ok()?],
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(|range| range.len()).sum();
            if count > MOST_TEXTS {
                return None;
            }
            class.ranges().iter().flat_map(|range| range.start()..=range.end()).map(String::from).collect()
        }
        HirKind::Concat(subs) => {
            let mut found = vec![String::new()];
            for sub in subs {
                let next = texts(sub)?;
                if found.len() * next.len() > MOST_TEXTS {
                    return None;
                }
                found = found.iter().flat_map(|head| next.iter().map(move |tail| format!("{head}{tail}"))).collect();
            }
            found
        }
        HirKind::Alternation(subs) => {
            let mut found = Vec::new();
            for sub in subs {
                found.extend(texts(sub)?);
            }
            found
        }
        HirKind::Repetition(repetition) if (repetition.min, repetition.max) == (0, Some(1)) => {
            let mut found = texts(&repetition.sub)?;
            found.push(String::new());
            found
        }
        _ => return None,
    };
    (found.len() <= MOST_TEXTS).then_some(found)
}
