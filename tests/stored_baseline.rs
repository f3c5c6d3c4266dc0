//! The baseline that is stored in the cluster: what a component that is down is compared with once it is back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
mod process;

use common::{ACCOUNT, Cluster, Ran, SYSTEM, full, uid};
use kubectl_synxdb::sandbox::Options;
use kubectl_synxdb::sandbox::store::{DeleteOptions, Key};
use serde_json::Value;

const PROXY: &str = "cloudberry-proxy-0";
const TARGET: &str = "cloud007/cloudberry-proxy-0";

/// The account's databases are on the pods' own volumes, so that a new disk is an empty one, and a pod that comes back
/// takes a while to be Ready.
fn local_disk() -> Cluster {
    let cluster = Cluster::start(Options { replaced_pod_ready_seconds: Some(4.0), ..full("local-disk") });
    let rows = cluster.query((ACCOUNT, PROXY), "test_db", "select count(*)::text from projects");
    assert_eq!(rows, ["3"]);
    cluster
}

/// The ordinary reason to fail over: the pod runs, is not Ready and does not answer.
fn is_down(cluster: &Cluster, namespace: &'static str, pod: &'static str) -> String {
    let since = cluster.store().version();
    let key = Key::new("pods", namespace, pod);
    let old = cluster.store().delete(&key, &DeleteOptions::default()).unwrap().0;
    let change = cluster.wait_for_change(since, "the pod runs again and is not Ready", |change| {
        change.key == key && uid(&change.object) != uid(&old) && change.object["status"]["phase"] == "Running"
    });
    uid(&change.object).to_owned()
}

#[test]
fn what_was_lost_is_found_by_the_stored_baseline() {
    let cluster = local_disk();
    cluster.run(&["verify", "-n", ACCOUNT]).exits(0);
    is_down(&cluster, ACCOUNT, PROXY);
    let ran = cluster.run(&["failover", TARGET, "--yes"]).exits(7);
    ran.says(&["Not recovered: ", "database test_db is missing"]);
}

#[test]
fn without_a_baseline_it_is_not_proven() {
    let cluster = local_disk();
    is_down(&cluster, ACCOUNT, PROXY);
    let ran = cluster.run(&["failover", TARGET, "--yes"]).exits(8).warns(&["no baseline"]);
    ran.says(&["Not proven: ", "no baseline to compare with", "kubectl synxdb verify -n "]);
}
