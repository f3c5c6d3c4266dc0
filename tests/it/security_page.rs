//! Every promise in the tables of docs/security.md names an existing test.

#![allow(clippy::unwrap_used)]

use std::path::Path;

/// Returns the tests that a row names: `file::function`.
fn named(row: &str) -> Vec<(&str, &str)> {
    let words = row.split('`').filter_map(|word| word.rsplit_once("::"));
    words.filter(|(file, _)| file.ends_with(".rs")).collect()
}

#[test]
fn every_promise_names_an_existing_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut promises = 0;
    let mut in_table = false;
    for line in page.lines() {
        if line.starts_with("| Promise | Test |") {
            in_table = true;
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("| ---") {
            promises += 1;
            let tests = named(line);
            assert!(!tests.is_empty(), "no test: {line}");
            for (file, function) in tests {
                let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                let at = text.find(&format!("fn {function}(")).unwrap_or_else(|| panic!("{file} has no {function}"));
                let before: Vec<&str> = text[..at].lines().rev().take(4).collect();
                let is_test = before.iter().any(|line| line.trim().starts_with("#[test]") || line.contains("::test"));
                assert!(is_test, "{file}::{function} is no test");
            }
        }
    }
    assert!(promises > 30, "{promises}");
}
