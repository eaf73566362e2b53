//! JSON that is too long for an argument, or not for everybody's eyes.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// The JSON in a file; `-` is standard input.
pub(crate) fn read(file: &Path) -> anyhow::Result<Value> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    serde_json::from_str(&text).with_context(|| format!("{} holds no JSON", file.display()))
}
