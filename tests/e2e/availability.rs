//! Outages of databases while a component is replaced, as their users see them.

use crate::member::all_the_same;
use crate::support::Ran;
use crate::world::{ACCOUNT, AwaitIn, Rule, SYSTEM, World, named, stays_ready};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

const PROXY: &str = "cloudberry-proxy-0";
/// How often the plugin probes a database.
const PACE: Duration = Duration::from_millis(200);

/// Returns what was measured of a database.
#[track_caller]
fn reach(ran: &Ran, namespace: &str) -> Value {
    let result = ran.json_lines().pop().unwrap();
    let rows = result["availability"].as_array().unwrap_or_else(|| panic!("{}", ran.shown()));
    let row = rows.iter().find(|row| row["namespace"] == namespace);
    row.unwrap_or_else(|| panic!("nothing of {namespace}\n{}", ran.shown())).clone()
}

#[track_caller]
fn stayed(row: &Value) {
    assert!(row["attempts"].as_u64().unwrap() > 0 && row["attempts"] == row["answered"], "{row:#}");
    assert_eq!((&row["longestOutageMs"], &row["unexpectedOutage"]), (&Value::Null, &json!(false)), "{row:#}");
}

#[track_caller]
fn away_and_back(row: &Value) {
    let number = |field: &str| row[field].as_u64().unwrap_or_else(|| panic!("{field}: {row:#}"));
    assert!(number("answered") > 0 && number("answered") < number("attempts"), "{row:#}");
    assert!(number("longestOutageMs") > 0 && number("firstFailureMs") < number("firstSuccessAfterMs"), "{row:#}");
    assert_eq!((&row["stillUnavailable"], &row["unexpectedOutage"]), (&json!(false), &json!(false)), "{row:#}");
}

#[test]
fn databases_stay_reachable_while_a_safekeeper_is_replaced() {
    let world = World::alone();
    let failover = ["failover", "safekeeper-0", "--yes", "-o", "json"];
    let ran = world.run(&[&failover, &all_the_same("safekeeper-0")[..]].concat()).exits(0);
    for namespace in [SYSTEM, ACCOUNT] {
        let row = reach(&ran, namespace);
        stayed(&row);
        assert_eq!(row["expected"], "noInterruption");
    }
}

#[test]
fn a_proxy_is_away_for_a_while_and_nothing_else_is() {
    let world = World::alone();
    let ran = world.run(&["failover", "synxdb-system/cloudberry-proxy-0", "--yes", "-o", "json"]).exits(0);
    away_and_back(&reach(&ran, SYSTEM));
    stayed(&reach(&ran, ACCOUNT));
    let account = world.account("away", |_| {});
    let ran = account.run(&["failover", PROXY, "--yes", "-o", "json"]).exits(0);
    away_and_back(&reach(&ran, &account.namespace));
    assert_eq!(ran.json_lines().pop().unwrap()["availability"].as_array().unwrap().len(), 1);
}

/// A system pod that terminates only when this is dropped.
struct Held<'w>(&'w World, &'static str);

impl<'w> Held<'w> {
    fn new(world: &'w World, pod: &'static str) -> Self {
        let held = Self(world, pod);
        held.set(&json!(["e2e.synxdb.io/hold"]));
        held
    }

    fn set(&self, finalizers: &Value) {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let pods = self.0.within::<Pod>(SYSTEM);
        pods.patch(self.1, &PatchParams::default(), &patch).await_in(self.0).unwrap();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.set(&Value::Null);
    }
}

