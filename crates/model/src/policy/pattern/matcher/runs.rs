//! Patterns that can be read from left to right without ever going back: texts, and runs of characters of which it is
//! plain where they end. `<[^/]*>/` is one, `<[a-z]*>b` is not. They are what people write for ids and names, and
//! cost a tenth of a regular expression.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};

use super::super::hir::is_in;
use super::compare;
use super::parts;

/// Texts and runs, one after the other.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Runs(Box<[Part]>);

#[derive(Debug, Clone)]
enum Part {
    Text(Box<str>),
    Run(Run),
}

/// `min` to `max` characters of a class.
#[derive(Debug, Clone)]
struct Run {
    /// The class's characters up to U+007F, a bit for each.
    ascii: u128,
    class: ClassUnicode,
    min: u32,
    max: u32,
}

impl Runs {
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let parts: Box<[Part]> = parts(hir).iter().map(part).collect::<Option<_>>()?;
        let is_plain = parts.iter().enumerate().all(|(at, part)| match part {
            Part::Text(_) => true,
            Part::Run(run) => run.ends_plainly_before(parts.get(at + 1)),
        });
        is_plain.then_some(Self(parts))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        for part in &self.0 {
            let after = match part {
                Part::Text(text) => {
                    compare::strip_prefix(rest.as_bytes(), text.as_bytes()).and_then(|_| rest.get(text.len()..))
                }
                Part::Run(run) => run.strip(rest),
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

fn part(hir: &Hir) -> Option<Part> {
    let run = |class: &Class, min, max| match class {
        Class::Unicode(class) => Some(Part::Run(Run::new(class.clone(), min, max))),
        Class::Bytes(_) => None,
    };
    match hir.kind() {
        HirKind::Literal(literal) => Some(Part::Text(std::str::from_utf8(&literal.0).ok()?.into())),
        HirKind::Class(class) => run(class, 1, 1),
        HirKind::Repetition(repetition) => match repetition.sub.kind() {
            HirKind::Class(class) => run(class, repetition.min, repetition.max.unwrap_or(u32::MAX)),
            _ => None,
        },
        _ => None,
    }
}

impl Run {
    fn new(class: ClassUnicode, min: u32, max: u32) -> Self {
        let ascii = ('\0'..='\x7f').filter(|c| is_in(&class, *c)).fold(0, |ascii, c| ascii | 1 << u32::from(c));
        Self { ascii, class, min, max }
    }

    /// Whether to take as many characters as there are is the one way to match, whatever the text.
    fn ends_plainly_before(&self, next: Option<&Part>) -> bool {
        let has_one_length = self.min == self.max;
        has_one_length
            || match next {
                None => true,
                Some(Part::Text(text)) => text.chars().next().is_some_and(|first| !self.has(first)),
                Some(Part::Run(next)) => next.min > 0 && self.has_none_of(&next.class),
            }
    }

    fn has_none_of(&self, other: &ClassUnicode) -> bool {
        let mut both = self.class.clone();
        both.intersect(other);
        both.ranges().is_empty()
    }

    /// What is left of the text after as many characters of the class as it begins with, and may be taken.
    fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut count = 0;
        let mut characters = text.chars();
        let mut rest = text;
        while count < self.max && characters.next().is_some_and(|c| self.has(c)) {
            rest = characters.as_str();
            count += 1;
        }
        (count >= self.min).then_some(rest)
    }

    fn has(&self, c: char) -> bool {
        if c.is_ascii() { self.ascii >> u32::from(c) & 1 == 1 } else { is_in(&self.class, c) }
    }
}
