//! Hostile records on volumes, times and Leases in a cluster. They run nothing, never count as done, and block no
//! operator forever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{CLAIMS, Cluster, RECORD, SYSTEM, VOLUMES, bare};
use practice_cluster::store::Key;
use serde_json::{Value, json};

const POD: &str = "safekeeper-0";
const CLAIM: &str = "data-safekeeper-0";
/// Its volume is in use, and no failover has touched it.
const ID: &str = "f0f0f0f0";

/// Returns a record as the plugin would write it, of a failover that began a minute ago and was interrupted.
fn record(cluster: &Cluster) -> Value {
    let set = cluster.get("statefulsets", SYSTEM, "safekeeper").unwrap();
    let started = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60);
    json!({"apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "id": ID, "operation": "failover", "started": started.to_string(), "outcome": "unfinished", "context": "c",
        "namespace": SYSTEM, "pod": POD, "podUid": cluster.pod_uid(SYSTEM, POD), "keepClaims": false,
        "owner": {"kind": "StatefulSet", "name": "safekeeper", "uid": set["metadata"]["uid"]},
        "claims": [{"name": CLAIM, "uid": cluster.get(CLAIMS, SYSTEM, CLAIM).unwrap()["metadata"]["uid"],
            "volume": cluster.volume_of(SYSTEM, CLAIM), "reclaimPolicy": "Delete"}]})
}

/// Writes it on the volume in use.
fn write(cluster: &Cluster, record: &Value) {
    let volume = cluster.volume_of(SYSTEM, CLAIM);
    cluster.update(&Key::new(VOLUMES, "", volume.as_str()), |object| {
        let key = format!("{RECORD}{ID}");
        object["metadata"]["annotations"][key] = json!(record.to_string());
    });
}

/// Printed commands are pasted: no record may change what they do.
#[test]
fn a_forged_record_injects_no_command() {
    let cluster = Cluster::start(bare("healthy"));
    let nasty = "x; touch /tmp/forged; echo";
    for pointer in ["/id", "/pod", "/namespace", "/claims/0/name", "/claims/0/volume", "/podUid"] {
        let mut forged = record(&cluster);
        forged["outcome"] = json!("dataMissing");
        forged["finished"] = forged["started"].clone();
        *forged.pointer_mut(pointer).unwrap() = json!(nasty);
        write(&cluster, &forged);
        for arguments in [&["history", "-A"][..], &["history", "-A", "-o", "wide"], &["history", "-A", "-o", "json"]] {
            let ran = cluster.run(arguments).exits(0);
            assert!(!ran.shown().contains("touch"), "{pointer}: {}", ran.shown());
        }
        let ran = cluster.run(&["undo", POD, "--yes"]).exits(4);
        assert!(!ran.shown().contains("touch"), "{pointer}: {}", ran.shown());
    }
    // A context may have any name; in a command, it is one word.
    let mut forged = record(&cluster);
    forged["context"] = json!(nasty);
    write(&cluster, &forged);
    let ran = cluster.run(&["history", "-A"]).exits(0);
    assert!(!ran.shown().contains("touch"), "{}", ran.shown());
}

