//! The plugin is killed (SIGKILL) at each of its changes in turn, before and after the response. The same command then
//! resumes it under the same ID, or finds that it is finished.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, CLAIMS, Cluster, LIMIT, Ran, Running, SYSTEM, VOLUMES, bare, full, uid};
use practice_cluster::api::faults::{Fault, Processed, Rule};
use practice_cluster::{Options, ReplacedPods};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LEASES: &str = "leases";

/// The member, and its name on the command line.
#[derive(Clone, Copy)]
struct Target {
    namespace: &'static str,
    pod: &'static str,
    named: &'static str,
}

/// A member before its failover.
struct Before {
    uid: String,
    /// Name and UID.
    claims: BTreeMap<String, String>,
    volumes: Vec<String>,
}

impl Target {
    fn before(self, cluster: &Cluster) -> Before {
        let claims = cluster.claims_of(self.namespace, self.pod);
        let volumes = claims.keys().map(|claim| cluster.volume_of(self.namespace, claim)).collect();
        Before { uid: cluster.pod_uid(self.namespace, self.pod), claims, volumes }
    }

    fn command(self) -> [&'static str; 5] {
        ["failover", self.named, "--yes", "-o", "json"]
    }

    fn pod_now(self, cluster: &Cluster) -> Option<String> {
        cluster.get("pods", self.namespace, self.pod).map(|pod| uid(&pod).to_owned())
    }

    /// Returns the number of changes of an undisturbed failover.
    fn changes(self, cluster: &Cluster) -> u64 {
        let mut words = cluster.sandbox().faults().mutations();
        let counted = std::thread::spawn(move || {
            let mut count = 0;
            while let Some(word) = words.blocking_recv() {
                count += u64::from(word.mutation.resource != LEASES);
            }
            count
        });
        // The pod was failed over a moment ago: this is intended.
        cluster.run(&[&self.command()[..], &["--start-over"]].concat()).exits(0);
        // Another listener replaces the first one, which stops with it.
        drop(cluster.sandbox().faults().mutations());
        counted.join().unwrap()
    }
}

/// Runs a failover until its n-th change, and kills it there.
fn killed_at(cluster: &Cluster, target: Target, n: u64, answered: bool) -> Ran {
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&[&target.command()[..], &["--start-over"]].concat()));
    for _ in 1..n {
        drop(next(cluster, &mut words));
    }
    let word = next(cluster, &mut words);
    let held = if answered {
        cluster.block_on(word.answered());
        None
    } else {
        Some(word)
    };
    running.signal(Signal::KILL);
    let ran = running.end();
    // Only now may the server continue.
    drop(held);
    ran
}

/// Returns the next change of the failover; Lease renewals depend on the clock.
fn next(cluster: &Cluster, words: &mut tokio::sync::mpsc::UnboundedReceiver<Processed>) -> Processed {
    cluster.block_on(async {
        loop {
            let word = tokio::time::timeout(LIMIT, words.recv()).await.expect("a change in time").unwrap();
            if word.mutation.resource != LEASES {
                return word;
            }
        }
    })
}

/// Whether every volume's record shows that the failover with this ID is finished.
fn is_finished(cluster: &Cluster, before: &Before, id: &Value) -> bool {
    before.volumes.iter().all(|volume| says_recovered(cluster, volume, id))
}

fn says_recovered(cluster: &Cluster, volume: &str, id: &Value) -> bool {
    record(cluster, volume, id).is_some_and(|record| record["outcome"] == "recovered")
}

fn record(cluster: &Cluster, volume: &str, id: &Value) -> Option<Value> {
    let volume = cluster.get(VOLUMES, "", volume).unwrap_or_else(|| panic!("volume {volume} is gone"));
    let annotations = volume["metadata"]["annotations"].as_object()?;
    let records = annotations.iter().filter(|(key, _)| key.starts_with("kubectl-synxdb/"));
    let mut records = records.filter_map(|(_, text)| serde_json::from_str::<Value>(text.as_str()?).ok());
    records.find(|record| record["id"] == *id)
}

