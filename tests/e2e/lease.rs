//! One failover at a time in a namespace: the Lease on a real API server.

use crate::member::Before;
use crate::support::Ran;
use crate::world::{Account, World, named};
use k8s_openapi::api::coordination::v1::Lease;
use rustix::process::Signal;
use serde_json::json;

const LEASE: &str = "kubectl-synxdb";

/// Returns the holder of the namespace's Lease.
fn holder(account: &Account<'_>) -> Option<String> {
    account.world.get(&account.world.within::<Lease>(&account.namespace), LEASE)?.spec?.holder_identity
}

fn id(ran: &Ran) -> String {
    let lines = ran.json_lines();
    lines.last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_failover_is_blocked_and_a_killed_ones_lease_is_taken_over() {
    let world = World::shared();
    // A new pod starts slowly, so that the first failover is still running when the second is blocked.
    let account = world.account("lease", |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["replicas"] = json!(1);
        spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
        spec["template"]["spec"]["containers"][0]["readinessProbe"]["initialDelaySeconds"] = json!(10);
    });
    let namespace = account.namespace.as_str();
    let (node, proxy) =
        (Before::of(&world, namespace, "wh9527-0"), Before::of(&world, namespace, "cloudberry-proxy-0"));

    let first = world.start_command(account.plugin(&["failover", "wh9527-0", "--yes"]));
    let leases = world.within::<Lease>(namespace);
    world.until(&leases, named(LEASE), "the first one holds the Lease", |all| {
        all.get(LEASE).and_then(|lease| lease.spec.as_ref()?.holder_identity.as_ref()).is_some()
    });
    let held = holder(&account).unwrap();
    assert!(held.starts_with("failover ") && held.contains(" of wh9527-0 by "), "{held}");
    let words = format!("another failover is in progress in namespace {namespace}: {held}, last renewed");
    let ran = account.run(&["failover", "cloudberry-proxy-0", "--yes"]).exits(4).silent();
    ran.warns(&[&words, "--allow concurrent-failover overrides this check"]);
    proxy.is_unchanged();

    // A killed run does not release it, but its process is known to be gone here.
    world.until(&account.pods(), named("wh9527-0"), "the old pod goes", |pods| {
        let old = pods.get("wh9527-0").filter(|pod| pod.metadata.uid.as_ref() == Some(&node.uid));
        old.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some())
    });
    first.signal(Signal::KILL);
    assert_eq!(first.end().code, None);
    assert_eq!(holder(&account), Some(held.clone()));
    let ran = account.run(&["failover", "wh9527-0", "--yes", "-o", "json"]).exits(0);
    assert!(held.starts_with(&format!("failover {} of ", id(&ran))), "it is another one: {held}\n{}", ran.shown());
    assert!(!ran.err.contains("waiting "), "{}", ran.shown());
    node.is_recovered();
    assert_eq!(holder(&account), None);
}
