//! Which texts of a given shape a pattern can match, without knowing the ids in them.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

use super::hir::is_in;

/// A part of a text's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Token {
    /// This character.
    Char(char),
    /// An id: at least one character, none of them `/`.
    Id,
}

impl Token {
    /// A text's characters as tokens.
    pub(in crate::policy) fn all(text: &str) -> impl Iterator<Item = Self> {
        text.chars().map(Token::Char)
    }
}

/// Whether some text of the shape matches the whole tree.
pub(in crate::policy) fn can_match(hir: &Hir, shape: &[Token]) -> bool {
    let mut start = vec![false; shape.len() + 1];
    start[0] = true;
    step(hir, shape, start).last().copied().unwrap_or(false)
}

/// Whether every id matches, and no matter what else: `<.+>`, `<[^/]*>`, `<[^:]+>`.
pub(in crate::policy) fn covers_ids(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else { return false };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return false };
    repetition.min <= 1 && repetition.max.is_none() && without(class, &['/', ':']).ranges().is_empty()
}

/// What a class lacks, but for `others`.
fn without(class: &ClassUnicode, others: &[char]) -> ClassUnicode {
    let mut lacking = class.clone();
    lacking.union(&ClassUnicode::new(others.iter().map(|c| ClassUnicodeRange::new(*c, *c))));
    lacking.negate();
    lacking
}

/// Where a match can end if it begins at any of `from`. A place is a number of tokens passed; within an id one can stay,
/// for it may have more characters.
fn step(hir: &Hir, shape: &[Token], from: Vec<bool>) -> Vec<bool> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => from,
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0);
            text.chars().fold(from, |from, wanted| pass(shape, &from, |c| c == wanted, wanted != '/'))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges();
            let has_other_than_slash = ranges.iter().any(|range| (range.start(), range.end()) != ('/', '/'));
            pass(shape, &from, |c| is_in(class, c), has_other_than_slash)
        }
        // None is in a pattern's tree; to say "can" is always safe.
        HirKind::Class(Class::Bytes(_)) => pass(shape, &from, |_| true, true),
        HirKind::Capture(capture) => step(&capture.sub, shape, from),
        HirKind::Concat(subs) => subs.iter().fold(from, |from, sub| step(sub, shape, from)),
        HirKind::Alternation(subs) => {
            let ends = subs.iter().map(|sub| step(sub, shape, from.clone()));
            ends.reduce(union).unwrap_or_else(|| vec![false; shape.len() + 1])
        }
        HirKind::Repetition(repetition) => {
            let start = (0..repetition.min).fold(from, |from, _| step(&repetition.sub, shape, from));
            more(&repetition.sub, shape, start, repetition.max.map(|max| max - repetition.min))
        }
    }
}

/// Up to `times` more repetitions, or any number; ends when one more reaches no new place.
fn more(sub: &Hir, shape: &[Token], start: Vec<bool>, times: Option<u32>) -> Vec<bool> {
    let mut reached = start;
    for _ in 0..times.unwrap_or(u32::MAX) {
        let next = union(reached.clone(), step(sub, shape, reached.clone()));
        if next == reached {
            break;
        }
        reached = next;
    }
    reached
}

/// One character further.
fn pass(shape: &[Token], from: &[bool], has: impl Fn(char) -> bool, has_for_id: bool) -> Vec<bool> {
    let mut to = vec![false; from.len()];
    for (at, token) in shape.iter().enumerate().filter(|(at, _)| from[*at]) {
        match token {
            Token::Char(c) => to[at + 1] |= has(*c),
            Token::Id => {
                to[at] |= has_for_id;
                to[at + 1] |= has_for_id;
            }
        }
    }
    to
}

fn union(mut one: Vec<bool>, other: Vec<bool>) -> Vec<bool> {
    one.iter_mut().zip(other).for_each(|(one, other)| *one |= other);
    one
}
