//! An undo reserves the old volume for the new claim: no other claim gets it, and the claim gets no other volume,
//! whatever the volume controller does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{CLAIMS, Cluster, LIMIT, Ran, Running, SYSTEM, VOLUMES, bare, is_ready, uid};
use practice_cluster::Options;
use practice_cluster::api::faults::{Fault, Rule};
use practice_cluster::scenarios::{self, Scenario};
use practice_cluster::store::{DeleteOptions, Key};
use serde_json::{Value, json};

const POD: &str = "safekeeper-0";
const CLAIM: &str = "data-safekeeper-0";

fn with(change: impl FnOnce(&mut Scenario)) -> Cluster {
    let mut scenario = scenarios::find("healthy").unwrap();
    change(&mut scenario);
    Cluster::start(Options { custom: Some(scenario), ..bare("healthy") })
}

/// Fails over a safekeeper, and returns the retained volume and the failover's ID.
fn failed_over(cluster: &Cluster) -> (String, String) {
    let first = cluster.volume_of(SYSTEM, CLAIM);
    let ran = cluster.run(&["failover", POD, "--yes", "-o", "json"]).exits(0);
    (first, id_of(&ran))
}

fn id_of(ran: &Ran) -> String {
    ran.json_lines()[0]["id"].as_str().unwrap().to_owned()
}

fn phase(cluster: &Cluster, volume: &str) -> String {
    let volume = cluster.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
    volume["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

fn policy(cluster: &Cluster, volume: &str) -> String {
    let volume = cluster.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
    volume["spec"]["persistentVolumeReclaimPolicy"].as_str().unwrap_or_default().to_owned()
}

/// Whether a volume is reserved for the next claim of that name.
fn is_reserved(cluster: &Cluster, volume: &str) -> bool {
    let reference = &cluster.get(VOLUMES, "", volume).unwrap()["spec"]["claimRef"];
    reference["name"] == CLAIM && reference["uid"].is_null()
}

/// Runs the command that a document gives for resuming.
fn resumed(cluster: &Cluster, ran: &Ran) -> Ran {
    let result = ran.json_lines().pop().unwrap();
    let words = result["resume"].as_str().unwrap_or_else(|| panic!("no way on: {result:#}")).to_owned();
    let words: Vec<&str> = words.strip_prefix("kubectl synxdb ").unwrap().split(' ').collect();
    cluster.run(&[&words[..], &["--yes", "-o", "json"]].concat())
}

/// The volume controller sees a reservation some time after it was made. A claim that is created earlier gets a new
/// volume.
#[test]
fn an_undo_waits_until_the_controller_has_seen_the_reservation() {
    let cluster = with(|scenario| scenario.volume_lag_seconds = 1.0);
    let (first, id) = failed_over(&cluster);
    let second = cluster.volume_of(SYSTEM, CLAIM);
    cluster.run(&["undo", &id, "--yes"]).exits(0);
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), first);
    assert_eq!(policy(&cluster, &second), "Retain");
}

/// While the controller manager is down, nothing is deleted, and the output says what it waits for.
#[test]
fn nothing_is_deleted_before_the_controller_has_seen_the_reservation() {
    let cluster = with(|_| ());
    let (first, id) = failed_over(&cluster);
    let claim = cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap();
    let pod = cluster.pod_uid(SYSTEM, POD);
    cluster.until("the old volume is released", |_| phase(&cluster, &first) == "Released");
    cluster.sandbox().stop_controller_manager(true);
    let ran = cluster.run(&["undo", &id, "--yes", "--timeout", "10s", "-o", "json"]).exits(6);
    let result = ran.json_lines().pop().unwrap();
    let why = format!(
        "volume {first} is reserved, but the volume controller has not processed it yet: the volume is Released"
    );
    assert_eq!(result["reasons"], json!([why]), "{}", ran.shown());
    assert_eq!(cluster.pod_uid(SYSTEM, POD), pod);
    assert_eq!(cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()["metadata"]["deletionTimestamp"], Value::Null);
    assert_eq!(uid(&cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()), uid(&claim));

    cluster.sandbox().stop_controller_manager(false);
    resumed(&cluster, &ran).exits(0);
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), first);
}

