//! What v1alpha1 saved in files and stored in ConfigMaps is read, and is the same.

use super::{Evidence, Saved, StoredBaseline};
use crate::probe::kernel::Kernel;
use crate::storage::facts::{Idle, Listed};
use serde_json::Value;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn fixture(version: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{version}/{name}.json"))
}

/// What it becomes in this version. `REGENERATE=1` writes it.
#[track_caller]
fn becomes(name: &str, text: &str) {
    let path = fixture("v1beta1", name);
    let value: Value = serde_json::from_str(text).unwrap();
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(&path, format!("{value:#}\n")).unwrap();
    }
    let expected: Value = serde_json::from_str(&read_to_string(&path).unwrap()).unwrap();
    assert_eq!(value, expected, "{name}");
}

#[test]
fn a_saved_baseline_is_read() {
    let text = read_to_string(fixture("v1alpha1", "Baseline")).unwrap();
    let saved = Saved::parse(&text).unwrap();
    becomes("Baseline", &saved.to_text().unwrap());
    assert_eq!(Saved::parse(&saved.to_text().unwrap()).unwrap(), saved);
    assert_eq!((saved.taken.as_str(), saved.context.as_str()), ("2026-01-01T00:00:00Z", "a context"));
    let sql = |name: &str| match &saved.members[name] {
        Evidence::Sql(server) => server.clone(),
        Evidence::Page(_) => panic!("{name}"),
    };
    assert_eq!((sql("n/proxy-0").kernel, sql("n/proxy-1").kernel), (Kernel::PostgreSql, Kernel::Mpp));
    assert_eq!(sql("n/proxy-1").databases.len(), 3);
    let page = |name: &str| match &saved.members[name] {
        Evidence::Page(facts) => facts.clone(),
        Evidence::Sql(_) => panic!("{name}"),
    };
    assert!(page("n/pageserver-2").unread.is_some());
    assert_eq!(page("n/safekeeper-1").safekeeper().unwrap().idle, Idle::Listed);
    assert_eq!(page("n/safekeeper-2").safekeeper().unwrap().idle, Idle::Unread("the token is refused".into()));
    let tenants = Listed::Tenants(["aa".to_owned(), "bb".to_owned()].into());
    assert_eq!(page("n/pageserver-3").pageserver().unwrap().listed, tenants);
}

#[test]
fn stored_baselines_are_read() {
    for name in [
        "pageserver-0",
        "pageserver-3",
        "pageserver-4",
        "proxy-0",
        "proxy-1",
        "safekeeper-0",
        "safekeeper-1",
        "safekeeper-2",
    ] {
        let text = read_to_string(fixture("v1alpha1", &format!("StoredBaseline-{name}"))).unwrap();
        let parse = |text: &str| StoredBaseline::parse(text, ("n", name), crate::testing::now());
        let stored = parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        becomes(&format!("StoredBaseline-{name}"), &stored.to_text().unwrap());
        assert_eq!(parse(&stored.to_text().unwrap()), Ok(stored), "{name}");
    }
}
