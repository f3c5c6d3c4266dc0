//! Claims: several of one pod, one of several pods, and a disk that has the only copy.

use crate::member::Before;
use crate::world::{AwaitIn, World, named, stays_ready};
use kube::api::DeleteParams;
use serde_json::json;

#[test]
fn both_claims_of_a_pod_are_replaced_and_both_volumes_retained() {
    let world = World::shared();
    let account = world.account("two-claims", |objects| {
        let set = objects.set("wh9527");
        set["spec"]["volumeClaimTemplates"].as_array_mut().unwrap().push(json!({
            "metadata": {"name": "spill"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }));
        let mounts = &mut set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
        mounts.as_array_mut().unwrap().push(json!({"name": "spill", "mountPath": "/spill"}));
    });
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    assert_eq!(before.claims.keys().collect::<Vec<_>>(), ["data-wh9527-0", "spill-wh9527-0"]);
    let other = Before::of(&world, &account.namespace, "wh9527-1");
    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    for claim in before.claims.values() {
        ran.clone().says(&[&claim.uid, &format!("old volume {} retained", claim.volume)]);
    }
    before.is_recovered();
    other.is_unchanged();
}

/// A claim that another pod mounts stays Terminating as long as that pod exists: nothing is started.
#[test]
fn a_claim_that_a_second_pod_mounts_is_not_deleted() {
    let world = World::shared();
    let account = world.account("held-claim", |_| {});
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    world.create(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "inspector", "namespace": account.namespace},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "pause", "image": "synxdb/pause:4.0.0", "imagePullPolicy": "IfNotPresent",
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-wh9527-0"}}],
        },
    }));
    world.until(&account.pods(), named("inspector"), "the second pod runs", |pods| {
        pods.get("inspector").is_some_and(stays_ready)
    });

    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(4).silent();
    ran.clone().warns(&["claim data-wh9527-0 is also mounted by inspector", "--keep-pvc"]);
    before.is_unchanged();

    // Without the second pod, nothing blocks it.
    account.pods().delete("inspector", &DeleteParams::default()).await_in(&world).unwrap();
    world.until(&account.pods(), named("inspector"), "the second pod is gone", |pods| pods.is_empty());
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_recovered();
}
