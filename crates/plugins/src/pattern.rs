//! Regular expressions as users bring them along: in PCRE's language, look-around and back references included.

use fancy_regex::{Regex, RegexBuilder};
use model::Fault;

/// Steps after which a pattern that backtracks is given up, so that no request can hold a worker.
const MOST_STEPS: usize = 10_000;

/// Several expressions as one; plain ones run in linear time.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

/// Whether letters are told apart by case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Sensitive,
    Insensitive,
}

impl Pattern {
    /// A pattern that matches where any of `rules`, which stand at `pointer`, does. Without rules it never matches.
    ///
    /// # Errors
    /// The first rule that is no regular expression.
    pub(crate) fn any_of(rules: &[String], case: Case, pointer: &str) -> Result<Self, Fault> {
        for (at, rule) in rules.iter().enumerate() {
            compile(rule, case).map_err(|error| Fault::new(format!("{pointer}/{at}"), error.to_string()))?;
        }
        let all = if rules.is_empty() { "[^\\s\\S]".to_owned() } else { rules.join("|") };
        compile(&all, case).map(Self).map_err(|error| Fault::new(pointer, error.to_string()))
    }

    /// Whether the pattern matches anywhere in `text`; `None` when that took too many steps to find out.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        self.0.is_match(text).inspect_err(|error| tracing::warn!(%error, pattern = self.0.as_str(), "undecided")).ok()
    }
}

fn compile(text: &str, case: Case) -> Result<Regex, fancy_regex::Error> {
    let mut builder = RegexBuilder::new(text);
    builder.case_insensitive(case == Case::Insensitive).backtrack_limit(MOST_STEPS).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(rules: &[&str], case: Case) -> Result<Pattern, Fault> {
        let rules: Vec<_> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        Pattern::any_of(&rules, case, "/rules")
    }

    #[test]
    fn any_rule_matches_anywhere() {
        let plain = pattern(&["root.exe", "^/a$"], Case::Sensitive).expect("rules");
        assert_eq!(plain.matches("/x?f=root.exe"), Some(true));
        assert_eq!(plain.matches("/ROOT.exe"), Some(false));
        let loose = pattern(&["root.exe", "^/a$"], Case::Insensitive).expect("rules");
        assert_eq!((loose.matches("/ROOT.exe"), loose.matches("/A")), (Some(true), Some(true)));
        assert_eq!(pattern(&[], Case::Sensitive).expect("rules").matches(""), Some(false));
        let around = pattern(&["^/(?!api/)"], Case::Sensitive).expect("rules");
        assert_eq!((around.matches("/api/x"), around.matches("/x")), (Some(false), Some(true)));
    }

    #[test]
    fn faults_name_the_rule_and_endless_matching_is_given_up() {
        assert_eq!(pattern(&["a", ".+("], Case::Sensitive).expect_err("a fault").pointer, "/rules/1");
        let endless = pattern(&["^(x+x+)+\\1y"], Case::Sensitive).expect("rules");
        assert_eq!(endless.matches(&"x".repeat(50)), None);
    }
}