/// Another user deletes an account's proxy, which the product does not announce for a safekeeper.
#[test]
fn an_unexpected_interruption_is_a_finding() {
    let world = World::alone();
    let (system, account) = (world.within::<Pod>(SYSTEM), world.within::<Pod>(ACCOUNT));
    let held = Held::new(&world, "safekeeper-1");
    let failover = ["failover", "safekeeper-1", "--allow", "foreign-finalizer", "-o", "json", "-v", "6"];
    let failover = [&failover, &all_the_same("safekeeper-1")[..]].concat();
    let mut running = world.start_command(world.plugin(&failover));
    // The first probe has an answer once others follow: at most one is in flight, over two tunnels at most.
    running.until_warns_times(&format!("/namespaces/{ACCOUNT}/pods/{PROXY}/portforward"), 4);
    world.until(&system, named("safekeeper-1"), "the old safekeeper is being deleted", |pods| {
        pods.get("safekeeper-1").is_some_and(|pod| pod.metadata.deletion_timestamp.is_some())
    });
    let old = world.pod(ACCOUNT, PROXY).metadata.uid;
    let sets = world.within::<StatefulSet>(ACCOUNT);
    let scale = |replicas: i32| {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        sets.patch("cloudberry-proxy", &PatchParams::default(), &patch).await_in(&world).unwrap();
    };
    scale(0);
    account.delete(PROXY, &DeleteParams::default().grace_period(0)).await_in(&world).unwrap();
    // It stays away until this client has failed ten times: the plugin probes as often.
    for _ in 0..10 {
        assert!(account.portforward(PROXY, &[5432]).await_in(&world).is_err(), "a set of no replicas has a pod");
        std::thread::sleep(PACE);
    }
    scale(1);
    world.until(&account, named(PROXY), "the proxy is Ready again", |pods| {
        pods.get(PROXY).is_some_and(|pod| pod.metadata.uid != old && stays_ready(pod))
    });
    drop(held);
    let ran = running.end().exits(0);
    let row = reach(&ran, ACCOUNT);
    assert_eq!((&row["unexpectedOutage"], &row["answeredBefore"]), (&json!(true), &json!(true)), "{row:#}");
    assert!(row["longestOutageMs"].as_u64().unwrap() > 0 && row["firstSuccessAfterMs"].is_u64(), "{row:#}");
    stayed(&reach(&ran, SYSTEM));
}

/// A database that may not be probed is not measured: neither an error nor a pass.
#[test]
fn without_permission_to_probe_nothing_is_measured() {
    let world = World::alone();
    let read = &["get", "list", "watch"];
    let cluster = |resources, verbs| Rule { namespace: None, resources, verbs };
    let system = |resources, verbs| Rule { namespace: Some(SYSTEM), resources, verbs };
    let mut rules = vec![
        cluster(&["namespaces", "nodes", "persistentvolumes"], read),
        cluster(&["persistentvolumes"], &["patch"]),
        system(&["pods", "persistentvolumeclaims", "statefulsets.apps", "events"], read),
        system(&["pods", "persistentvolumeclaims"], &["delete"]),
        system(&["pods/portforward"], &["get", "create"]),
        system(&["leases.coordination.k8s.io"], &["get", "create", "update"]),
    ];
    let run = |user: &crate::world::User<'_>| {
        let failover = ["failover", "synxdb-system/safekeeper-2", "--start-over", "--yes", "-o", "json"];
        let mut command = world.plugin(&[&failover, &all_the_same("safekeeper-2")[..]].concat());
        command.env("KUBECONFIG", &user.kubeconfig);
        world.start_command(command).end().exits(0)
    };
    let ran = run(&world.user(SYSTEM, &rules));
    stayed(&reach(&ran, SYSTEM));
    let row = reach(&ran, ACCOUNT);
    assert_eq!(
        (&row["attempts"], &row["pod"], &row["unexpectedOutage"]),
        (&json!(0), &Value::Null, &json!(false)),
        "{row:#}"
    );
    assert!(
        row["notMeasuredReason"].as_str().unwrap().starts_with("its pods cannot be read: pods is forbidden"),
        "{row:#}"
    );

    // The user may read them, but not probe them yet.
    rules.push(cluster(&["pods", "persistentvolumeclaims", "statefulsets.apps"], &["list"]));
    let ran = run(&world.user(SYSTEM, &rules));
    stayed(&reach(&ran, SYSTEM));
    let row = reach(&ran, ACCOUNT);
    let why = format!("missing permission: create pods/portforward in {ACCOUNT}");
    assert_eq!((&row["pod"], &row["notMeasuredReason"]), (&json!(PROXY), &json!(why)), "{row:#}");
}
