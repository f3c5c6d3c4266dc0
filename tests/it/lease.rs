//! Concurrent failovers: in the same namespace the second one is blocked, in two namespaces both proceed, and the Lease
//! of a killed run is taken over.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, CLAIMS, Cluster, Running, SYSTEM, bare, full};
use practice_cluster::ReplacedPods;
use practice_cluster::store::{ChangeKind, Key, Preconditions};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Returns the namespace's Lease.
fn lease(cluster: &Cluster, namespace: &str) -> Value {
    let lease = cluster.get("leases", namespace, "kubectl-synxdb");
    (*lease.unwrap_or_else(|| panic!("there is no Lease in {namespace}"))).clone()
}

/// Starts a failover that waits for its new pod, which stays unready; later pods become ready.
fn in_progress(cluster: &Cluster, target: &str) -> Running {
    cluster.replaced_pods(ReplacedPods::StayUnready);
    let mut running = Running::start(cluster.plugin(&["failover", target, "--yes"]));
    running.until_warns("containers with unready status");
    cluster.replaced_pods(ReplacedPods::BecomeReadyFromNowOn);
    running
}

#[test]
fn the_second_of_two_in_a_namespace_is_blocked() {
    let cluster = Cluster::start(bare("healthy"));
    let first = in_progress(&cluster, "safekeeper-0");
    let held = lease(&cluster, SYSTEM);
    let holder = held["spec"]["holderIdentity"].as_str().unwrap();
    let id = holder.strip_prefix("failover ").and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(holder.starts_with(&format!("failover {id} of safekeeper-0 by ")), "{holder}");
    cluster.sandbox().requests().clear();

    let other = cluster.pod_uid(SYSTEM, "pageserver-0");
    let words = ["another failover is in progress in namespace synxdb-system: ", holder, ", last renewed "];
    let ran = cluster.run(&["failover", "pageserver-0", "--yes"]).exits(4).silent();
    ran.warns(&words).warns(&["--allow concurrent-failover overrides this check"]);
    assert_eq!(cluster.pod_uid(SYSTEM, "pageserver-0"), other);
    // --yes does not confirm a high-risk operation.
    let allowed =
        ["failover", "pageserver-0", "--keep-pvc", "--allow", "concurrent-failover", "--allow", "second-storage"];
    let ran = cluster.run(&[&allowed[..], &["--yes"]].concat()).exits(4).silent();
    ran.warns(&["--confirm pageserver-0", "High risk"]);
    let writes = cluster.writes();
    assert!(writes.iter().all(|write| write.contains("/leases/")), "{writes:#?}");

    // With the override, both proceed; the Lease stays with the first one.
    let ran = cluster.run(&[&allowed[..], &["--confirm", "pageserver-0"]].concat()).exits(0);
    ran.says(&["Recovered: "]).warns(&["continuing without the Lease", "another failover is in progress in namespace"]);
    assert_ne!(cluster.pod_uid(SYSTEM, "pageserver-0"), other);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    first.end().exits(0).says(&["Recovered: "]);
    assert_eq!(lease(&cluster, SYSTEM)["spec"]["holderIdentity"], Value::Null);
    // The Lease was released: the next one waits for nothing.
    let ran = cluster.run(&["failover", "pageserver-0", "--keep-pvc", "--yes", "--start-over"]).exits(0);
    ran.warns(&["pass no other failover in progress in namespace synxdb-system"]);
}

/// While a run waits at the prompt, its plan may become stale.
#[test]
fn one_that_started_during_the_prompt_is_noticed() {
    let cluster = Cluster::start(bare("healthy"));
    let mut terminal = crate::support::terminal::Terminal::start(cluster.plugin(&["failover", "pageserver-0"]));
    terminal.expect("Fail over synxdb-system/pageserver-0?");
    let first = in_progress(&cluster, "safekeeper-0");
    let before = (cluster.pod_uid(SYSTEM, "pageserver-0"), cluster.claims_of(SYSTEM, "pageserver-0"));
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 4, "{}", left.text);
    for words in ["another failover is in progress in namespace synxdb-system: failover ", "nothing was changed"] {
        assert!(left.text.contains(words), "no {words:?}\n{}", left.text);
    }
    assert_eq!((cluster.pod_uid(SYSTEM, "pageserver-0"), cluster.claims_of(SYSTEM, "pageserver-0")), before);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    first.end().exits(0);
}

/// An account's failover does not block one in the system namespace or in another account; it is reported.
#[test]
fn two_namespaces_recover_at_the_same_time() {
    let cluster = Cluster::start(full("healthy"));
    let account = in_progress(&cluster, "wh9527-0");
    let system = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"])).end().exits(0);
    let told = format!("warn another failover is in progress in namespace {ACCOUNT}: failover ");
    system.says(&["Recovered: "]).warns(&[&told, "pass no other failover in progress in namespace synxdb-system"]);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    account.end().exits(0).says(&["Recovered: "]);
}