/// A claim deleted by another user right after the reservation gets another volume: that one is retained, too, and the
/// undo tries again.
#[test]
fn an_undo_that_ended_on_another_volume_tries_again() {
    // Longer than it takes to replace a claim.
    let cluster = with(|scenario| scenario.volume_lag_seconds = 4.0);
    let (first, id) = failed_over(&cluster);
    let second = cluster.volume_of(SYSTEM, CLAIM);
    let old = uid(&cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()).to_owned();
    // It is stopped while it waits for the controller; another user then deletes claim and pod.
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&["undo", &id, "--yes", "-o", "json"]));
    cluster.block_on(async {
        loop {
            let word = tokio::time::timeout(LIMIT, words.recv()).await.unwrap().unwrap();
            let reserved = word.mutation.name == first && is_reserved(&cluster, &first);
            drop(word);
            if reserved {
                break;
            }
        }
    });
    drop(words);
    for (resource, name) in [(CLAIMS, CLAIM), ("pods", POD)] {
        cluster.store().delete(&Key::new(resource, SYSTEM, name), &DeleteOptions::default()).unwrap();
    }
    let ran = running.end();
    assert_ne!(ran.code, Some(0), "{}", ran.shown());
    cluster.until("the claim is bound to a new volume", |_| {
        cluster
            .get(CLAIMS, SYSTEM, CLAIM)
            .is_some_and(|claim| uid(&claim) != old && claim["status"]["phase"] == "Bound")
    });
    let third = cluster.volume_of(SYSTEM, CLAIM);
    assert!(third != first && third != second, "{third}");

    // All pods are Ready and all claims Bound, but it is still degraded.
    cluster.until("the pod is Ready", |_| cluster.get("pods", SYSTEM, POD).is_some_and(|pod| is_ready(&pod)));
    let status = cluster.run(&["status"]).exits(8);
    status
        .says(&["SynxDB is degraded", &format!("{POD}: undo of {id} ("), "is unfinished"])
        .says(&[&format!("next: kubectl synxdb undo {id}")]);

    let again = resumed(&cluster, &ran).exits(0);
    cluster.run(&["status"]).exits(0);
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), first, "{}", again.shown());
    for retained in [&second, &third] {
        assert_eq!(policy(&cluster, retained), "Retain");
        assert_eq!(cluster.record_on(retained)["outcome"], "recovered", "{retained}");
    }
    // The undo of the undo restores what was in place before it, not what was there in between.
    let undone = id_of(&ran);
    cluster.run(&["undo", &undone, "--yes"]).exits(0);
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), second);
}

/// A claim that cannot get a new volume takes the restored one.
#[test]
fn a_pending_claim_takes_the_volume() {
    let cluster = with(|_| ());
    let first = cluster.volume_of(SYSTEM, CLAIM);
    // The class provisions no more volumes.
    let class = cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()["spec"]["storageClassName"].as_str().unwrap().to_owned();
    let class = Key::new("storageclasses", "", class.as_str());
    cluster.store().delete(&class, &DeleteOptions::default()).unwrap();
    let allowed = ["--allow", "storage-class", "--confirm", POD, "--timeout", "10s", "-o", "json"];
    let ran = cluster.run(&[&["failover", POD][..], &allowed].concat()).exits(6);
    assert_eq!(cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()["status"]["phase"], "Pending");
    let pending = uid(&cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()).to_owned();

    let undone = cluster.run(&["undo", &id_of(&ran), "--yes", "-o", "json"]).exits(0);
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), first, "{}", undone.shown());
    assert_eq!(uid(&cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()), pending);
}

/// Reserves the first volume by an undo that may not delete the claim.
fn stopped_after_the_reservation(cluster: &Cluster, id: &str, first: &str) -> Ran {
    let rule = Rule::on("delete", CLAIMS, Fault::Refuse { code: 403, retry_after: None }).real();
    cluster.sandbox().faults().add(rule);
    let ran = cluster.run(&["undo", id, "--yes", "-o", "json"]);
    cluster.sandbox().faults().clear();
    assert_ne!(ran.code, Some(0), "{}", ran.shown());
    assert!(is_reserved(cluster, first), "{}", ran.shown());
    ran
}

