//! Files that the documents name exist.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

const ROOTS: [&str; 7] = ["crates/", "docs/", "scripts/", "bench/", "tests/", "examples/", "ui/"];

fn documents() -> Vec<PathBuf> {
    let root = Path::new("..");
    let docs = std::fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("entry").path());
    docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).chain([root.join("README.md")]).collect()
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut named = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for quoted in text.split('`').skip(1).step_by(2).filter(|path| ROOTS.iter().any(|root| path.starts_with(root)))
        {
            // A command may have arguments after its path.
            let path = quoted.split_whitespace().next().unwrap_or(quoted);
            assert!(Path::new("..").join(path).exists(), "{} names {path}", document.display());
            named += 1;
        }
    }
    assert!(named > 20, "the documents name hardly any file: is the test reading them?");
}
