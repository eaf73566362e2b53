//! Labels on the command line.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;

/// Labels as the API has them.
pub(crate) type Labels = BTreeMap<String, String>;

/// What to change in labels.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LabelChange {
    /// Set a label, `key=value`; may be given several times.
    #[arg(long = "label", value_parser = parse, value_name = "KEY=VALUE")]
    set: Vec<(String, String)>,
    /// Remove the label with this key; may be given several times.
    #[arg(long = "remove-label", value_name = "KEY")]
    remove: Vec<String>,
}

impl LabelChange {
    /// Whether nothing is to be changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// The labels with the change. To remove what is not there is an error: it is a slip of the pen.
    pub(crate) fn of(&self, mut labels: Labels) -> anyhow::Result<Labels> {
        for key in &self.remove {
            if labels.remove(key).is_none() {
                bail!("there is no label {key:?} to remove");
            }
        }
        labels.extend(self.set.iter().cloned());
        Ok(labels)
    }
}

/// A label as arguments give it.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} must be KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_sets_replaces_and_removes() {
        let pair = |text: &str| parse(text).expect("a label");
        let before: Labels = ["env=dev", "line=payment"].map(pair).into();
        let change = LabelChange { set: vec![pair("env=prod"), pair("eq=a=b")], remove: vec!["line".to_owned()] };
        let after = change.of(before.clone()).expect("changed");
        assert_eq!(after, ["env=prod", "eq=a=b"].map(pair).into());
        let slip = LabelChange { set: Vec::new(), remove: vec!["lien".to_owned()] };
        assert!(slip.of(before).expect_err("a slip").to_string().contains("\"lien\""));
        assert!(parse("=x").is_err() && parse("x").is_err());
    }
}
