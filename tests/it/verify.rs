//! `verify` through the real binary on an unhealthy practice cluster.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{Cluster, bare, full};

#[test]
fn a_safekeeper_that_is_not_ready_is_named() {
    let cluster = Cluster::start(bare("no-quorum"));
    let ran = cluster.run(&["verify", "safekeeper"]).exits(8);
    let ran = ran.says(&["Unverified: nothing failed, but 1 of 5 checks is unknown"]);
    let ran = ran.says(&["unknown: synxdb-system/safekeeper-1 endpoint: /v1/status returned 503 Service Unavailable"]);
    ran.says(&["2 of 3 respond (quorum is 2)", "1 timeline flushed by a quorum, up to 0/2A55E98"]);
}

/// Unknown never passes: without PostgreSQL, no database can be queried.
#[test]
fn a_database_that_cannot_be_queried_is_unknown() {
    let cluster = Cluster::read_only();
    let ran = cluster.run(&["verify", "-n", "cloud007"]).exits(8);
    ran.says(&["Unverified: nothing failed, but 3 of 4 checks are unknown", "PostgreSQL is not installed here"]);
    let yaml = cluster.run(&["verify", "-n", "cloud007", "-o", "yaml"]).exits(8);
    let read: serde_json::Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!((&read["kind"], &read["result"]), (&"Verification".into(), &"unknown".into()));
    assert_eq!(read["checks"].as_array().unwrap().len(), 4);
}

/// Data on the old disk is lost with it, and the baseline names it.
#[test]
fn data_lost_with_a_local_disk_is_named() {
    let cluster = Cluster::start(full("local-disk"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap();
    cluster.run(&["verify", "--save", file]).exits(0);
    cluster.run(&["failover", "cloudberry-proxy-0", "-n", "cloud007", "--yes"]).exits(7);
    let ran = cluster.run(&["verify", "--against", file]).exits(7);
    ran.says(&["database test_db is missing (1 table)", "table public.projects is missing (3 rows)"]);
}

/// A table whose file is gone is in the catalog, but cannot be read: this needs no baseline.
#[test]
fn a_missing_relation_file_is_reported_in_the_servers_words() {
    let cluster = Cluster::start(full("healthy"));
    let proxy = (crate::support::ACCOUNT, "cloudberry-proxy-0");
    let path = cluster.query(proxy, "test_db", "select pg_relation_filepath('projects')::text");
    let home = cluster.sandbox().kubeconfig().parent().unwrap();
    let files = files_ending(home, &path[0]);
    assert!(!files.is_empty(), "{} is nowhere in {}", path[0], home.display());
    cluster.run(&["verify", "-n", "cloud007"]).exits(0);
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    let ran = cluster.run(&["verify", "-n", "cloud007"]).exits(7);
    ran.says(&["test_db: 1 table, 1 cannot be read", "table public.projects: could not open file", "(SQLSTATE 58P01)"]);
}

/// Returns the files with this path below a data folder, as the database server knows them.
fn files_ending(folder: &std::path::Path, path: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let here = entry.path();
        if here.is_dir() {
            found.extend(files_ending(&here, path));
        } else if here.ends_with(path) {
            found.push(here);
        }
    }
    found
}

#[test]
fn impossible_requests_are_rejected_at_once() {
    let cluster = Cluster::read_only();
    let missing = cluster.run(&["verify", "--against", "/nowhere/file"]).exits(1).silent();
    assert!(missing.err.contains("cannot read the baseline /nowhere/file"), "{}", missing.shown());
    let nowhere = cluster.run(&["verify", "--save", "/nowhere/file", "-n", "synxdb-system"]).exits(1);
    assert!(nowhere.err.contains("cannot write the baseline /nowhere/file"), "{}", nowhere.shown());
    let unknown = cluster.run(&["verify", "no-such-0"]).exits(1).silent();
    assert!(unknown.error().contains("SynxDB pod \"no-such-0\" not found"), "{}", unknown.shown());
    cluster.run(&["verify", "--save", "a", "--against", "b"]).exits(2).silent();
}
