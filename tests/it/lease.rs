//! Two who fail over at the same time: within one namespace the second is refused, in two both go on; and what is left of
//! one that was killed is taken.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{ACCOUNT, CLAIMS, Cluster, Running, SYSTEM, bare, full};
use practice_cluster::Options;
use practice_cluster::store::{ChangeKind, Key, Preconditions};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The namespace's Lease.
fn lease(cluster: &Cluster, namespace: &str) -> Value {
    let lease = cluster.get("leases", namespace, "kubectl-synxdb");
    (*lease.unwrap_or_else(|| panic!("there is no Lease in {namespace}"))).clone()
}

fn slow(seconds: f64) -> Cluster {
    Cluster::start(Options { replaced_pod_ready_seconds: Some(seconds), ..bare("slow-start") })
}

/// A failover under way, at the point where it waits for the new pod.
fn under_way(cluster: &Cluster, target: &str) -> Running {
    let mut running = Running::start(cluster.plugin(&["failover", target, "--yes"]));
    running.until_warns("containers with unready status");
    running
}

#[test]
fn of_two_in_one_namespace_the_second_is_refused() {
    let cluster = slow(8.0);
    let first = under_way(&cluster, "safekeeper-0");
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
    // --yes is no answer to what is of high risk.
    let allowed =
        ["failover", "pageserver-0", "--keep-pvc", "--allow", "concurrent-failover", "--allow", "second-storage"];
    let ran = cluster.run(&[&allowed[..], &["--yes"]].concat()).exits(4).silent();
    ran.warns(&["--confirm pageserver-0", "High risk"]);
    let writes = cluster.writes();
    assert!(writes.iter().all(|write| write.contains("/leases/")), "{writes:#?}");

    // Both go on, where that is insisted on; the Lease stays the first one's.
    let ran = cluster.run(&[&allowed[..], &["--confirm", "pageserver-0"]].concat()).exits(0);
    ran.says(&["Recovered: "]).warns(&["goes on without the Lease", "another failover is under way"]);
    assert_ne!(cluster.pod_uid(SYSTEM, "pageserver-0"), other);
    first.end().exits(0).says(&["Recovered: "]);
    assert_eq!(lease(&cluster, SYSTEM)["spec"]["holderIdentity"], Value::Null);
    // It was given back: the next one waits for nothing.
    let ran = cluster.run(&["failover", "pageserver-0", "--keep-pvc", "--yes", "--anew"]).exits(0);
    ran.warns(&["pass no other failover in progress in namespace synxdb-system"]);
}

/// One who waits at the prompt has the answer of a moment ago.
#[test]
fn one_that_began_while_it_asked_is_found_out() {
    let cluster = slow(6.0);
    let mut terminal = crate::support::terminal::Terminal::start(cluster.plugin(&["failover", "pageserver-0"]));
    terminal.expect("Fail over synxdb-system/pageserver-0?");
    let first = under_way(&cluster, "safekeeper-0");
    let before = (cluster.pod_uid(SYSTEM, "pageserver-0"), cluster.claims_of(SYSTEM, "pageserver-0"));
    terminal.send("y\r");
    let left = terminal.end();
    assert_eq!(left.code, 4, "{}", left.text);
    for words in ["another failover is in progress in namespace synxdb-system: failover ", "nothing was changed"] {
        assert!(left.text.contains(words), "no {words:?}\n{}", left.text);
    }
    assert_eq!((cluster.pod_uid(SYSTEM, "pageserver-0"), cluster.claims_of(SYSTEM, "pageserver-0")), before);
    first.end().exits(0);
}