fn killed_and_resumed(cluster: &Cluster, target: Target, n: u64, answered: bool) {
    let before = target.before(cluster);
    let killed = killed_at(cluster, target, n, answered);
    let what = format!("killed at change {n}, answered: {answered}\n{}", killed.shown());
    let id = killed.json_lines()[0]["id"].clone();
    let finished = is_finished(cluster, &before, &id);
    let successor = target.pod_now(cluster).filter(|uid| *uid != before.uid);

    let again = cluster.run(&target.command());
    let what = format!("{what}\n{}", again.shown());
    let lines = again.json_lines();
    let result = lines.last().unwrap();
    if finished {
        // Only the final message was missing: the run may report that it is finished, or count as the next failover.
        let is_said = again.code == Some(4) && unwrapped(result).contains("recovered");
        let is_done_again = again.code == Some(0) && result["id"] != id;
        assert!(is_said || is_done_again, "{what}");
        return;
    }
    assert_eq!((again.code, &result["outcome"], &result["id"]), (Some(0), &json!("recovered"), &id), "{what}");
    assert_eq!(result["oldUid"], before.uid, "{what}");
    assert!(is_finished(cluster, &before, &id), "the record is not finished\n{what}");
    // A pod that was already back is not replaced again.
    let now = target.pod_now(cluster).unwrap();
    assert!(now != before.uid && successor.is_none_or(|successor| successor == now), "{what}");
    for (claim, old) in cluster.claims_of(target.namespace, target.pod) {
        assert_ne!(before.claims[&claim], old, "{what}");
        let claim = cluster.get(CLAIMS, target.namespace, &claim).unwrap();
        assert_eq!(claim["status"]["phase"], "Bound", "{what}");
    }
    for volume in &before.volumes {
        let volume = cluster.get(VOLUMES, "", volume).unwrap();
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain", "{what}");
    }
}

fn unwrapped(value: &Value) -> String {
    crate::support::unwrapped(&value.to_string())
}

/// Kills it before each response and, in parallel on another cluster, after each.
fn at_each_change(options: &Options, target: Target) {
    let one_way = |answered| {
        let cluster = Cluster::start(options.clone());
        let changes = target.changes(&cluster);
        assert!(changes >= 4, "volume, claim, pod and record: {changes}");
        for n in 1..=changes {
            killed_and_resumed(&cluster, target, n, answered);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(false));
        one_way(true);
    });
}

#[test]
fn a_pageserver_with_two_claims() {
    at_each_change(&bare("healthy"), Target { namespace: SYSTEM, pod: "pageserver-0", named: "pageserver-0" });
}

#[test]
fn a_proxy_with_its_databases() {
    let named = "cloud007/cloudberry-proxy-0";
    at_each_change(&full("healthy"), Target { namespace: ACCOUNT, pod: "cloudberry-proxy-0", named });
}

/// A run that is killed before its end is on record is run again, and looks for the row that was written first.
#[test]
fn the_canary_table_exists_until_the_end_is_on_record() {
    let cluster = Cluster::start(full("healthy"));
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&["failover", "wh9527-0", "--yes"]));
    // The volume is retained, and at the end its record is finished.
    let mut patches = 0;
    let finished = loop {
        let word = next(&cluster, &mut words);
        patches += usize::from(word.mutation.resource == VOLUMES);
        if patches == 2 {
            break word;
        }
    };
    assert_eq!(canaries(&cluster).len(), 1);
    drop((finished, words));
    running.end().exits(0).says(&["Recovered: wh9527-0", ", canary table"]);
    assert_eq!(canaries(&cluster), Vec::<String>::new());
}

/// Returns the schemas of canary tables in the database that answers for the account.
fn canaries(cluster: &Cluster) -> Vec<String> {
    let names = "select nspname::text from pg_namespace where nspname like 'kubectl_synxdb%'";
    cluster.query((ACCOUNT, "cloudberry-proxy-0"), "postgres", names)
}

/// If nothing was changed, no later run will look for the row, so it is not left behind.
#[test]
fn the_canary_table_of_a_run_that_changed_nothing_is_dropped() {
    let cluster = Cluster::start(full("healthy"));
    let refuse = Fault::Refuse { code: 403, retry_after: None };
    cluster.sandbox().faults().add(Rule::on("patch", VOLUMES, refuse).real());
    let ran = cluster.run(&["failover", "wh9527-0", "--yes"]);
    assert!(ran.code != Some(0) && !ran.out.contains("Done so far"), "{}", ran.shown());
    assert!(!ran.shown().contains("was not dropped") && !ran.shown().contains("is kept for"), "{}", ran.shown());
    assert_eq!(canaries(&cluster), Vec::<String>::new(), "{}", ran.shown());
}

