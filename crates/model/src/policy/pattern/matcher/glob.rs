//! Texts in order with anything between them: what `<.*>` makes of a pattern, and a quick first look at others.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::compare::{strip_prefix, strip_suffix};
use super::parts;

/// Texts in order, with anything between one and the next.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Glob {
    /// At least two, of which any may be empty.
    pieces: Box<[Box<str>]>,
    /// For each piece between the first and the last.
    finders: Box<[Finder<'static>]>,
}

impl Glob {
    /// The pattern itself, if it is nothing but texts and at least one `.*`.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let parts = parts(hir);
        let is_text_or_anything = |part: &Hir| matches!(part.kind(), HirKind::Literal(_)) || is_anything(part);
        (parts.iter().all(is_text_or_anything) && parts.iter().any(is_anything)).then(|| Self::over(parts))?
    }

    /// What every match of the pattern is like; none if that says nothing.
    pub(super) fn around(hir: &Hir) -> Option<Self> {
        Self::over(parts(hir)).filter(|glob| glob.pieces.iter().any(|piece| !piece.is_empty()))
    }

    /// The texts among the parts; each other part is anything.
    fn over(parts: &[Hir]) -> Option<Self> {
        let mut pieces = vec![String::new()];
        for part in parts {
            match part.kind() {
                HirKind::Literal(literal) => pieces.last_mut()?.push_str(std::str::from_utf8(&literal.0).ok()?),
                _ => pieces.push(String::new()),
            }
        }
        let [_, middle @ .., _] = pieces.as_slice() else { return None };
        let finders = middle.iter().map(|piece| Finder::new(piece).into_owned()).collect();
        Some(Self { pieces: pieces.into_iter().map(Into::into).collect(), finders })
    }

    /// At least two.
    pub(in crate::policy) fn pieces(&self) -> &[Box<str>] {
        &self.pieces
    }

    /// The first piece is at the beginning, the last at the end, each other at the first place after the one before.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, .., last] = &*self.pieces else { return false };
        let rest = strip_prefix(text.as_bytes(), first.as_bytes());
        let Some(mut rest) = rest.and_then(|rest| strip_suffix(rest, last.as_bytes())) else { return false };
        for finder in &self.finders {
            let after = finder.find(rest).and_then(|at| rest.get(at + finder.needle().len()..));
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        true
    }
}

/// `.*`
fn is_anything(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else { return false };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return false };
    let all = class.ranges().first().is_some_and(|range| (range.start(), range.end()) == ('\0', char::MAX));
    all && repetition.min == 0 && repetition.max.is_none()
}
