//! Every kind of document as the real binary prints it, and docs/output.md, which is generated from their schemas.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{Cluster, RECORD, Ran, Running, VOLUMES, full};
use kubectl_synxdb::render::documents::Kind;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;

/// Produces documents of this kind; a kind without an entry does not compile.
fn made(kind: Kind, cluster: &Cluster) -> Vec<Value> {
    let run = |arguments: &[&str], code: i32| {
        let ran = cluster.run(&[arguments, &["-o", "json"]].concat()).exits(code);
        printed(&ran)
    };
    match kind {
        Kind::Status => run(&["status"], 0),
        Kind::FailoverPlan => run(&["failover", "pageserver-0", "--dry-run=client"], 0),
        Kind::FailoverEvent | Kind::FailoverResult => run(&["failover", "pageserver-0", "--yes", "--start-over"], 0),
        Kind::UndoPlan => run(&["undo", "pageserver-0", "--dry-run=client"], 0),
        Kind::UndoEvent | Kind::UndoResult => run(&["undo", "pageserver-0", "--yes"], 0),
        Kind::History => run(&["history"], 0),
        Kind::Release => {
            let history = cluster.run(&["history", "pageserver-0", "-o", "json"]).exits(0).json();
            let id = history["operations"][0]["id"].as_str().unwrap();
            run(&["release", id, "--confirm", "pageserver-0"], 0)
        }
        Kind::Verification => run(&["verify"], 0),
        Kind::Forward => {
            let mut forward = Running::start(cluster.plugin(&["forward", "meta", "-o", "json"]));
            forward.first_line();
            forward.signal(Signal::TERM);
            printed(&forward.end())
        }
        Kind::LayoutCheck => run(&["layout", "check"], 0),
        Kind::Sandbox => {
            let mut sandbox = Running::start(cluster.plugin(&["sandbox", "-o", "json"]));
            sandbox.first_line();
            sandbox.signal(Signal::TERM);
            printed(&sandbox.end())
        }
        Kind::Scenarios => run(&["sandbox", "--list"], 0),
        Kind::Version => run(&["version"], 0),
        Kind::SchemaList => run(&["schema"], 0),
        Kind::Error => run(&["failover", "missing-0", "--yes"], 1),
        Kind::Baseline => {
            let file = cluster.home().join("baseline.json");
            cluster.run(&["verify", "--save", file.to_str().unwrap()]).exits(0);
            vec![serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()]
        }
        Kind::StoredBaseline => {
            cluster.run(&["verify"]).exits(0);
            stored(cluster)
        }
        Kind::Record => records(cluster),
    }
}

fn printed(ran: &Ran) -> Vec<Value> {
    crate::support::schemas::documents(&ran.arguments, &ran.out).unwrap_or_else(|why| panic!("{why}\n{}", ran.shown()))
}

/// Returns the documents in ConfigMaps.
fn stored(cluster: &Cluster) -> Vec<Value> {
    let (maps, _) = cluster.store().list("configmaps", None);
    let texts = maps.iter().filter_map(|map| map["data"]["baseline.json"].as_str());
    texts.map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// Returns the records on volumes and in the local journal.
fn records(cluster: &Cluster) -> Vec<Value> {
    cluster.run(&["failover", "safekeeper-0", "--keep-pvc", "--yes"]).exits(0);
    let journal = cluster.home().join(".local/state/kubectl-synxdb");
    let files =
        std::fs::read_dir(journal).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let volumes = cluster.store().list(VOLUMES, None).0;
    let annotations = volumes.iter().filter_map(|volume| volume["metadata"]["annotations"].as_object()).flatten();
    let carried =
        annotations.filter(|(key, _)| key.starts_with(RECORD)).map(|(_, text)| text.as_str().unwrap().to_owned());
    let (carried, files): (Vec<String>, Vec<String>) = (carried.collect(), files.collect());
    assert!(!carried.is_empty() && !files.is_empty(), "{carried:?} {files:?}");
    carried.iter().chain(&files).map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn each_kind_is_printed_by_its_command() {
    let cluster = Cluster::start(full("healthy"));
    let mut seen = BTreeSet::new();
    for kind in Kind::ALL {
        let documents = made(*kind, &cluster);
        for document in &documents {
            let told = document["kind"].as_str().unwrap_or_default();
            crate::support::schemas::wrong_as(told, document).unwrap_or_else(|why| panic!("{kind:?}: {why}"));
            seen.insert(told.to_owned());
        }
        assert!(seen.contains(kind.name()), "{kind:?} is not among {documents:#?}");
    }
}

#[test]
fn the_plugin_prints_the_schemas_of_the_repository() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Running::start(crate::support::plugin(home.path(), arguments)).end();
    let names = run(&["schema", "-o", "name"]).exits(0).out;
    let kinds: Vec<&str> = names.lines().map(|line| line.strip_prefix("schema/").unwrap()).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", ""))
        .collect();
    files.sort();
    let mut sorted = kinds.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, files);
    let all = run(&["schema", "-o", "json"]).exits(0).json();
    for (i, kind) in kinds.iter().enumerate() {
        let kept = std::fs::read_to_string(folder.join(format!("{kind}.json"))).unwrap();
        assert_eq!(run(&["schema", &kind.to_lowercase()]).exits(0).out, kept);
        let schema: Value = serde_json::from_str(&kept).unwrap();
        let yaml = run(&["schema", &format!("schema/{kind}"), "-o", "yaml"]).exits(0).out;
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), schema);
        assert_eq!(all["schemas"][i]["schema"], schema);
    }
    run(&["schema"]).exits(0).says(&["KIND", "PRINTED BY", "failover, first"]);
}

#[test]
fn an_unknown_kind() {
    let home = tempfile::tempdir().unwrap();
    let run =
        |arguments: &[&str]| Running::start(crate::support::plugin(home.path(), arguments)).end().exits(2).silent();
    let near = run(&["schema", "FailoverPlam"]);
    near.error();
    near.warns(&[
        "unknown document kind \"FailoverPlam\"",
        "did you mean: FailoverPlan,",
        "kubectl synxdb schema    (to list",
    ]);
    run(&["schema", "xyz"]).warns(&["unknown document kind \"xyz\"\nnext: kubectl synxdb schema    (to list them)"]);
}

/// `REGENERATE=1` updates the page.
#[test]
fn the_page_on_output_is_made_from_the_schemas() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/output.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let page = crate::output_page::page(&kept);
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == page, "docs/output.md is not what the schemas say: just regen");
}
