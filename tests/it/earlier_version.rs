//! What v1alpha1 of the documents left in a cluster, on the machine and in files: it is read, resumed, undone, settled and
//! compared with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{CLAIMS, Cluster, RECORD, Running, SYSTEM, VOLUMES, bare, full, v1alpha1};
use practice_cluster::Options;
use practice_cluster::store::Key;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{read_dir, read_to_string};
use std::path::Path;

fn fixtures(version: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version);
    let mut all: Vec<(String, Value)> = read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// The cases below write documents of v1alpha1 as v1alpha1 did.
#[test]
fn the_documents_of_these_cases_are_as_v1alpha1_wrote_them() {
    let (old, new) = (fixtures("v1alpha1"), fixtures("v1beta1"));
    assert_eq!(old.len(), 16);
    assert_eq!(new.len(), old.len());
    for ((name, written), (_, read)) in old.iter().zip(&new) {
        let back = if name.starts_with("Record") { v1alpha1::record(read) } else { v1alpha1::baseline(read) };
        assert_eq!(back, *written, "{name}");
    }
}

/// The records on all volumes, as they are written: key of the annotation, volume and record.
fn written(cluster: &Cluster) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for volume in cluster.store().list(VOLUMES, None).0 {
        let name = volume["metadata"]["name"].as_str().unwrap();
        for (key, text) in volume["metadata"]["annotations"].as_object().into_iter().flatten() {
            if key.starts_with(RECORD) {
                all.push((key.clone(), name.to_owned(), serde_json::from_str(text.as_str().unwrap()).unwrap()));
            }
        }
    }
    all
}

/// Writes every record as v1alpha1 did, and returns the last one.
fn age(cluster: &Cluster) -> Value {
    let mut last = Value::Null;
    for (key, volume, record) in written(cluster) {
        last = v1alpha1::record(&record);
        let text = last.to_string();
        cluster.update(&Key::new(VOLUMES, "", volume.as_str()), |object| {
            object["metadata"]["annotations"][&key] = json!(text);
        });
    }
    assert_eq!(last["version"], 1);
    last
}

/// The operations in `history`, the newest first, each as fields of it.
fn history(cluster: &Cluster, fields: &[&str]) -> Vec<Vec<Value>> {
    let document = cluster.run(&["history", "-o", "json"]).exits(0).json();
    assert_eq!(document["unknown"], json!([]));
    let all = document["operations"].as_array().unwrap().clone();
    all.into_iter().map(|one| fields.iter().map(|field| one[field].clone()).collect()).collect()
}

#[test]
fn a_failover_is_undone() {
    let cluster = Cluster::start(full("healthy"));
    let claim = "data-pageserver-0";
    let first = cluster.volume_of(SYSTEM, claim);
    cluster.run(&["failover", "pageserver-0", "--yes"]).exits(0);
    let record = age(&cluster);
    let id = record["id"].as_str().unwrap();
    let fields = ["id", "operation", "outcome", "user", "canBeUndone"];
    let listed = vec![record["id"].clone(), json!("failover"), json!("recovered"), record["who"].clone(), json!(true)];
    assert_eq!(history(&cluster, &fields), [listed]);

    cluster.run(&["undo", "pageserver-0", "--yes"]).exits(0).says(&["Recovered: "]);
    assert_eq!(cluster.volume_of(SYSTEM, claim), first);
    let [undo, failover] = &history(&cluster, &["operation", "undoes", "undoneBy"])[..] else { panic!() };
    assert_eq!(undo[..2], [json!("undo"), json!(id)]);
    assert!(failover[2].is_string(), "{failover:?}");
    // Each record has the form of the version that wrote it.
    for (key, _, record) in written(&cluster) {
        let is_old = key.ends_with(id);
        assert_eq!((record["version"] == 1, record["apiVersion"].is_null()), (is_old, is_old), "{record:#}");
    }
    // And its volumes can be released: those that the undo retained, too.
    let undo = history(&cluster, &["id"])[0][0].as_str().unwrap().to_owned();
    cluster.run(&["release", &undo, "--confirm", "pageserver-0"]).exits(0);
}