/// An account's does not keep the system's away, nor another account's: it is told.
#[test]
fn of_two_namespaces_both_recover() {
    let options = Options { replaced_pod_ready_seconds: Some(5.0), ..full("slow-start") };
    let cluster = Cluster::start(options);
    let mut account = Running::start(cluster.plugin(&["failover", "wh9527-0", "--yes"]));
    account.until_warns("containers with unready status");
    let system = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"])).end().exits(0);
    let told = format!("warn another failover is in progress in namespace {ACCOUNT}: failover ");
    system.says(&["Recovered: "]).warns(&[&told, "pass no other failover in progress in namespace synxdb-system"]);
    account.end().exits(0).says(&["Recovered: "]);
}

/// The one that was killed has the Lease for ten seconds more; that its process is no more shows at once.
#[test]
fn what_a_killed_one_held_is_taken_at_once() {
    let cluster = slow(6.0);
    let first = under_way(&cluster, "safekeeper-0");
    first.signal(Signal::KILL);
    assert_eq!(first.end().code, None);
    let left = lease(&cluster, SYSTEM);
    let holder = left["spec"]["holderIdentity"].as_str().unwrap();
    let id = holder.split(' ').nth(1).unwrap();

    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered: "]);
    let ran = ran.warns(&[&format!("resuming failover {id}"), &format!("the last was {holder}")]);
    assert!(!ran.err.contains("waits "), "{}", ran.shown());
    assert_eq!(lease(&cluster, SYSTEM)["spec"]["leaseTransitions"], 1);
}

/// On another machine it is not known to be gone: the same failover waits for it, and another one does not begin.
#[test]
fn what_was_killed_on_another_machine_is_waited_for() {
    let cluster = slow(6.0);
    let first = under_way(&cluster, "safekeeper-0");
    first.signal(Signal::KILL);
    assert_eq!(first.end().code, None);
    let key = Key::new("leases", SYSTEM, "kubectl-synxdb");
    let elsewhere = |lease: &mut Value| {
        let annotation = lease["metadata"]["annotations"]["kubectl-synxdb/holder"].as_str().unwrap();
        let mut holder: Value = serde_json::from_str(annotation).unwrap();
        let here = holder["host"].as_str().unwrap().to_owned();
        holder["host"] = json!("elsewhere");
        lease["metadata"]["annotations"]["kubectl-synxdb/holder"] = json!(holder.to_string());
        let identity = lease["spec"]["holderIdentity"].as_str().unwrap();
        lease["spec"]["holderIdentity"] = json!(identity.replace(&format!(" at {here}/"), " at elsewhere/"));
        // Its clock is ahead, as two clocks may be; one that is further ahead says nothing (tests/forged.rs).
        let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(4);
        lease["spec"]["renewTime"] = json!(format!("{ahead:.6}"));
        Ok(())
    };
    cluster.store().update(&key, &Preconditions::default(), false, elsewhere).unwrap();
    let ahead = "last renewed just now by a clock that is ahead of ours";
    cluster.run(&["failover", "pageserver-0", "--yes"]).exits(4).silent().warns(&[ahead]);
    let ran = cluster.run(&["failover", "safekeeper-0", "--yes"]).exits(0).says(&["Recovered: "]);
    ran.warns(&[
        "an earlier run of this failover may be in progress: ",
        "waits 10 s for its end: failover ",
        " at elsewhere/",
    ]);
}

/// Somebody took it although it was renewed: no further change is made, and what was begun can be finished.
#[test]
fn one_that_lost_it_stops_before_the_next_change() {
    let cluster = Cluster::start(bare("stuck-claim"));
    let since = cluster.store().version();
    let claim = cluster.claims_of(SYSTEM, "safekeeper-0").into_keys().next().unwrap();
    let running = Running::start(cluster.plugin(&["failover", "safekeeper-0", "--yes"]));
    // The replacement waits for a claim that is no more, and would be deleted once more after three seconds.
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
    let ran = ran.says(&["Failed: nothing further is changed", "was taken: bob, by hand", "pod safekeeper-0 deleted"]);
    let trapped = cluster.pod_uid(SYSTEM, "safekeeper-0");

    // Bob goes, and the same command finishes it.
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
