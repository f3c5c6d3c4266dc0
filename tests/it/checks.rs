//! The checks of a failover through the real binary, each on a practice cluster in the matching state.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, CLAIMS, Cluster, SYSTEM, bare};
use practice_cluster::store::{DeleteOptions, Key};
use serde_json::{Value, json};

/// Returns the plan's checks of this kind, and the exit code.
fn checks(cluster: &Cluster, arguments: &[&str], id: &str) -> (Vec<Value>, Option<i32>) {
    let ran = cluster.run(&[&["failover", "--dry-run=client", "-o", "json"], arguments].concat());
    let plan = ran.json_lines().swap_remove(0);
    let checks = plan["checks"].as_array().unwrap_or_else(|| panic!("no checks\n{}", ran.shown())).clone();
    (checks.into_iter().filter(|check| check["check"] == id).collect(), ran.code)
}

/// Asserts that there is one check of this kind, with this verdict and these words in its reason. A block exits with
/// code 4.
#[track_caller]
fn has_check(cluster: &Cluster, arguments: &[&str], id: &str, verdict: &str, words: &str) {
    let (found, code) = checks(cluster, arguments, id);
    let reasons: Vec<&str> = found.iter().map(|check| check["reason"].as_str().unwrap()).collect();
    assert!(
        found.iter().any(|check| check["result"] == verdict && check["reason"].as_str().unwrap().contains(words)),
        "no {verdict} of {words:?}: {reasons:#?}"
    );
    assert_eq!(code, Some(if verdict == "blocked" { 4 } else { 0 }), "{reasons:#?}");
}

#[test]
fn a_healthy_cluster_passes() {
    let cluster = Cluster::read_only();
    let plan = cluster.run(&["failover", "safekeeper-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    let checks = plan["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["result"] == "passed"), "{checks:#?}");
    let (class, _) = self::checks(&cluster, &["safekeeper-0"], "storageClass");
    let reason =
        "default storage class standard will provision the new volume (WaitForFirstConsumer, reclaim policy Delete)";
    assert_eq!(class[0]["reason"], reason);
    has_check(&cluster, &["pageserver-0"], "remoteStorage", "passed", "bytes in remote storage");
    let (kept, _) = self::checks(&cluster, &["pageserver-0", "--keep-pvc"], "remoteStorage");
    assert_eq!(kept, Vec::<Value>::new());
    // The layout may override this.
    let shipped = cluster.run(&["layout"]).exits(0).out;
    let without = shipped.replace("workload: pageserver\n", "workload: pageserver\n    remoteStorage: false\n");
    let layout = cluster.file("layout.yaml", &without);
    let with = ["pageserver-0", "--layout", layout.to_str().unwrap()];
    has_check(&cluster, &with, "remoteStorage", "blocked", "its layers exist only on the old disk");
    has_check(
        &cluster,
        &[&with[..], &["--allow", "local-layers"]].concat(),
        "remoteStorage",
        "warning",
        "only on the old disk",
    );
}

#[test]
fn a_budget_without_disruptions() {
    let cluster = Cluster::start(bare("healthy"));
    let key = Key::new("poddisruptionbudgets", SYSTEM, "safekeepers");
    let selector = json!({"matchLabels": {"app.kubernetes.io/name": "safekeeper"}});
    let budget = json!({"metadata": {"generation": 1}, "spec": {"minAvailable": 3, "selector": selector}});
    cluster.store().create(key.clone(), budget, false).unwrap();
    cluster.until("the budget has counted", |store| {
        store.get(&key).is_some_and(|budget| budget["status"]["currentHealthy"] == 3)
    });
    let numbers = "PodDisruptionBudget safekeepers allows 0 disruptions (3 of 3 healthy, 3 wanted)";
    has_check(&cluster, &["safekeeper-0", "--keep-pvc"], "budget", "blocked", numbers);
    let text = cluster.run(&["failover", "safekeeper-0", "--dry-run"]).exits(4);
    text.says(&[numbers, "(override with --allow disruption-budget)"]).warns(&["--allow disruption-budget"]);
    let allowed = ["safekeeper-0", "--allow", "disruption-budget"];
    has_check(&cluster, &allowed, "budget", "warning", numbers);
    assert_eq!(checks(&cluster, &["pageserver-0"], "budget").0, Vec::<Value>::new());
}