/// An interrupted failover, and its record as v1alpha1 would have left it.
fn interrupted() -> (Cluster, Value) {
    let cluster = Cluster::start(Options { replaced_pod_ready_seconds: Some(4.0), ..bare("slow-start") });
    let since = cluster.store().version();
    let running = Running::start(cluster.plugin(&["failover", "safekeeper-2", "--yes"]));
    cluster.wait_for_change(since, "the claim is deleted", |change| {
        change.key.resource == CLAIMS && !change.object["metadata"]["deletionTimestamp"].is_null()
    });
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    let record = age(&cluster);
    assert_eq!((&record["outcome"], &record["finished"]), (&json!("in-progress"), &Value::Null));
    (cluster, record)
}

#[test]
fn an_interrupted_failover_is_resumed() {
    let (cluster, record) = interrupted();
    cluster.run(&["status"]).exits(8).says(&["is unfinished"]);
    let lines = cluster.run(&["failover", "safekeeper-2", "--yes", "-o", "json"]).exits(0).json_lines();
    assert_eq!((&lines[0]["id"], &lines[0]["resumes"]["id"]), (&record["id"], &record["id"]), "{:#}", lines[0]);
    let result = lines.last().unwrap();
    assert_eq!((&result["id"], &result["outcome"]), (&record["id"], &json!("recovered")));
    // It is written as this version does, and nothing of it was lost on the way.
    let volume = record["claims"][0]["volume"].as_str().unwrap();
    let now = cluster.record_on(volume);
    for field in ["id", "started", "context", "podUid", "owner", "keepClaims"] {
        assert_eq!(now[field], record[field], "{field}");
    }
    assert_eq!((&now["user"], &now["outcome"]), (&record["who"], &json!("recovered")));
    assert_eq!(now["claims"][0]["manifest"], record["claims"][0]["manifest"]);
}

#[test]
fn an_interrupted_failover_is_settled_by_a_newer_one() {
    let (cluster, record) = interrupted();
    let newer = cluster.run(&["failover", "safekeeper-2", "--start-over", "--yes", "-o", "json"]).exits(0).json_lines();
    let newer = &newer[0]["id"];
    assert_ne!(*newer, record["id"]);
    let mut expected = record.clone();
    expected["supersededBy"] = newer.clone();
    let old: Vec<Value> =
        written(&cluster).into_iter().map(|(_, _, found)| found).filter(|found| found["id"] == record["id"]).collect();
    assert!(!old.is_empty() && old.iter().all(|found| *found == expected), "{old:#?}");
    cluster.run(&["status"]).exits(0);
}

/// What no volume can carry is in the journal.
#[test]
fn a_record_in_the_journal_is_read() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.run(&["failover", "safekeeper-0", "--keep-pvc", "--yes"]).exits(0);
    let journal = cluster.home().join(".local/state/kubectl-synxdb");
    let file = read_dir(journal).unwrap().next().unwrap().unwrap().path();
    let record = v1alpha1::record(&serde_json::from_str(&read_to_string(&file).unwrap()).unwrap());
    std::fs::write(&file, record.to_string()).unwrap();
    let expected = [record["id"].clone(), json!("recovered"), json!("safekeeper-0")];
    assert_eq!(history(&cluster, &["id", "outcome", "pod"]), [expected]);
    // What is no record of any version is said to be none.
    std::fs::write(&file, record.to_string().replace("\"version\":1", "\"version\":2")).unwrap();
    let ran = cluster.run(&["history"]).exits(8);
    assert!(crate::support::unwrapped(&ran.out).contains("is not a record of this version"), "{}", ran.shown());
}

#[test]
fn a_saved_baseline_is_compared_with() {
    let cluster = Cluster::start(full("healthy"));
    let file = cluster.home().join("baseline.json");
    let path = file.to_str().unwrap();
    cluster.run(&["verify", "--save", path]).exits(0);
    let document: Value = serde_json::from_str(&read_to_string(&file).unwrap()).unwrap();
    let mut old = v1alpha1::baseline(&document);
    std::fs::write(&file, old.to_string()).unwrap();
    cluster.run(&["verify", "--against", path]).exits(0).says(&["Verified: "]);
    // Something that it has and that is not there is missing.
    let (_, member) = old["members"].as_object_mut().unwrap().iter_mut().find(|(_, one)| one["by"] == "sql").unwrap();
    let databases = member["said"]["databases"].as_array_mut().unwrap();
    let mut more = databases[0].clone();
    more["name"] = json!("was_there");
    databases.push(more);
    std::fs::write(&file, old.to_string()).unwrap();
    cluster.run(&["verify", "--against", path]).exits(7).says(&["database was_there is missing"]);
}