/// If something was changed, the resuming run looks for the row that the first one wrote: one written on the new disk
/// would prove nothing.
#[test]
fn the_canary_table_of_an_interrupted_run_is_kept_for_the_resumed_run() {
    let cluster = Cluster::start(full("healthy"));
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&["failover", "wh9527-0", "--yes"]));
    let retained = next(&cluster, &mut words);
    assert_eq!(retained.mutation.resource, VOLUMES);
    running.signal(Signal::INT);
    drop((retained, words));
    let ran = running.end().exits(130).says(&["Done so far:", "retained"]);
    let [schema] = canaries(&cluster).try_into().unwrap();
    let ran = ran.warns(&[&format!("schema {schema} is kept for the resumed run")]);
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).chain(["--yes"]).collect();
    cluster.run(&resume).exits(0).says(&["Recovered: wh9527-0", ", canary table"]);
    assert_eq!(canaries(&cluster), Vec::<String>::new());
}

/// The same for a run that timed out.
#[test]
fn the_canary_table_of_a_run_that_timed_out_is_kept_for_the_resumed_run() {
    let cluster = Cluster::start(full("healthy"));
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let late = cluster.run(&["failover", "wh9527-0", "--yes", "--timeout", "10s"]).exits(6);
    // The proxy answers no more: its node is gone.
    let late = late.warns(&["is kept for the resumed run"]);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let resume = late.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).chain(["--yes"]).collect();
    cluster.run(&resume).exits(0).says(&["Recovered: wh9527-0", ", canary table"]);
    assert_eq!(canaries(&cluster), Vec::<String>::new());
}

/// The same for a run that resumed and only had to wait: the next one looks for the row, too.
#[test]
fn the_canary_table_is_kept_by_each_unfinished_run() {
    let cluster = Cluster::start(full("healthy"));
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&["failover", "wh9527-0", "--yes", "--settle", "10m"]));
    // The volume, the claim, the pod: only waiting is left.
    for _ in 0..3 {
        cluster.block_on(next(&cluster, &mut words).answered());
    }
    running.signal(Signal::INT);
    let ran = running.end().exits(130).warns(&["is kept for the resumed run"]);
    drop(words);
    let [schema] = canaries(&cluster).try_into().unwrap();
    let resume = ran.resume();
    let again = |more: &[&'static str]| -> Vec<&str> {
        resume.iter().map(String::as_str).chain(["--yes"]).chain(more.iter().copied()).collect()
    };
    let late = cluster.run(&again(&["--settle", "10m", "--timeout", "1s"])).exits(6);
    late.warns(&[&format!("schema {schema} is kept for the resumed run")]);
    assert_eq!(canaries(&cluster), [schema]);
    cluster.run(&again(&[])).exits(0).says(&["Recovered: wh9527-0", ", canary table"]);
    assert_eq!(canaries(&cluster), Vec::<String>::new());
}

/// A run is killed before it deletes anything, and abandoned for a new one: the end of the new one also drops the first
/// one's table.
#[test]
fn the_canary_table_of_an_abandoned_run_is_dropped() {
    let cluster = Cluster::start(full("healthy"));
    let mut words = cluster.sandbox().faults().mutations();
    let running = Running::start(cluster.plugin(&["failover", "wh9527-0", "--yes"]));
    // The volume is retained and has the record, but no claim is deleted yet.
    let retained = next(&cluster, &mut words);
    cluster.block_on(retained.answered());
    let deletes = next(&cluster, &mut words);
    running.signal(Signal::KILL);
    drop(running.end());
    drop((deletes, words));
    assert_eq!(canaries(&cluster).len(), 1);
    cluster.run(&["failover", "wh9527-0", "--yes", "--start-over"]).exits(0).says(&["Recovered: wh9527-0"]);
    assert_eq!(canaries(&cluster), Vec::<String>::new());
}
