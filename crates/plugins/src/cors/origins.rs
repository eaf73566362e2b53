//! Which origins are allowed.

use http::header::HeaderValue;
use model::Fault;

use crate::pattern::{Case, Pattern};

/// `allow_origins` and what is written like it.
#[derive(Debug, PartialEq)]
pub(super) enum Origins {
    /// `*`: all, and told so.
    Any,
    /// `**`: all, each told its own name.
    Each,
    /// Those of a list.
    Only(Vec<Box<str>>),
}

impl Origins {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "*" => Origins::Any,
            "**" => Origins::Each,
            list => Origins::Only(list.split(',').filter(|origin| !origin.is_empty()).map(Box::from).collect()),
        }
    }

    /// What a caller from this origin is told; `None` when it is not allowed.
    pub(super) fn tell(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match (self, origin) {
            (Origins::Any, _) | (Origins::Each, None) => Some(HeaderValue::from_static("*")),
            (Origins::Each, Some(origin)) => Some(origin.clone()),
            (Origins::Only(list), Some(origin)) => {
                list.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
            }
            (Origins::Only(_), None) => None,
        }
    }
}

/// Origins by expressions.
#[derive(Debug)]
pub(super) struct Expressions(Pattern);

impl Expressions {
    pub(super) fn parse(rules: &[String], pointer: &str) -> Result<Self, Fault> {
        Pattern::any_of(rules, Case::Sensitive, pointer).map(Self)
    }

    /// As [`Origins::tell`].
    pub(super) fn tell(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let is_allowed = self.0.matches(origin.to_str().ok()?).unwrap_or(false);
        is_allowed.then(|| origin.clone())
    }
}

/// Where the origins of a header come from.
#[derive(Debug)]
pub(super) enum Source {
    Listed(Origins),
    ByExpressions(Expressions),
}

impl Source {
    pub(super) fn tell(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Source::Listed(origins) => origins.tell(origin),
            Source::ByExpressions(expressions) => expressions.tell(origin),
        }
    }
}
