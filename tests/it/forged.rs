//! What others may write into a cluster, against whoever works on it: records on volumes, times, Leases. Nothing of it runs,
//! passes for what was done, or stops anybody for good.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{CLAIMS, Cluster, RECORD, SYSTEM, VOLUMES, bare};
use practice_cluster::store::Key;
use serde_json::{Value, json};

const POD: &str = "safekeeper-0";
const CLAIM: &str = "data-safekeeper-0";
/// Its volume is in use, and no failover has touched it.
const ID: &str = "f0f0f0f0";

/// A record as the plugin would write it, of a failover that began a minute ago and was interrupted.
fn record(cluster: &Cluster) -> Value {
    let set = cluster.get("statefulsets", SYSTEM, "safekeeper").unwrap();
    let started = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60);
    json!({"apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "id": ID, "operation": "failover", "started": started.to_string(), "outcome": "inProgress", "context": "c",
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

/// A command that is printed is pasted: nothing of a record may make it do something else.
#[test]
fn a_record_prints_no_command_of_its_own() {
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
    // Of a context every text may be the name; where a command names it, it is one word.
    let mut forged = record(&cluster);
    forged["context"] = json!(nasty);
    write(&cluster, &forged);
    let ran = cluster.run(&["history", "-A"]).exits(0);
    assert!(!ran.shown().contains("touch"), "{}", ran.shown());
}

/// An unfinished record that says that all was replaced is not believed: everything is replaced, or nothing is said to be.
#[test]
fn an_unfinished_record_is_gone_on_with_where_the_cluster_confirms_it() {
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
        let ran = ran.warns(&[&format!("the record of {ID} of {SYSTEM}/{POD} does not fit the cluster")]);
        let ran = ran.says(&["Recovered: safekeeper-0"]);
        assert!(!ran.out.contains(&format!("undo {ID}")), "{what}: {}", ran.shown());
        assert_ne!(cluster.pod_uid(SYSTEM, POD), pod, "{what}: {}", ran.shown());
        assert_ne!(cluster.volume_of(SYSTEM, CLAIM), volume, "{what}: {}", ran.shown());
    }
    // What fits is finished, as ever: the volume is still the claim's that the record names.
    let cluster = Cluster::start(bare("healthy"));
    // With what it held before it began, which the record does not have.
    cluster.run(&["verify", POD]).exits(0);
    let mut fits = record(&cluster);
    fits["started"] = json!(jiff::Timestamp::now().to_string());
    write(&cluster, &fits);
    let ran = cluster.run(&["failover", POD, "--yes"]).exits(0);
    assert!(!ran.err.contains("does not fit"), "{}", ran.shown());
    ran.warns(&[ID]);
}

/// A time that has not come is clock skew, or a lie: it keeps nobody from anything.
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
    ran.warns(&["f0f0f0f0 is on record as finished in the future (2030-01-01T00:01:00Z): clock skew, or forged"]);
    assert_ne!(cluster.pod_uid(SYSTEM, POD), pod);
}

/// The same of a Lease, whatever is in it.
#[test]
fn a_lease_of_another_time_is_waited_for_or_overridden() {
    for (what, spec, refused) in [
        // The last year that is written with four digits, and past what some count.
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
        assert!(ran.err.contains("mallory") && !ran.err.contains("cannot be reached"), "{what}: {}", ran.shown());
        if !refused {
            let ran = ran.exits(0);
            ran.warns(&["last renewed in the future: its clock or ours is wrong (clock skew)"]);
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
