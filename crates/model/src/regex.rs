//! Regular expressions as users bring them along: in PCRE's language, look-around and back references included.
//!
//! An engine that is linear in time runs all that it can. The rest backtracks, and is given up after so many steps, so that no
//! input can hold a worker.

use std::ops::Range;
use std::sync::Arc;

/// Steps for a text of a request's head.
const MOST_STEPS: usize = 10_000;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Regex(Engine);

#[derive(Debug, Clone)]
enum Engine {
    Linear(::regex::Regex),
    Backtracking(Arc<fancy_regex::Regex>),
}

/// A match took too many steps to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the regular expression takes too many steps to decide")]
pub struct Undecided;

/// Where an expression matched: its groups, the whole match first; none for a group that took no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups(Vec<Option<Range<usize>>>);

impl Regex {
    /// Compiles an expression for texts of a request's head.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        Self::with_steps(pattern, MOST_STEPS)
    }

    /// As [`Regex::new`], given up after so many steps: longer texts take more.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn with_steps(pattern: &str, steps: usize) -> Result<Self, String> {
        let linear = match ::regex::Regex::new(pattern) {
            Ok(regex) => return Ok(Self(Engine::Linear(regex))),
            Err(error) => error.to_string(),
        };
        let backtracking = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(steps).build();
        backtracking.map(|regex| Self(Engine::Backtracking(Arc::new(regex)))).map_err(|error| {
            // The engine names what is wrong in the last line, below the place in the pattern.
            let reason = linear.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let is_lack = ["look-around", "backreferences"].iter().any(|lack| reason.starts_with(lack));
            let reason = if is_lack { error.to_string() } else { reason.to_owned() };
            format!("{pattern:?} is not a regular expression: {reason}")
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Engine::Linear(regex) => regex.as_str(),
            Engine::Backtracking(regex) => regex.as_str(),
        }
    }

    /// Whether it matches anywhere in the text.
    ///
    /// # Errors
    /// When that took too many steps.
    pub fn is_match(&self, text: &str) -> Result<bool, Undecided> {
        match &self.0 {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|_| Undecided),
        }
    }

    /// The first match that begins at `from` or later.
    ///
    /// # Errors
    /// When it took too many steps to find.
    pub fn find_at(&self, text: &str, from: usize) -> Result<Option<Groups>, Undecided> {
        if from > text.len() {
            return Ok(None);
        }
        match &self.0 {
            Engine::Linear(regex) => {
                let found = regex.captures_at(text, from);
                Ok(found.map(|found| Groups(found.iter().map(|group| group.map(|group| group.range())).collect())))
            }
            Engine::Backtracking(regex) => {
                let found = regex.captures_from_pos(text, from).map_err(|_| Undecided)?;
                Ok(found.map(|found| Groups(found.iter().map(|group| group.map(|group| group.range())).collect())))
            }
        }
    }
}

impl Groups {
    /// The whole match.
    pub fn whole(&self) -> Range<usize> {
        self.group(0).unwrap_or_default()
    }

    /// A group; none for one that took no part or is not there.
    pub fn group(&self, number: usize) -> Option<Range<usize>> {
        self.0.get(number)?.clone()
    }

    /// How many there are, the whole match included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: the whole match is a group.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Regex {
        Regex::new(pattern).expect("an expression")
    }

    #[test]
    fn what_is_linear_runs_so_and_the_rest_backtracks() {
        assert!(matches!(regex("^/a(b)?$").0, Engine::Linear(_)));
        for pattern in ["^/(?!api/)", "(?<=/v)\\d", "(a)\\1"] {
            assert!(matches!(regex(pattern).0, Engine::Backtracking(_)), "{pattern}");
        }
        assert_eq!(regex("^/(?!api/)").is_match("/api/x"), Ok(false));
        assert_eq!(regex("^/(?!api/)").is_match("/x"), Ok(true));
        assert_eq!(regex("(?i)A").is_match("xa"), Ok(true));
    }

    #[test]
    fn groups_are_found_by_both() {
        for pattern in ["(b)(x)?", "(?=b)(b)(x)?"] {
            let found = regex(pattern).find_at("abab", 2).expect("decided").expect("a match");
            assert_eq!((found.whole(), found.group(1), found.group(2), found.group(9)), (3..4, Some(3..4), None, None));
            assert_eq!(found.len(), 3);
            assert_eq!(regex(pattern).find_at("abab", 4), Ok(None));
            assert_eq!(regex(pattern).find_at("abab", 5), Ok(None));
        }
    }

    #[test]
    fn endless_matching_is_given_up() {
        let endless = regex("^(x+x+)+\\1y");
        let text = "x".repeat(50);
        assert_eq!(endless.is_match(&text), Err(Undecided));
        assert_eq!(endless.find_at(&text, 0), Err(Undecided));
    }

    #[test]
    fn faults_say_what_is_wrong() {
        for pattern in ["(", "(?=(", "\\2(a)"] {
            let fault = Regex::new(pattern).expect_err(pattern);
            assert!(fault.starts_with(&format!("{pattern:?} is not a regular expression: ")), "{fault}");
            assert!(!fault.contains("look-around"), "{fault}");
        }
    }
}
