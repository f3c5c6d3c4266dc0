//! What blocks a failover: settings of other users on the pod and its claims, reported with the numbers.

use crate::member::Before;
use crate::world::{AwaitIn, World, named};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

/// A deletion bypasses budgets, but a failover respects them.
#[test]
fn a_budget_that_allows_no_disruption_blocks() {
    let world = World::shared();
    let account = world.account("budget", |_| {});
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let budgets: Api<PodDisruptionBudget> = world.within(&account.namespace);
    world.create(&json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "warehouse", "namespace": account.namespace},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": "wh9527"}}},
    }));
    world.until(&budgets, named("warehouse"), "the budget has counted both nodes", |all| {
        let status = all.get("warehouse").and_then(|budget| budget.status.as_ref());
        status.is_some_and(|status| status.current_healthy == Some(2))
    });

    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(4).silent();
    ran.warns(&[
        "PodDisruptionBudget warehouse allows 0 disruptions (2 of 2 healthy, 2 wanted)",
        "--allow disruption-budget overrides this check",
    ]);
    before.is_unchanged();
    // It applies to no other pod: the proxy does not match.
    account.run(&["failover", "cloudberry-proxy-0", "--dry-run"]).exits(0);

    let all_the_same = ["failover", "wh9527-0", "--allow", "disruption-budget", "--confirm", "wh9527-0"];
    let ran = account.run(&all_the_same).exits(0).says(&["Recovered: wh9527-0"]);
    ran.warns(&["(overridden by --allow disruption-budget)", "High risk"]);
    before.is_recovered();
}

/// A claim with a foreign finalizer would stay Terminating, and get no successor.
#[test]
fn a_foreign_finalizer_blocks_before_the_deletion() {
    let world = World::shared();
    let account = world.account("finalizer", |_| {});
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    let claims: Api<PersistentVolumeClaim> = account.claims();
    let set = |finalizers: Value| {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        claims.patch("data-wh9527-0", &PatchParams::default(), &patch).await_in(&world).unwrap();
    };
    let own = "kubernetes.io/pvc-protection";
    set(json!([own, "e2e.synxdb.io/hold"]));
    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(4).silent();
    ran.warns(&[
        "claim data-wh9527-0 has the finalizer e2e.synxdb.io/hold: it would stay Terminating until the owner removes it",
        "--allow foreign-finalizer overrides this check",
    ]);
    before.is_unchanged();

    set(json!([own]));
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}
