//! What is left of a regular expression when the beginning of the text is known, and several made into one.
//!
//! The rests are Antimirov's partial derivatives. Source: V. Antimirov, "Partial derivatives of regular expressions and
//! finite automaton constructions", Theoretical Computer Science 155, 1996.

use std::collections::BTreeMap;

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::hir::is_in;
use super::print;

/// With more ways to have read the beginning, the expression as it stands is the smaller one.
const MOST_RESTS: usize = 64;

/// The trees of which one must match what follows `beginning`: none, if nothing that follows would do. `None` if there are
/// too many.
pub(in crate::policy) fn rests_after(beginning: &str, hir: &Hir) -> Option<Vec<Hir>> {
    let (beginning, hir) = without_common_text(beginning, hir);
    let mut rests = vec![hir];
    for c in beginning.chars() {
        let mut next: Vec<Hir> = Vec::new();
        for rest in rests.iter().flat_map(|rest| after(c, rest)) {
            if !next.contains(&rest) {
                next.push(rest);
            }
        }
        if next.len() > MOST_RESTS {
            return None;
        }
        rests = next;
    }
    Some(rests)
}

/// Most patterns begin with text, which need not be read character by character.
fn without_common_text<'a>(beginning: &'a str, hir: &Hir) -> (&'a str, Hir) {
    let (head, tail) = split_first(hir);
    let text = match head.kind() {
        HirKind::Literal(literal) => str::from_utf8(&literal.0).unwrap_or_default(),
        _ => "",
    };
    let common: usize =
        beginning.chars().zip(text.chars()).take_while(|(one, other)| one == other).map(|(c, _)| c.len_utf8()).sum();
    if common == 0 {
        return (beginning, hir.clone());
    }
    let (_, beginning) = beginning.split_at(common);
    let (_, text) = text.split_at(common);
    (beginning, followed_by(Hir::literal(text.as_bytes()), tail))
}

/// What can follow `c`.
fn after(c: char, hir: &Hir) -> Vec<Hir> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => {
            let rest = str::from_utf8(&literal.0).ok().and_then(|text| text.strip_prefix(c));
            rest.map(|rest| Hir::literal(rest.as_bytes())).into_iter().collect()
        }
        HirKind::Class(class) => has(class, c).then(Hir::empty).into_iter().collect(),
        HirKind::Capture(capture) => after(c, &capture.sub),
        HirKind::Alternation(subs) => subs.iter().flat_map(|sub| after(c, sub)).collect(),
        HirKind::Concat(subs) => {
            let mut rests = Vec::new();
            let mut tail = subs.as_slice();
            while let [head, behind @ ..] = tail {
                rests.extend(after(c, head).into_iter().map(|rest| followed_by(rest, behind)));
                if head.properties().minimum_len() != Some(0) {
                    break;
                }
                tail = behind;
            }
            rests
        }
        HirKind::Repetition(repetition) => {
            let more = Hir::repetition(Repetition {
                min: repetition.min.saturating_sub(1),
                max: repetition.max.map(|max| max.saturating_sub(1)),
                ..repetition.clone()
            });
            after(c, &repetition.sub).into_iter().map(|rest| followed_by(rest, std::slice::from_ref(&more))).collect()
        }
    }
}

fn has(class: &Class, c: char) -> bool {
    match class {
        Class::Unicode(class) => is_in(class, c),
        // None is in a pattern's tree.
        Class::Bytes(_) => false,
    }
}

fn followed_by(head: Hir, tail: &[Hir]) -> Hir {
    Hir::concat(std::iter::once(head).chain(tail.iter().cloned()).collect())
}

/// One tree for all, in which what several begin with stands once: an engine follows a branch for each that does not.
pub(in crate::policy) fn any_of(hirs: Vec<Hir>) -> Hir {
    let mut by_head: BTreeMap<String, (Hir, Vec<Hir>)> = BTreeMap::new();
    for hir in hirs {
        let (head, tail) = split_first(&hir);
        let (_, tails) = by_head.entry(print::body(head)).or_insert_with(|| (head.clone(), Vec::new()));
        let tail = Hir::concat(tail.to_vec());
        if !tails.contains(&tail) {
            tails.push(tail);
        }
    }
    let joined = by_head.into_values().map(|(head, tails)| match tails.len() {
        1 => followed_by(head, &tails),
        _ => followed_by(head, &[any_of(tails)]),
    });
    Hir::alternation(joined.collect())
}

/// The first of a tree's parts and the others.
fn split_first(hir: &Hir) -> (&Hir, &[Hir]) {
    match hir.kind() {
        HirKind::Concat(subs) => subs.split_first().unwrap_or((hir, &[])),
        _ => (hir, &[]),
    }
}