/// A killed run holds the Lease for ten more seconds, but its process is visibly gone at once.
#[test]
fn the_lease_of_a_killed_run_is_taken_over_at_once() {
    let cluster = Cluster::start(bare("healthy"));
    let first = in_progress(&cluster, "safekeeper-0");
    first.signal(Signal::KILL);
    assert_eq!(first.end().code, None);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let left = lease(&cluster, SYSTEM);
    let holder = left["spec"]["holderIdentity"].as_str().unwrap();
    let id = holder.split(' ').nth(1).unwrap();

    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered: "]);
    let ran = ran.warns(&[&format!("resuming failover {id}"), &format!("the last was {holder}")]);
    assert!(!ran.err.contains("for it to expire"), "{}", ran.shown());
    assert_eq!(lease(&cluster, SYSTEM)["spec"]["leaseTransitions"], 1);
}

/// On another machine, this cannot be known: the same failover waits for it, and another one does not start.
#[test]
fn the_lease_of_a_run_killed_on_another_machine_is_waited_for() {
    let cluster = Cluster::start(bare("healthy"));
    let first = in_progress(&cluster, "safekeeper-0");
    first.signal(Signal::KILL);
    assert_eq!(first.end().code, None);
    cluster.replaced_pods(ReplacedPods::BecomeReady);
    let key = Key::new("leases", SYSTEM, "kubectl-synxdb");
    let elsewhere = |lease: &mut Value| {
        let annotation = lease["metadata"]["annotations"]["kubectl-synxdb/holder"].as_str().unwrap();
        let mut holder: Value = serde_json::from_str(annotation).unwrap();
        let here = holder["host"].as_str().unwrap().to_owned();
        holder["host"] = json!("elsewhere");
        lease["metadata"]["annotations"]["kubectl-synxdb/holder"] = json!(holder.to_string());
        let identity = lease["spec"]["holderIdentity"].as_str().unwrap();
        lease["spec"]["holderIdentity"] = json!(identity.replace(&format!(" at {here}/"), " at elsewhere/"));
        // Its clock is ahead, as clocks may be; one that is further ahead is ignored (tests/it/forged.rs).
        let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(4);
        lease["spec"]["renewTime"] = json!(format!("{ahead:.6}"));
        Ok(())
    };
    cluster.store().update(&key, &Preconditions::default(), false, elsewhere).unwrap();
    let ahead = "last renewed just now (its clock is ahead of this machine's)";
    cluster.run(&["failover", "pageserver-0", "--yes"]).exits(4).silent().warns(&[ahead]);
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered: "]);
    ran.warns(&[
        "an earlier run of this failover may be in progress: ",
        "waiting 10 s for it to expire: failover ",
        " at elsewhere/",
    ]);
}

/// The Lease was taken although it was renewed: no further change is made, and the operation can be resumed.
#[test]
fn a_run_that_lost_its_lease_stops_before_the_next_change() {
    let cluster = Cluster::start(bare("stuck-claim"));
    let since = cluster.store().version();
    let claim = cluster.claims_of(SYSTEM, "safekeeper-0").into_keys().next().unwrap();
    let running = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"]));
    // The replacement waits for a deleted claim, and would be deleted again after three seconds.
    cluster.wait_for_change(since, "the claim is gone", |change| {
        change.key == Key::new(CLAIMS, SYSTEM, claim.as_str()) && change.kind == ChangeKind::Deleted
    });
    let key = Key::new("leases", SYSTEM, "kubectl-synxdb");
    let taken = |lease: &mut Value| {
        lease["spec"]["holderIdentity"] = json!("bob, by hand");
        Ok(())
    };
    cluster.store().update(&key, &Preconditions::default(), false, taken).unwrap();
    let ran = running.end().exits(4);
    let ran =
        ran.says(&["Failed: no further changes are made", "was taken over: bob, by hand", "pod safekeeper-0 deleted"]);
    let trapped = cluster.pod_uid(SYSTEM, "safekeeper-0");

    // Bob releases it, and the same command finishes the operation.
    let given_back = |lease: &mut Value| {
        lease["spec"]["holderIdentity"] = Value::Null;
        Ok(())
    };
    cluster.store().update(&key, &Preconditions::default(), false, given_back).unwrap();
    let resume = ran.resume();
    let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
    cluster
        .run(&[&resume[..], &["--yes"]].concat())
        .exits(0)
        .says(&["Recovered: ", "fixed: a new pod was stuck on a deleted claim"]);
    assert_ne!(cluster.pod_uid(SYSTEM, "safekeeper-0"), trapped);
}