/// An unfinished record that claims that everything was replaced is not trusted: everything is replaced, or the run
/// does not claim it.
#[test]
fn an_unfinished_record_is_resumed_as_far_as_the_cluster_confirms_it() {
    let another = "11111111-1111-4111-8111-111111111111";
    let future = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_string();
    for (what, change) in [
        ("the pod and its claim are others", json!({"podUid": another, "claims": [{"uid": another}]})),
        ("the claim is another", json!({"claims": [{"uid": another}]})),
        ("the set is another", json!({"podUid": another, "owner": {"uid": another}})),
        ("there is no owner", json!({"podUid": another, "owner": null})),
        ("it began tomorrow", json!({"started": future})),
    ] {
        let cluster = Cluster::start(bare("healthy"));
        let mut forged = record(&cluster);
        let changed_claim = change["claims"][0]["uid"].clone();
        for (key, value) in change.as_object().unwrap() {
            match key.as_str() {
                "claims" => forged["claims"][0]["uid"] = changed_claim.clone(),
                "owner" if value.is_object() => forged["owner"]["uid"] = value["uid"].clone(),
                _ => forged[key] = value.clone(),
            }
        }
        write(&cluster, &forged);
        let (pod, volume) = (cluster.pod_uid(SYSTEM, POD), cluster.volume_of(SYSTEM, CLAIM));
        let ran = cluster.run(&["failover", POD, "--yes"]).exits(0);
        let ran = ran.warns(&[&format!("the record of {ID} of {SYSTEM}/{POD} does not match the cluster")]);
        let ran = ran.says(&["Recovered: safekeeper-0"]);
        assert!(!ran.out.contains(&format!("undo {ID}")), "{what}: {}", ran.shown());
        assert_ne!(cluster.pod_uid(SYSTEM, POD), pod, "{what}: {}", ran.shown());
        assert_ne!(cluster.volume_of(SYSTEM, CLAIM), volume, "{what}: {}", ran.shown());
    }
    // A matching record is finished as usual: the volume still belongs to the claim that it names.
    let cluster = Cluster::start(bare("healthy"));
    // The baseline from before is not in the record.
    cluster.run(&["verify", POD]).exits(0);
    let mut fits = record(&cluster);
    fits["started"] = json!(jiff::Timestamp::now().to_string());
    write(&cluster, &fits);
    let ran = cluster.run(&["failover", POD, "--yes"]).exits(0);
    assert!(!ran.err.contains("does not match"), "{}", ran.shown());
    ran.warns(&[ID]);
}

/// A time in the future is clock skew or a forgery: it blocks nothing.
#[test]
fn a_failover_that_ended_in_the_future_blocks_nothing() {
    let cluster = Cluster::start(bare("healthy"));
    let mut forged = record(&cluster);
    forged["started"] = json!("2030-01-01T00:00:00Z");
    forged["finished"] = json!("2030-01-01T00:01:00Z");
    forged["outcome"] = json!("recovered");
    write(&cluster, &forged);
    let pod = cluster.pod_uid(SYSTEM, POD);
    let ran = cluster.run(&["failover", POD, "--yes"]).exits(0);
    ran.warns(&["f0f0f0f0 ended in the future (2030-01-01T00:01:00Z): clock skew, or a forged record"]);
    assert_ne!(cluster.pod_uid(SYSTEM, POD), pod);
}

/// The same applies to a Lease, whatever it contains.
#[test]
fn a_lease_with_a_wrong_time_is_waited_for_or_overridden() {
    for (what, spec, refused) in [
        // The last year with four digits, and beyond the range of some counters.
        ("9999", json!({"leaseDurationSeconds": 2, "renewTime": "9999-12-31T23:59:59.000000Z"}), false),
        ("2030", json!({"leaseDurationSeconds": 2, "renewTime": "2030-01-01T00:00:00.000000Z"}), false),
        ("68 years", json!({"leaseDurationSeconds": i32::MAX, "renewTime": "9999-12-31T23:59:59.000000Z"}), true),
        ("no number", json!({"leaseDurationSeconds": "many", "renewTime": "later"}), true),
    ] {
        let cluster = Cluster::start(bare("healthy"));
        let mut spec = spec;
        spec["holderIdentity"] = json!("mallory");
        let lease = json!({"metadata": {"name": "kubectl-synxdb", "namespace": SYSTEM}, "spec": spec});
        cluster.store().create(Key::new("leases", SYSTEM, "kubectl-synxdb"), lease, false).unwrap();
        let pod = cluster.pod_uid(SYSTEM, POD);
        let ran = cluster.run(&["failover", POD, "--yes", "--keep-pvc"]);
        assert!(ran.err.contains("mallory") && !ran.err.contains("is unreachable"), "{what}: {}", ran.shown());
        if !refused {
            let ran = ran.exits(0);
            ran.warns(&["last renewed in the future (clock skew between the two machines)"]);
            assert_ne!(cluster.pod_uid(SYSTEM, POD), pod, "{what}");
            continue;
        }
        ran.exits(4).warns(&["--allow concurrent-failover overrides this check"]);
        assert_eq!(cluster.pod_uid(SYSTEM, POD), pod, "{what}");
        let allowed = ["failover", POD, "--keep-pvc", "--allow", "concurrent-failover", "--confirm", POD];
        cluster.run(&allowed).exits(0).says(&["Recovered: safekeeper-0"]);
        assert_ne!(cluster.pod_uid(SYSTEM, POD), pod, "{what}");
    }
}
