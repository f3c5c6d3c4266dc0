//! The checks of a failover through the real binary, each on the practice cluster made to look like it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, CLAIMS, Cluster, SYSTEM, bare};
use practice_cluster::store::{DeleteOptions, Key};
use serde_json::{Value, json};

/// The checks of this kind in the plan, and whether the failover is refused.
fn checks(cluster: &Cluster, arguments: &[&str], id: &str) -> (Vec<Value>, Option<i32>) {
    let ran = cluster.run(&[&["failover", "--dry-run=client", "-o", "json"], arguments].concat());
    let plan = ran.json_lines().swap_remove(0);
    let checks = plan["checks"].as_array().unwrap_or_else(|| panic!("no checks\n{}", ran.shown())).clone();
    (checks.into_iter().filter(|check| check["id"] == id).collect(), ran.code)
}

/// The one check of this kind: its verdict, and a reason that has these words; the exit code is 4 for a block.
#[track_caller]
fn told(cluster: &Cluster, arguments: &[&str], id: &str, verdict: &str, words: &str) {
    let (found, code) = checks(cluster, arguments, id);
    let reasons: Vec<&str> = found.iter().map(|check| check["reason"].as_str().unwrap()).collect();
    assert!(
        found.iter().any(|check| check["verdict"] == verdict && check["reason"].as_str().unwrap().contains(words)),
        "no {verdict} of {words:?}: {reasons:#?}"
    );
    assert_eq!(code, Some(if verdict == "block" { 4 } else { 0 }), "{reasons:#?}");
}

#[test]
fn a_healthy_cluster_gives_no_cause() {
    let cluster = Cluster::read_only();
    let plan = cluster.run(&["failover", "safekeeper-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    let checks = plan["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["verdict"] == "pass"), "{checks:#?}");
    let (class, _) = self::checks(&cluster, &["safekeeper-0"], "storage-class");
    let reason =
        "default storage class standard will provision the new volume (WaitForFirstConsumer, reclaim policy Delete)";
    assert_eq!(class[0]["reason"], reason);
    told(&cluster, &["pageserver-0"], "remote-storage", "pass", "bytes in remote storage");
    let (kept, _) = self::checks(&cluster, &["pageserver-0", "--keep-pvc"], "remote-storage");
    assert_eq!(kept, Vec::<Value>::new());
    // The layout may know better.
    let shipped = cluster.run(&["layout"]).exits(0).out;
    let without = shipped.replace("workload: pageserver\n", "workload: pageserver\n    remoteStorage: false\n");
    let layout = cluster.file("layout.yaml", &without);
    let with = ["pageserver-0", "--layout", layout.to_str().unwrap()];
    told(&cluster, &with, "remote-storage", "block", "its layers exist only on the old disk");
    told(
        &cluster,
        &[&with[..], &["--allow", "local-layers"]].concat(),
        "remote-storage",
        "warn",
        "only on the old disk",
    );
}

#[test]
fn a_budget_that_allows_none() {
    let cluster = Cluster::start(bare("healthy"));
    let key = Key::new("poddisruptionbudgets", SYSTEM, "safekeepers");
    let selector = json!({"matchLabels": {"app.kubernetes.io/name": "safekeeper"}});
    let budget = json!({"metadata": {"generation": 1}, "spec": {"minAvailable": 3, "selector": selector}});
    cluster.store().create(key.clone(), budget, false).unwrap();
    cluster.until("the budget has counted", |store| {
        store.get(&key).is_some_and(|budget| budget["status"]["currentHealthy"] == 3)
    });
    let numbers = "PodDisruptionBudget safekeepers allows 0 disruptions (3 of 3 healthy, 3 wanted)";
    told(&cluster, &["safekeeper-0", "--keep-pvc"], "budget", "block", numbers);
    let text = cluster.run(&["failover", "safekeeper-0", "--dry-run"]).exits(4);
    text.says(&[numbers, "(override with --allow disruption-budget)"]).warns(&["--allow disruption-budget"]);
    let allowed = ["safekeeper-0", "--allow", "disruption-budget"];
    told(&cluster, &allowed, "budget", "warn", numbers);
    assert_eq!(checks(&cluster, &["pageserver-0"], "budget").0, Vec::<Value>::new());
}

