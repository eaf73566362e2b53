//! Labels on groups and resources, and how they are selected.

use std::collections::BTreeMap;

/// `line=payment, env=prod`: keys and values as text.
pub type Labels = BTreeMap<String, String>;

/// A conjunction of requirements on labels: every one must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Key and the value it must have; `None` asks only for the key's presence.
    pub requirements: Vec<(String, Option<String>)>,
}

impl LabelSelector {
    /// Reads `env=prod,region` (comma-separated `key=value` or `key`). Empty text selects everything.
    pub fn parse(text: &str) -> Self {
        let requirements = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((key, value)) => (key.trim().to_owned(), Some(value.trim().to_owned())),
                None => (part.to_owned(), None),
            })
            .collect();
        Self { requirements }
    }

    /// Adds a requirement: `key` must have `value`.
    pub fn and(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.requirements.push((key.into(), Some(value.into())));
        self
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether `labels` meet every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|(key, wanted)| match (labels.get(key), wanted) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(has), Some(wanted)) => has == wanted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_must_hold() {
        let labels = Labels::from([("env".into(), "prod".into()), ("line".into(), "payment".into())]);
        assert!(LabelSelector::parse("").matches(&labels));
        assert!(LabelSelector::parse("env=prod, line").matches(&labels));
        assert!(!LabelSelector::parse("env=dev").matches(&labels));
        assert!(!LabelSelector::parse("env=prod,region").matches(&labels));
    }
}
