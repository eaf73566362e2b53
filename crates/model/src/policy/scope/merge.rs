//! Joins what many patterns say of rows into as few questions to a store as possible.

use std::collections::{BTreeMap, BTreeSet};

use regex_syntax::hir::Hir;

use super::formula;
use super::narrow::Narrowed;
use super::{LabelValue, Predicate};
use crate::policy::pattern::{MAX_PATTERN_WEIGHT, any_of, to_regex, weight};

/// The rows that some patterns match.
#[derive(Default)]
pub(super) struct Reach {
    every: bool,
    ids: BTreeSet<String>,
    id_prefixes: BTreeSet<String>,
    id_regexes: Regexes,
    arns: BTreeMap<usize, Arns>,
}

/// The rows that some patterns match by one of their ARNs.
#[derive(Default)]
struct Arns {
    values: BTreeSet<String>,
    prefixes: BTreeSet<String>,
    regexes: Regexes,
}

/// By how they are printed.
#[derive(Default)]
struct Regexes(BTreeMap<String, Hir>);

impl Reach {
    pub(super) fn add_all(&mut self) {
        self.every = true;
    }

    pub(super) fn add(&mut self, arn: usize, rows: Narrowed<'_>) {
        match rows {
            Narrowed::None => {}
            Narrowed::Every => self.every = true,
            Narrowed::Ids(ids) => self.ids.extend(ids),
            Narrowed::IdPrefix(prefix) => _ = self.id_prefixes.insert(prefix),
            Narrowed::IdRegexes(rests) => rests.into_iter().for_each(|rest| self.id_regexes.add(rest)),
            Narrowed::Arns(values) => self.of(arn).values.extend(values),
            Narrowed::ArnPrefix(prefix) => _ = self.of(arn).prefixes.insert(prefix),
            Narrowed::ArnRegex(whole) => self.of(arn).regexes.add(whole.clone()),
        }
    }

    fn of(&mut self, arn: usize) -> &mut Arns {
        self.arns.entry(arn).or_default()
    }

    pub(super) fn into_predicate(self) -> Predicate {
        if self.every {
            return formula::always();
        }
        let ids = (!self.ids.is_empty()).then(|| Predicate::IdIn(self.ids.into_iter().collect()));
        let prefixes = self.id_prefixes.into_iter().map(Predicate::IdStartsWith);
        let regexes = self.id_regexes.joined().map(Predicate::IdMatches);
        let arns = self.arns.into_iter().flat_map(|(arn, arns)| arns.into_predicates(arn));
        formula::any(ids.into_iter().chain(prefixes).chain(regexes).chain(arns))
    }
}

impl Arns {
    fn into_predicates(self, arn: usize) -> Vec<Predicate> {
        let mut parts = Vec::new();
        if !self.values.is_empty() {
            parts.push(Predicate::ArnIn { arn, values: self.values.into_iter().collect() });
        }
        parts.extend(self.prefixes.into_iter().map(|prefix| Predicate::ArnStartsWith { arn, prefix }));
        parts.extend(self.regexes.joined().map(|regex| Predicate::ArnMatches { arn, regex }));
        parts
    }
}

impl Regexes {
    fn add(&mut self, hir: Hir) {
        self.0.insert(to_regex(&hir), hir);
    }

    /// As few as the engines' limits on size permit.
    fn joined(self) -> impl Iterator<Item = String> {
        let mut chunks: Vec<Vec<Hir>> = Vec::new();
        let mut room = 0usize;
        for hir in self.0.into_values() {
            let weight = weight(&hir).max(1);
            match (chunks.last_mut(), room.checked_sub(weight)) {
                (Some(chunk), Some(left)) => {
                    chunk.push(hir);
                    room = left;
                }
                _ => {
                    chunks.push(vec![hir]);
                    room = MAX_PATTERN_WEIGHT.saturating_sub(weight);
                }
            }
        }
        chunks.into_iter().map(|chunk| to_regex(&any_of(chunk)))
    }
}

/// The conditions of statements and what they reach under them.
type Choices = Vec<(Vec<Predicate>, Predicate)>;

/// Makes one of those that differ in nothing but the value of one label.
pub(super) fn by_value(choices: Choices) -> Choices {
    let most = choices.iter().map(|(conditions, _)| conditions.len()).max().unwrap_or_default();
    (0..most).fold(choices, |choices, place| joined_at(place, choices))
}

fn joined_at(place: usize, choices: Choices) -> Choices {
    let mut joined: BTreeMap<(Vec<Predicate>, Predicate), BTreeSet<String>> = BTreeMap::new();
    for (mut conditions, reach) in choices {
        let values = values_at(place, &mut conditions).map(std::mem::take).unwrap_or_default();
        joined.entry((conditions, reach)).or_default().extend(values);
    }
    let put_back = |((mut conditions, reach), values): ((Vec<Predicate>, Predicate), BTreeSet<String>)| {
        if let Some(place) = values_at(place, &mut conditions) {
            place.extend(values);
        }
        (conditions, reach)
    };
    joined.into_iter().map(put_back).collect()
}

fn values_at(place: usize, conditions: &mut [Predicate]) -> Option<&mut Vec<String>> {
    match conditions.get_mut(place) {
        Some(Predicate::Label { value: LabelValue::OneOf(values), .. }) => Some(values),
        _ => None,
    }
}