#[test]
fn a_finalizer_of_somebody_else() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.update(&Key::new(CLAIMS, SYSTEM, "data-safekeeper-0"), |claim| {
        claim["metadata"]["finalizers"].as_array_mut().unwrap().push(json!("backup.example.com/hold"));
    });
    let words = "claim data-safekeeper-0 has the finalizer backup.example.com/hold";
    told(&cluster, &["safekeeper-0"], "finalizers", "block", words);
    assert_eq!(checks(&cluster, &["safekeeper-0", "--keep-pvc"], "finalizers"), (Vec::new(), Some(0)));
}

#[test]
fn nodes_that_take_no_pods() {
    let cluster = Cluster::start(bare("local-disk"));
    let pod = cluster.get("pods", ACCOUNT, "wh9527-0").unwrap();
    let on = pod["spec"]["nodeName"].as_str().unwrap();
    let cordon =
        |node: &str| cluster.update(&Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(true));
    cordon(on);
    let cordoned = format!("node {on} is cordoned; 1 other node is schedulable");
    told(&cluster, &["wh9527-0"], "node", "pass", &cordoned);
    // The disk is the machine's own: the pod cannot take it elsewhere.
    let tied = format!("is tied to node {on}, which is cordoned: the new pod could not start with it");
    told(&cluster, &["wh9527-0", "--keep-pvc"], "node", "block", &tied);
    told(&cluster, &["wh9527-0", "--keep-pvc", "--allow", "unusable-node"], "node", "warn", &tied);
    for node in cluster.store().list("nodes", None).0 {
        cordon(node["metadata"]["name"].as_str().unwrap());
    }
    told(&cluster, &["wh9527-0"], "node", "block", "0 of 2 nodes are Ready and schedulable (2 cordoned)");
}

#[test]
fn a_set_that_is_scaled_down() {
    let cluster = Cluster::start(bare("healthy"));
    let pod = Key::new("pods", SYSTEM, "safekeeper-2");
    cluster.update(&pod, |pod| pod["metadata"]["finalizers"] = json!(["backup.example.com/hold"]));
    cluster.update(&Key::new("statefulsets", SYSTEM, "safekeeper"), |set| set["spec"]["replicas"] = json!(2));
    cluster.until("safekeeper-2 is going", |store| {
        store.get(&pod).is_some_and(|pod| !pod["metadata"]["deletionTimestamp"].is_null())
    });
    let words =
        "StatefulSet safekeeper has 2 replicas, safekeeper-0 to safekeeper-1: it would not recreate safekeeper-2";
    told(&cluster, &["safekeeper-2", "--allow", "quorum-loss"], "controller", "block", words);
    told(&cluster, &["safekeeper-2", "--keep-pvc"], "pod", "warn", "the pod has been Terminating for");
}

#[test]
fn a_template_that_the_old_pod_was_not_told_of() {
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
    told(&cluster, &["safekeeper-0"], "revision", "warn", &words);
    // Below the partition it is made again as it was.
    cluster.update(&key, |set| {
        set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 3}});
    });
    assert_eq!(checks(&cluster, &["safekeeper-0"], "revision"), (Vec::new(), Some(0)));
}

#[test]
fn a_storage_class_that_is_missing() {
    let cluster = Cluster::start(bare("healthy"));
    cluster.store().delete(&Key::new("storageclasses", "", "standard"), &DeleteOptions::default()).unwrap();
    told(
        &cluster,
        &["safekeeper-0"],
        "storage-class",
        "block",
        "there is no default, and no volume is Available for claim data-safekeeper-0",
    );
    told(
        &cluster,
        &["safekeeper-0", "--allow", "storage-class"],
        "storage-class",
        "warn",
        "there is no default, and no volume is Available",
    );
    assert_eq!(checks(&cluster, &["safekeeper-0", "--keep-pvc"], "storage-class"), (Vec::new(), Some(0)));
}