/// A failover after an interrupted undo removes its reservation: the new pod gets a new volume.
#[test]
fn a_failover_removes_the_reservation_of_an_unfinished_undo() {
    let cluster = with(|_| ());
    let (first, id) = failed_over(&cluster);
    let second = cluster.volume_of(SYSTEM, CLAIM);
    stopped_after_the_reservation(&cluster, &id, &first);

    let ran = cluster.run(&["failover", POD, "--start-over", "--yes", "-o", "json"]).exits(0);
    let steps = ran.json_lines()[0]["steps"].as_array().unwrap().clone();
    assert!(steps.iter().any(|step| step["action"] == "unreserve" && step["volume"] == *first), "{steps:#?}");
    let third = cluster.volume_of(SYSTEM, CLAIM);
    assert!(third != first && third != second, "{}", ran.shown());
    for retained in [&first, &second] {
        cluster.until("it is released", |_| phase(&cluster, retained) == "Released");
        assert_eq!(policy(&cluster, retained), "Retain");
    }
    // Both can still be restored.
    cluster.run(&["undo", &id, "--yes"]).exits(0);
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), first);
}

/// Another user reserves a retained volume for the claim that a failover creates: the failover does not mistake it for
/// a new disk, and the command that it prints replaces it again.
#[test]
fn a_failover_that_ended_on_a_retained_volume_is_not_done() {
    let cluster = with(|_| ());
    let (first, _) = failed_over(&cluster);
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&["failover", POD, "--start-over", "--yes", "-o", "json"]));
    cluster.block_on(async {
        loop {
            let word = tokio::time::timeout(LIMIT, words.recv()).await.unwrap().unwrap();
            let ours = word.mutation.resource == CLAIMS;
            if ours {
                // Before the claim is gone.
                cluster.update(&Key::new(VOLUMES, "", first.as_str()), |volume| {
                    volume["spec"]["claimRef"] = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                        "namespace": SYSTEM, "name": CLAIM});
                });
            }
            drop(word);
            if ours {
                break;
            }
        }
    });
    drop(words);
    let ran = running.end().exits(4);
    let result = ran.json_lines().pop().unwrap();
    let reason = result["reasons"][0].as_str().unwrap();
    assert!(reason.contains(&format!("claim {CLAIM} is bound to volume {first}")), "{reason}");
    assert_eq!(cluster.volume_of(SYSTEM, CLAIM), first);

    let again = resumed(&cluster, &ran).exits(0);
    let last = cluster.volume_of(SYSTEM, CLAIM);
    assert_ne!(last, first, "{}", again.shown());
    assert_eq!((policy(&cluster, &first), phase(&cluster, &first)), ("Retain".into(), "Released".into()));
}

/// An unverified undo is verified when it is run again, and the volume gets its own reclaim policy back.
#[test]
fn an_unverified_undo_is_verified_when_it_is_run_again() {
    let cluster = with(|_| ());
    let (first, id) = failed_over(&cluster);
    cluster.run(&["undo", &id, "--no-verify", "--yes"]).exits(0);
    assert_eq!((cluster.volume_of(SYSTEM, CLAIM), policy(&cluster, &first)), (first.clone(), "Retain".into()));
    let pod = cluster.pod_uid(SYSTEM, POD);
    let ran = cluster.run(&["undo", &id, "--yes", "-o", "json"]).exits(0);
    let lines = ran.json_lines();
    assert_eq!(lines[0]["steps"], json!([]), "{}", ran.shown());
    assert_eq!(lines.last().unwrap()["outcome"], "recovered", "{}", ran.shown());
    assert_eq!((cluster.pod_uid(SYSTEM, POD), policy(&cluster, &first)), (pod, "Delete".into()));
    assert_eq!(cluster.record_on(&first)["outcome"], "recovered");
    // Once verified, it is done.
    cluster.run(&["undo", &id, "--yes"]).exits(4);
}
