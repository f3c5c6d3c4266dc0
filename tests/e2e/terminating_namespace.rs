//! An account whose namespace is terminating, and cannot be removed yet.

use crate::member::Before;
use crate::world::{ACCOUNT, AwaitIn, World, named};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

const HELD: &str = "held";

/// An object in a namespace with a finalizer; dropping this removes it, even if the case failed.
struct Held<'w>(&'w World, Api<ConfigMap>);

impl<'w> Held<'w> {
    fn within(world: &'w World, namespace: &str) -> Self {
        world.create(&json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": HELD, "namespace": namespace, "finalizers": ["kubectl-synxdb/held-by-a-test"]}}));
        Self(world, world.within(namespace))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let _ = self.1.patch(HELD, &PatchParams::default(), &free).await_in(self.0);
    }
}

/// If the namespace is not named, it is not judged, but still listed; if it is named, it is shown as terminating, and
/// no operation starts in it.
#[test]
fn a_terminating_account_is_not_judged_and_not_hidden() {
    let world = World::alone();
    let account = world.account("going", |_| {});
    let name = account.namespace.as_str();
    let before = Before::of(&world, ACCOUNT, "wh9527-0");
    let held = Held::within(&world, name);
    let namespaces: Api<Namespace> = world.cluster_wide();
    namespaces.delete(name, &DeleteParams::default()).await_in(&world).unwrap();
    // The reason to judge it: the set exists, but has no pod.
    world.until(&account.pods(), Default::default(), "its pods are gone", |pods| pods.is_empty());
    world.until(&namespaces, named(name), "it stays as long as something in it does", |all| {
        all[name].status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Terminating")
    });

    let said = format!("namespace {name} is skipped (terminating)");
    let ran = world.run(&["status"]).exits(0).says(&[&said]);
    assert!(ran.out.starts_with("SynxDB is healthy: 10 of 10 pods ready"), "{}", ran.shown());
    let status = world.run(&["status", "-A", "-o", "json"]).exits(0).json();
    assert_eq!(status["skippedNamespaces"], json!([{"namespace": name, "reason": said}]));
    assert_eq!(status["namespaces"].as_array().unwrap().len(), 3);

    let ran = world.run(&["verify", "--read-only"]).exits(0).says(&[&said]);
    assert!(ran.out.starts_with("Verified: "), "{}", ran.shown());
    let report = world.run(&["verify", "--read-only", "-A", "-o", "json"]).exits(0).json();
    let of_it = |check: &&Value| check["namespace"] == json!(name);
    let checks: Vec<&Value> = report["checks"].as_array().unwrap().iter().filter(of_it).collect();
    assert_eq!(checks.len(), 1, "{checks:#?}");
    assert_eq!((&checks[0]["check"], &checks[0]["result"]), (&json!("namespace"), &json!("skipped")));
    assert_eq!(checks[0]["reason"], "skipped (terminating)");

    // Its databases depend on the safekeepers, but are not probed.
    let plan = world.run(&["failover", "safekeeper-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    let probed = plan["probes"]["databases"].as_array().unwrap();
    assert!(!probed.is_empty() && probed.iter().all(|probe| probe["namespace"] != json!(name)), "{probed:#?}");
    let not = plan["probes"]["notMeasured"].as_array().unwrap();
    assert!(not.iter().any(|one| one["namespace"] == json!(name)), "{not:#?}");
    // Of the two members with that name, one is no candidate.
    let plan = world.run(&["failover", "wh9527-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    assert_eq!(plan["target"]["namespace"], ACCOUNT);

    let pod = format!("{name}/wh9527-0");
    let ran = world.run(&["status", "-n", name]).exits(8).says(&[&format!("namespace {name} is being deleted")]);
    assert!(!ran.out.contains("is skipped (terminating)"), "{}", ran.shown());
    for arguments in [&["failover", &pod, "--yes"][..], &["failover", "wh9527-0", "--yes", "-n", name]] {
        let ran = world.run(arguments).exits(4).silent();
        let next = format!("next: kubectl describe namespace {name}");
        ran.warns(&[&format!("error: namespace {name} is being deleted"), "nothing was changed", &next]);
    }
    before.is_unchanged();

    drop(held);
    world.until(&namespaces, named(name), "nothing holds it any more", |all| all.is_empty());
    let ran = world.run(&["status"]).exits(0);
    assert!(!ran.out.contains(name), "{}", ran.shown());
    assert_eq!(world.get::<Pod>(&world.within(name), "wh9527-0"), None);
}
