//! Lists of regular expressions.

use model::Fault;
use model::regex::Regex;

/// Several expressions as one.
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
            compile(rule, case).map_err(|reason| Fault::new(format!("{pointer}/{at}"), reason))?;
        }
        let all = if rules.is_empty() { "[^\\s\\S]".to_owned() } else { rules.join("|") };
        compile(&all, case).map(Self).map_err(|reason| Fault::new(pointer, reason))
    }

    /// Whether the pattern matches anywhere in `text`; `None` when that took too many steps to find out.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        self.0.is_match(text).inspect_err(|error| tracing::warn!(%error, pattern = self.0.as_str(), "undecided")).ok()
    }
}

/// Several expressions that stand apart: what one says of case, and the numbers of its groups, are no matter of the others.
#[derive(Debug)]
pub(crate) struct Patterns(Box<[Pattern]>);

impl Patterns {
    /// # Errors
    /// As [`Pattern::any_of`].
    pub(crate) fn each_of(rules: &[String], pointer: &str) -> Result<Self, Fault> {
        let compile = |(at, rule): (usize, &String)| {
            Regex::new(rule).map(Pattern).map_err(|reason| Fault::new(format!("{pointer}/{at}"), reason))
        };
        rules.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// Whether any of them matches anywhere in `text`; `None` when one that may took too many steps to find out.
    pub(crate) fn any_matches(&self, text: &str) -> Option<bool> {
        let mut is_decided = true;
        for pattern in &self.0 {
            match pattern.matches(text) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => is_decided = false,
            }
        }
        is_decided.then_some(false)
    }
}

fn compile(text: &str, case: Case) -> Result<Regex, String> {
    match case {
        Case::Sensitive => Regex::new(text),
        Case::Insensitive => Regex::new(&format!("(?i){text}")),
    }
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
        let loose = pattern(&["root(?!s)", "^/a$"], Case::Insensitive).expect("rules");
        assert_eq!(
            (loose.matches("/ROOTS"), loose.matches("/Root"), loose.matches("/A")),
            (Some(false), Some(true), Some(true))
        );
        let around = pattern(&["^/(?!api/)"], Case::Sensitive).expect("rules");
        assert_eq!((around.matches("/api/x"), around.matches("/x")), (Some(false), Some(true)));
    }

    #[test]
    fn rules_that_stand_apart_change_nothing_of_each_other() {
        let rules = ["(?i)spider", "Bot", r"(a)\1"].map(str::to_owned);
        let apart = Patterns::each_of(&rules, "/rules").expect("rules");
        let matches = ["SPIDER", "Bot", "bot", "aa", "ab"].map(|text| apart.any_matches(text));
        assert_eq!(matches, [Some(true), Some(true), Some(false), Some(true), Some(false)]);
        let rules = ["^(x+x+)+\\1y", "b"].map(str::to_owned);
        let endless = Patterns::each_of(&rules, "/rules").expect("rules");
        let text = "x".repeat(50);
        assert_eq!((endless.any_matches(&text), endless.any_matches(&format!("{text}b"))), (None, Some(true)));
        assert_eq!(Patterns::each_of(&["a".into(), "(".into()], "/rules").expect_err("a fault").pointer, "/rules/1");
    }

    #[test]
    fn faults_name_the_rule_and_endless_matching_is_given_up() {
        assert_eq!(pattern(&["a", ".+("], Case::Sensitive).expect_err("a fault").pointer, "/rules/1");
        let endless = pattern(&["^(x+x+)+\\1y"], Case::Sensitive).expect("rules");
        assert_eq!(endless.matches(&"x".repeat(50)), None);
    }
}
