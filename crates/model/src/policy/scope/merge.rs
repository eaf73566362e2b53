//! Joins what many patterns say of rows into as few questions to a store as possible.

use std::collections::{BTreeMap, BTreeSet};

use super::formula;
use super::narrow::Narrowed;
use super::{LabelValue, Predicate};
use crate::policy::pattern::{MAX_PATTERN_WEIGHT, Pattern, regex_of_any};

/// The rows that some patterns match.
#[derive(Default)]
pub(super) struct Reach {
    every: bool,
    ids: BTreeSet<String>,
    id_prefixes: BTreeSet<String>,
    arns: BTreeMap<usize, Arns>,
}

/// The rows that some patterns match by one of their ARNs.
#[derive(Default)]
struct Arns {
    values: BTreeSet<String>,
    prefixes: BTreeSet<String>,
    /// Body of a regular expression and its weight.
    regexes: BTreeMap<String, usize>,
}

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
            Narrowed::Arns(values) => self.of(arn).values.extend(values),
            Narrowed::ArnPrefix(prefix) => _ = self.of(arn).prefixes.insert(prefix),
            Narrowed::Regex(pattern) => self.of(arn).add_regex(pattern),
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
        let arns = self.arns.into_iter().flat_map(|(arn, arns)| arns.into_predicates(arn));
        formula::any(ids.into_iter().chain(prefixes).chain(arns))
    }
}

impl Arns {
    fn add_regex(&mut self, pattern: &Pattern) {
        // A pattern that runs without a regular expression here needs one there.
        let weight = pattern.weight().max(pattern.as_str().len());
        self.regexes.insert(pattern.regex_body(), weight);
    }

    fn into_predicates(self, arn: usize) -> Vec<Predicate> {
        let mut parts = Vec::new();
        if !self.values.is_empty() {
            parts.push(Predicate::ArnIn { arn, values: self.values.into_iter().collect() });
        }
        parts.extend(self.prefixes.into_iter().map(|prefix| Predicate::ArnStartsWith { arn, prefix }));
        parts.extend(alternations(self.regexes).map(|regex| Predicate::ArnMatches { arn, regex }));
        parts
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

/// As few as the engines' limits on size permit.
fn alternations(regexes: BTreeMap<String, usize>) -> impl Iterator<Item = String> {
    let mut chunks: Vec<Vec<String>> = Vec::new();
    let mut room = 0usize;
    for (body, weight) in regexes {
        match (chunks.last_mut(), room.checked_sub(weight)) {
            (Some(chunk), Some(left)) => {
                chunk.push(body);
                room = left;
            }
            _ => {
                chunks.push(vec![body]);
                room = MAX_PATTERN_WEIGHT.saturating_sub(weight);
            }
        }
    }
    chunks.into_iter().map(|bodies| regex_of_any(&bodies))
}
