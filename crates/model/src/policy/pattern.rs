//! Patterns of ARNs and actions: text with regular expressions in angle brackets, `gateway:<.*>CustomPlugin<.*>`.
//!
//! A pattern always is about the whole text. `.` is any character, line feeds included, so that no name can slip by a
//! `<.*>` that denies. Most patterns are fixed texts, texts with `<.*>` in them or with runs of characters (`<[^/]+>`),
//! and are compared without a regular expression ([`matcher`]); all can be printed as one that PostgreSQL and Rust read alike ([`print`]).

mod hir;
mod matcher;
mod print;
mod reach;
mod rest;

use std::fmt;

use regex_syntax::hir::Hir;

pub(super) use hir::weight;
pub(super) use matcher::{Matcher, is_same};
pub(super) use reach::{Token, can_match, covers_ids};
pub(super) use rest::{any_of, rests_after};

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;
/// Heaviest regular expression of one pattern: characters and classes that it has when its repetitions are written out.
pub(super) const MAX_PATTERN_WEIGHT: usize = 2000;

/// A compiled pattern.
#[derive(Clone)]
pub struct Pattern {
    source: Box<str>,
    hir: Hir,
    matcher: Matcher,
    weight: usize,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(source: &str) -> Result<Self, String> {
        if source.is_empty() {
            return Err("a pattern must not be empty".into());
        }
        if source.len() > MAX_PATTERN_BYTES {
            return Err(format!(
                "a pattern must be at most {MAX_PATTERN_BYTES} bytes long, this one has {}",
                source.len()
            ));
        }
        let hir = hir::of(source)?;
        let weight = weight(&hir);
        if weight > MAX_PATTERN_WEIGHT {
            return Err("the pattern's regular expressions are too large: use fewer or smaller repetitions".into());
        }
        let matcher = Matcher::of(&hir)?;
        Ok(Self { source: source.into(), hir, weight: if matcher.is_of_texts() { 0 } else { weight }, matcher })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole of `text` is as the pattern says. Linear in its length.
    pub fn matches(&self, text: &str) -> bool {
        self.matcher.matches(text)
    }

    /// The pattern as a regular expression over the whole text that means the same for every text to the engine of
    /// PostgreSQL (`~`, in a database of encoding UTF8) and to the crate `regex`. Only PostgreSQL's side has a limit of 255
    /// for a repetition, which therefore holds for all.
    pub fn to_regex(&self) -> String {
        to_regex(&self.hir)
    }

    /// Whether every text matches.
    pub fn is_everything(&self) -> bool {
        matches!(&self.matcher, Matcher::Glob(glob) if glob.pieces().iter().all(|piece| piece.is_empty()))
    }

    /// Size of the regular expression that runs, here or in a store, when one does; see [`MAX_PATTERN_WEIGHT`].
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    pub(super) fn hir(&self) -> &Hir {
        &self.hir
    }
}

/// A tree as [`Pattern::to_regex`] has it.
pub(super) fn to_regex(hir: &Hir) -> String {
    print::whole(&print::body(hir))
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

#[cfg(test)]
mod tests;
