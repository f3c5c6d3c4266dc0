//! A claim that goes with its pod, and gets a volume while a failover is in progress. Watches lag behind: the deletion
//! names the version of the pod that the plugin knows, and the API server refuses it if the pod has changed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{CLAIMS, Cluster, LIMIT, Running, SYSTEM, VOLUMES, bare, uid};
use practice_cluster::api::faults::{Fault, Rule};
use practice_cluster::store::{ChangeKind, Key};
use rustix::process::Signal;
use serde_json::json;
use std::time::Duration;

const POD: &str = "safekeeper-2";
const SCRATCH: &str = "safekeeper-2-scratch";
/// Longer than the plugin takes from its first change to the deletion of the pod.
const LAG: Duration = Duration::from_secs(5);

/// A safekeeper whose new template has an ephemeral volume of a class that makes none: its pod is Pending.
fn pending() -> Cluster {
    let cluster = Cluster::start(bare("healthy"));
    let since = cluster.store().version();
    let old = cluster.pod_uid(SYSTEM, POD);
    cluster.update(&Key::new("statefulsets", SYSTEM, "safekeeper"), |set| {
        let claim = json!({"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}});
        let volume = json!({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}});
        let template = &mut set["spec"]["template"]["spec"];
        match template["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(volume),
            None => template["volumes"] = json!([volume]),
        }
    });
    cluster.wait_for_change(since, "a pod of the new template cannot be scheduled", |change| {
        let conditions = change.object["status"]["conditions"].as_array();
        change.key == Key::new("pods", SYSTEM, POD)
            && uid(&change.object) != old
            && conditions.is_some_and(|all| all.iter().any(|condition| condition["reason"] == "Unschedulable"))
    });
    for resource in ["pods", CLAIMS] {
        cluster.sandbox().faults().add(Rule::on("watch", resource, Fault::Lag(LAG)));
    }
    cluster
}

/// Runs a failover up to its first change of an object, makes a change of its own, and lets it go on.
fn changed_in_the_middle(cluster: &Cluster, change: impl FnOnce()) -> Running {
    let mut mutations = cluster.sandbox().faults().mutations();
    let running =
        Running::start(cluster.plugin(&["failover", POD, "--allow", "storage-class", "--confirm", POD, "-o", "json"]));
    let retained = cluster.block_on(async {
        loop {
            let next = tokio::time::timeout(LIMIT, mutations.recv()).await.expect("a change in time");
            let processed = next.unwrap();
            if processed.mutation.resource == VOLUMES {
                return processed;
            }
        }
    });
    change();
    drop(retained);
    running
}

#[test]
fn a_volume_that_its_claim_got_in_the_meantime_does_not_go_with_the_pod() {
    let cluster = pending();
    let pod = cluster.pod_uid(SYSTEM, POD);
    let running = changed_in_the_middle(&cluster, || {
        let since = cluster.store().version();
        let volume = json!({"metadata": {"name": "by-hand"}, "spec": {
            "storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/mnt/by-hand"},
            "claimRef": {"namespace": SYSTEM, "name": SCRATCH}}});
        cluster.store().create(Key::new(VOLUMES, "", "by-hand"), volume, false).unwrap();
        cluster.wait_for_change(since, "the pod runs on the volume", |change| {
            change.key == Key::new("pods", SYSTEM, POD) && change.object["status"]["phase"] == "Running"
        });
    });
    let ran = running.end().exits(4);
    let result = ran.json_lines().pop().unwrap();
    assert!(result["reasons"][0].as_str().unwrap().contains(SCRATCH), "{}", ran.shown());
    assert_eq!(cluster.pod_uid(SYSTEM, POD), pod);
    assert_eq!(cluster.get("pods", SYSTEM, POD).unwrap()["metadata"]["deletionTimestamp"], json!(null));
    assert_eq!(cluster.get(VOLUMES, "", "by-hand").unwrap()["status"]["phase"], "Bound");
}

/// Any other change of the pod only means that it is deleted a moment later.
#[test]
fn a_pod_that_has_merely_changed_is_deleted_once_the_change_is_known() {
    let cluster = pending();
    let since = cluster.store().version();
    let pod = cluster.pod_uid(SYSTEM, POD);
    let running = changed_in_the_middle(&cluster, || {
        cluster.update(&Key::new("pods", SYSTEM, POD), |pod| pod["metadata"]["labels"]["seen"] = json!("yes"));
    });
    cluster.wait_for_change(since, "the pod is deleted", |change| {
        change.key == Key::new("pods", SYSTEM, POD) && change.kind == ChangeKind::Deleted && uid(&change.object) == pod
    });
    let conflicts = cluster.writes().iter().filter(|write| write.starts_with("DELETE") && write.contains(POD)).count();
    assert!(conflicts > 2, "one for the claim, and two at least for the pod: {:#?}", cluster.writes());
    running.signal(Signal::INT);
    running.end().exits(130);
}