#[test]
fn a_foreign_finalizer() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.update(&Key::new(CLAIMS, SYSTEM, "data-safekeeper-0"), |claim| {
        claim["metadata"]["finalizers"].as_array_mut().unwrap().push(json!("backup.example.com/hold"));
    });
    let words = "claim data-safekeeper-0 has the finalizer backup.example.com/hold";
    has_check(&cluster, &["safekeeper-0"], "finalizers", "blocked", words);
    assert_eq!(checks(&cluster, &["safekeeper-0", "--keep-pvc"], "finalizers"), (Vec::new(), Some(0)));
}

#[test]
fn unschedulable_nodes() {
    let cluster = Cluster::start(bare("local-disk"));
    let pod = cluster.get("pods", ACCOUNT, "wh9527-0").unwrap();
    let on = pod["spec"]["nodeName"].as_str().unwrap();
    let cordon =
        |node: &str| cluster.update(&Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(true));
    cordon(on);
    let cordoned = format!("node {on} is cordoned; 1 other node is schedulable");
    has_check(&cluster, &["wh9527-0"], "node", "passed", &cordoned);
    // The volume is local to the machine, so the pod cannot move.
    let tied = format!("is tied to node {on}, which is cordoned: the new pod could not start with it");
    has_check(&cluster, &["wh9527-0", "--keep-pvc"], "node", "blocked", &tied);
    has_check(&cluster, &["wh9527-0", "--keep-pvc", "--allow", "unusable-node"], "node", "warning", &tied);
    for node in cluster.store().list("nodes", None).0 {
        cordon(node["metadata"]["name"].as_str().unwrap());
    }
    has_check(&cluster, &["wh9527-0"], "node", "blocked", "0 of 2 nodes are Ready and schedulable (2 cordoned)");
}

#[test]
fn a_scaled_down_set() {
    let cluster = Cluster::start(bare("healthy"));
    let pod = Key::new("pods", SYSTEM, "safekeeper-2");
    cluster.update(&pod, |pod| pod["metadata"]["finalizers"] = json!(["backup.example.com/hold"]));
    cluster.update(&Key::new("statefulsets", SYSTEM, "safekeeper"), |set| set["spec"]["replicas"] = json!(2));
    cluster.until("safekeeper-2 is going", |store| {
        store.get(&pod).is_some_and(|pod| !pod["metadata"]["deletionTimestamp"].is_null())
    });
    let words =
        "StatefulSet safekeeper has 2 replicas, safekeeper-0 to safekeeper-1: it would not recreate safekeeper-2";
    has_check(&cluster, &["safekeeper-2", "--allow", "quorum-loss"], "controller", "blocked", words);
    has_check(&cluster, &["safekeeper-2", "--keep-pvc"], "pod", "warning", "the pod has been Terminating for");
}

#[test]
fn a_template_newer_than_the_pod() {
    let cluster = Cluster::start(bare("healthy"));
    let key = Key::new("statefulsets", SYSTEM, "safekeeper");
    assert_eq!(checks(&cluster, &["safekeeper-0"], "revision").0, Vec::<Value>::new());
    let old = cluster.get("statefulsets", SYSTEM, "safekeeper").unwrap()["status"]["updateRevision"].clone();
    cluster.update(&key, |set| {
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        set["spec"]["template"]["metadata"]["annotations"] = json!({"changed": "yes"});
    });
    cluster.until("the new template has a revision", |store| {
        store.get(&key).is_some_and(|set| set["status"]["updateRevision"] != old)
    });
    let new = cluster.get("statefulsets", SYSTEM, "safekeeper").unwrap()["status"]["updateRevision"].clone();
    let (new, old) = (new.as_str().unwrap(), old.as_str().unwrap());
    let words = format!("the new pod will have revision {new}, the old one has {old}");
    has_check(&cluster, &["safekeeper-0"], "revision", "warning", &words);
    // Below the partition, it is recreated from the same revision.
    cluster.update(&key, |set| {
        set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 3}});
    });
    assert_eq!(checks(&cluster, &["safekeeper-0"], "revision"), (Vec::new(), Some(0)));
}

#[test]
fn a_missing_storage_class() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.store().delete(&Key::new("storageclasses", "", "standard"), &DeleteOptions::default()).unwrap();
    has_check(
        &cluster,
        &["safekeeper-0"],
        "storageClass",
        "blocked",
        "there is no default, and no volume is Available for claim data-safekeeper-0",
    );
    has_check(
        &cluster,
        &["safekeeper-0", "--allow", "storage-class"],
        "storageClass",
        "warning",
        "there is no default, and no volume is Available",
    );
    assert_eq!(checks(&cluster, &["safekeeper-0", "--keep-pvc"], "storageClass"), (Vec::new(), Some(0)));
}
