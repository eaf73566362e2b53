//! Conjunction, disjunction and negation that decide what can be decided. True is a conjunction of nothing, false a
//! disjunction of nothing; neither is ever inside another.

use super::Predicate;

pub(super) fn all(parts: impl IntoIterator<Item = Predicate>) -> Predicate {
    let mut flat = Vec::new();
    for part in parts {
        match part {
            Predicate::Any(parts) if parts.is_empty() => return never(),
            Predicate::All(parts) => flat.extend(parts),
            other => flat.push(other),
        }
    }
    one_or(flat, Predicate::All)
}

pub(super) fn any(parts: impl IntoIterator<Item = Predicate>) -> Predicate {
    let mut flat = Vec::new();
    for part in parts {
        match part {
            Predicate::All(parts) if parts.is_empty() => return always(),
            Predicate::Any(parts) => flat.extend(parts),
            other => flat.push(other),
        }
    }
    one_or(flat, Predicate::Any)
}

pub(super) fn not(part: Predicate) -> Predicate {
    match part {
        Predicate::All(parts) if parts.is_empty() => never(),
        Predicate::Any(parts) if parts.is_empty() => always(),
        Predicate::Not(inner) => *inner,
        other => Predicate::Not(Box::new(other)),
    }
}

pub(super) fn always() -> Predicate {
    Predicate::All(Vec::new())
}

fn never() -> Predicate {
    Predicate::Any(Vec::new())
}

/// A single part stands for itself; what is said twice is said once.
fn one_or(mut parts: Vec<Predicate>, several: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    parts.sort();
    parts.dedup();
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}
