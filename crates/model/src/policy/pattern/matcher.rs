//! How a pattern is compared: without a regular expression where that is possible.

mod compare;
mod glob;
mod runs;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::to_regex;
pub(in crate::policy) use compare::is_same;
pub(in crate::policy) use glob::Glob;
pub(in crate::policy) use runs::Runs;

/// More fixed texts than these are left to a regular expression.
const MOST_TEXTS: usize = 64;
/// A compiled expression's size in bytes; one within the limit of weight stays far below.
const MAX_COMPILED: usize = 8 << 20;
/// Memory of an expression's search; one that needs more runs slower, still in linear time.
const MAX_SEARCH: usize = 256 << 10;

/// The forms of patterns, from the cheapest to the dearest.
#[derive(Debug, Clone)]
pub(in crate::policy) enum Matcher {
    /// One of these texts; never empty.
    OneOf(Box<[Box<str>]>),
    /// These texts in this order, with anything between one and the next.
    Glob(Glob),
    /// Texts and runs of characters, read in one pass: `a/<[^/]*>/b/<[a-z]+>`.
    Runs(Runs),
    /// Anything else. The texts in it are looked for first: most of what does not match lacks one of them.
    Regex { texts: Option<Glob>, regex: Regex },
}

impl Matcher {
    pub(super) fn of(hir: &Hir) -> Result<Self, String> {
        if let Some(glob) = Glob::of(hir) {
            return Ok(Self::Glob(glob));
        }
        if let Some(texts) = texts(hir) {
            return Ok(Self::OneOf(texts.into_iter().map(Into::into).collect()));
        }
        if let Some(runs) = Runs::of(hir) {
            return Ok(Self::Runs(runs));
        }
        Ok(Self::Regex { texts: Glob::around(hir), regex: regex(hir)? })
    }

    /// Whether a store, too, can do without a regular expression.
    pub(super) fn is_of_texts(&self) -> bool {
        matches!(self, Matcher::OneOf(_) | Matcher::Glob(_))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Matcher::OneOf(texts) => texts.iter().any(|one| is_same(one.as_bytes(), text.as_bytes())),
            Matcher::Glob(glob) => glob.matches(text),
            Matcher::Runs(runs) => runs.matches(text),
            Matcher::Regex { texts, regex } => {
                texts.as_ref().is_none_or(|texts| texts.matches(text)) && regex.is_match(text)
            }
        }
    }
}

/// The printed form is what a database runs: here, too, so that a list and a decision cannot differ.
pub(super) fn regex(hir: &Hir) -> Result<Regex, String> {
    let source = to_regex(hir);
    let regex = RegexBuilder::new(&source).size_limit(MAX_COMPILED).dfa_size_limit(MAX_SEARCH).build();
    regex.map_err(|_| "the pattern's regular expressions are too large".to_owned())
}

/// A tree's parts one after the other.
fn parts(hir: &Hir) -> &[Hir] {
    match hir.kind() {
        HirKind::Concat(subs) => subs,
        _ => std::slice::from_ref(hir),
    }
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
