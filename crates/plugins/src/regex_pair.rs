//! `regex_uri` of proxy-rewrite and redirect: a regular expression and what takes the place of its match.

use model::regex::{Groups, Regex, Undecided};

use crate::replacement::Replacement;

/// The two, compiled.
pub(crate) struct RegexPair {
    regex: Regex,
    replacement: Replacement,
}

/// A text with its first match replaced.
pub(crate) struct Rewritten {
    pub(crate) text: String,
    groups: Groups,
}

impl RegexPair {
    /// # Errors
    /// Which of the two is wrong (0, 1), and why.
    pub(crate) fn compile(pattern: &str, replacement: &str) -> Result<Self, (usize, String)> {
        Ok(Self {
            regex: Regex::new(pattern).map_err(|reason| (0, reason))?,
            replacement: Replacement::parse(replacement).map_err(|reason| (1, reason))?,
        })
    }

    /// `text` rewritten; none when the expression does not match.
    ///
    /// # Errors
    /// When that takes too many steps to find out.
    pub(crate) fn apply(&self, text: &str) -> Result<Option<Rewritten>, Undecided> {
        let Some(groups) = self.regex.find_at(text, 0)? else { return Ok(None) };
        let whole = groups.whole();
        let mut out = Vec::with_capacity(text.len());
        out.extend_from_slice(text.get(..whole.start).unwrap_or_default().as_bytes());
        self.replacement.expand(|number| Some(text.get(groups.group(number)?)?.as_bytes()), &mut out);
        out.extend_from_slice(text.get(whole.end..).unwrap_or_default().as_bytes());
        // Texts and groups end between characters, so what they make up is text.
        Ok(Some(Rewritten { text: String::from_utf8_lossy(&out).into_owned(), groups }))
    }
}

impl Rewritten {
    /// What the groups captured in `text`, the whole match first.
    pub(crate) fn captures(&self, text: &str) -> Vec<String> {
        let captured =
            |number| self.groups.group(number).and_then(|range| text.get(range)).unwrap_or_default().to_owned();
        (0..self.groups.len()).map(captured).collect()
    }
}
