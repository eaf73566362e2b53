//! What must come of a request, and whether it did.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer;
use super::names::Names;
use super::refusal;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Of every answer.
    pub status: Option<u16>,
    /// How many answers have which status.
    pub statuses: Option<BTreeMap<String, usize>>,
    /// `*` stands for anything; null: the header is absent. Trailers count as headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    pub body: Option<Body>,
    /// Who answered, every time.
    pub upstream: Option<String>,
    /// Who answered how often.
    pub upstreams: Option<BTreeMap<String, usize>>,
    /// Who answered at least once; nobody else did.
    pub each_of: Option<BTreeSet<String>>,
    /// Always the same, whichever it is.
    #[serde(default)]
    pub same_upstream: bool,
    /// Whose certificate the gateway showed.
    pub certificate: Option<String>,
    /// Texts that came over a WebSocket.
    pub messages: Option<Vec<String>>,
    /// No answer: the connection is closed instead.
    #[serde(default)]
    pub refused: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// Exactly this; a line's end is not looked at.
    Text(String),
    /// All of these somewhere in it.
    Fragments(Vec<String>),
    /// JSON that says at least this; null: there is no such field.
    Fields(Value),
}

impl Expectation {
    pub fn says_something(&self) -> bool {
        self.status.is_some() || self.statuses.is_some() || self.refused
    }

    /// Judges all answers to a request.
    pub fn check(&self, outcomes: &[anyhow::Result<Answer>], names: &mut Names) -> anyhow::Result<()> {
        if self.refused {
            return outcomes.iter().try_for_each(check_refusal);
        }
        let mut answers = Vec::new();
        for (at, outcome) in outcomes.iter().enumerate() {
            let turn = at + 1;
            let answer = outcome.as_ref().map_err(|error| anyhow!("turn {turn}: no answer: {error:#}"))?;
            let checked = self.check_one(answer, names);
            checked.map_err(|error| anyhow!("turn {turn}: {error:#}; got {}", answer.summary()))?;
            answers.push(answer);
        }
        self.check_all(&answers)
    }

    fn check_one(&self, answer: &Answer, names: &mut Names) -> anyhow::Result<()> {
        if let Some(status) = self.status {
            ensure!(answer.status == status, "expected status {status}");
        }
        for (name, pattern) in &self.headers {
            check_header(name, pattern.as_deref(), answer.header(name).as_deref())?;
        }
        if let Some(body) = &self.body {
            check_body(body, &answer.text())?;
        }
        if let Some(upstream) = &self.upstream {
            ensure!(answer.upstream().as_ref() == Some(upstream), "expected an answer of {upstream}");
        }
        if let Some(messages) = &self.messages {
            ensure!(&answer.messages == messages, "expected the messages {messages:?}");
        }
        if let Some(name) = &self.certificate {
            let expected = &names.certificate(name)?.der;
            ensure!(answer.certificate.as_ref() == Some(expected), "expected the certificate of {name}");
        }
        Ok(())
    }

    fn check_all(&self, answers: &[&Answer]) -> anyhow::Result<()> {
        let by_upstream = counted(answers.iter().filter_map(|answer| answer.upstream()));
        if let Some(expected) = &self.statuses {
            let got = counted(answers.iter().map(|answer| answer.status.to_string()));
            ensure!(&got == expected, "expected the statuses {expected:?}, got {got:?}");
        }
        if let Some(expected) = &self.upstreams {
            ensure!(&by_upstream == expected, "expected answers of {expected:?}, got {by_upstream:?}");
        }
        if let Some(expected) = &self.each_of {
            ensure!(by_upstream.keys().eq(expected), "expected answers of {expected:?}, got {by_upstream:?}");
        }
        ensure!(!self.same_upstream || by_upstream.len() == 1, "expected one upstream, got {by_upstream:?}");
        Ok(())
    }
}

fn check_refusal(outcome: &anyhow::Result<Answer>) -> anyhow::Result<()> {
    match outcome {
        Ok(answer) => bail!("expected a closed connection, got {}", answer.summary()),
        Err(error) => ensure!(refusal::is_of_the_gateway(error), "expected a closed connection, got {error:#}"),
    }
    Ok(())
}

fn counted(of: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in of {
        *counts.entry(one).or_insert(0) += 1;
    }
    counts
}

fn check_header(name: &str, pattern: Option<&str>, got: Option<&str>) -> anyhow::Result<()> {
    match (pattern, got) {
        (None, None) => Ok(()),
        (None, Some(got)) => bail!("expected no header {name}, got `{got}`"),
        (Some(pattern), None) => bail!("expected the header {name}: {pattern}"),
        (Some(pattern), Some(got)) if fits(pattern, got) => Ok(()),
        (Some(pattern), Some(got)) => bail!("expected the header {name}: {pattern}, got `{got}`"),
    }
}

/// Whether a text is like the pattern, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| fits(after, rest))
}

fn check_body(expected: &Body, got: &str) -> anyhow::Result<()> {
    match expected {
        Body::Text(text) => ensure!(got.trim_end_matches('\n') == text, "expected the body `{text}`"),
        Body::Fragments(fragments) => {
            for fragment in fragments {
                ensure!(got.contains(fragment), "expected `{fragment}` in the body");
            }
        }
        Body::Fields(fields) => {
            let got: Value = serde_json::from_str(got).context("expected JSON")?;
            check_fields("", fields, &got)?;
        }
    }
    Ok(())
}

fn check_fields(at: &str, expected: &Value, got: &Value) -> anyhow::Result<()> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (name, value) in expected {
                check_fields(&format!("{at}/{name}"), value, got.get(name).unwrap_or(&Value::Null))?;
            }
        }
        _ => ensure!(expected == got, "expected {expected} at {at} of the body, got {got}"),
    }
    Ok(())
}
