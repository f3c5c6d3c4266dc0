//! Every link within the repository leads to an existing file and heading.

use super::markdown::{Document, all};
use std::path::{Component, Path, PathBuf};

/// Removes `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => assert!(tidy.pop(), "{path:?} leads out of the repository"),
            other => tidy.push(other),
        }
    }
    tidy
}

fn broken(document: &Document, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() {
        document.path.clone()
    } else {
        tidy(&document.path.parent().unwrap_or(Path::new("")).join(file))
    };
    if !super::root().join(&path).exists() {
        return Some(format!("{} is not there", path.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let there = path.extension().is_some_and(|extension| extension == "md")
        && Document::read(&path).anchors.iter().any(|known| known == anchor);
    (!there).then(|| format!("{} has no heading for #{anchor}", path.display()))
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for document in all() {
        for link in &document.links {
            seen += 1;
            if let Some(why) = broken(&document, link) {
                wrong.push(format!("{}: ({link}): {why}", document.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} links were found");
}

#[test]
fn a_broken_link_is_found() {
    let readme = Document::read("README.md");
    assert_eq!(broken(&readme, "https://example.com/x#y"), None);
    assert_eq!(broken(&readme, "CONTRIBUTING.md#tests"), None);
    for link in ["CONTRIBUTING.md#no-such-heading", "no-such-file.md", "#no-such-heading", "Cargo.toml#x"] {
        assert!(broken(&readme, link).is_some(), "{link}");
    }
}

/// Every page is reachable from the README by links.
#[test]
fn every_page_is_linked() {
    let pages = all();
    let mut reached = vec![PathBuf::from("README.md")];
    let mut next = 0;
    while let Some(path) = reached.get(next).cloned() {
        next += 1;
        for link in pages.iter().filter(|page| page.path == path).flat_map(|page| &page.links) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let mut target = tidy(&path.parent().unwrap_or(Path::new("")).join(file));
            if super::root().join(&target).is_dir() {
                target.push("README.md");
            }
            if !reached.contains(&target) {
                reached.push(target);
            }
        }
    }
    let lost: Vec<_> = pages.iter().map(|page| &page.path).filter(|path| !reached.contains(path)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}
