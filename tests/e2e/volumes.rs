//! Volumes of many kinds: of the pod itself, of other claims, without a class, too small for the recreated claim; and
//! what is reported as retained.

use crate::member::Before;
use crate::world::{Account, AwaitIn, World, named};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

/// The prefix of the annotations in which the plugin writes its records.
const RECORD: &str = "kubectl-synxdb/record-";

fn volume(world: &World, name: &str) -> PersistentVolume {
    world.get(&world.cluster_wide(), name).unwrap_or_else(|| panic!("there is no volume {name}"))
}

/// Returns a volume's reclaim policy, its phase, and the UID of the claim that it is bound to.
fn state(volume: &PersistentVolume) -> (String, String, Option<String>) {
    let spec = volume.spec.clone().unwrap_or_default();
    let phase = volume.status.as_ref().and_then(|status| status.phase.clone());
    let claim = spec.claim_ref.and_then(|reference| reference.uid);
    (spec.persistent_volume_reclaim_policy.unwrap_or_default(), phase.unwrap_or_default(), claim)
}

#[track_caller]
fn becomes(world: &World, name: &str, policy: &str, phase: &str) -> PersistentVolume {
    let what = format!("volume {name} is {policy} and {phase}");
    let seen = world.until(&world.cluster_wide::<PersistentVolume>(), named(name), &what, |all| {
        all.get(name).is_some_and(|volume| {
            let (has, is, _) = state(volume);
            (has.as_str(), is.as_str()) == (policy, phase)
        })
    });
    seen[name].clone()
}

fn claim(account: &Account<'_>, name: &str) -> PersistentVolumeClaim {
    account.world.get(&account.claims(), name).unwrap_or_else(|| panic!("there is no claim {name}"))
}

fn volume_of(claim: &PersistentVolumeClaim) -> String {
    claim.spec.as_ref().and_then(|spec| spec.volume_name.clone()).unwrap_or_default()
}

fn patch_volume(world: &World, name: &str, patch: &Value) {
    let volumes: Api<PersistentVolume> = world.cluster_wide();
    volumes.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await_in(world).unwrap();
}

/// Kubernetes creates and deletes the claim of a generic ephemeral volume with the pod: `--keep-pvc` keeps the other
/// claims, and the volume is retained either way.
#[test]
fn the_volume_that_belongs_to_a_pod_is_retained_and_restored() {
    let world = World::shared();
    let account = world.account("ephemeral", |objects| {
        let pod = &mut objects.set("wh9527")["spec"]["template"]["spec"];
        pod["volumes"].as_array_mut().unwrap().push(json!({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}));
        let mounts = &mut pod["containers"][0]["volumeMounts"];
        mounts.as_array_mut().unwrap().push(json!({"name": "scratch", "mountPath": "/scratch"}));
        pod["terminationGracePeriodSeconds"] = json!(1);
    });
    let name = "wh9527-0-scratch";
    let data = claim(&account, "data-wh9527-0").metadata.uid;
    let old = claim(&account, name);
    let owner = old.metadata.owner_references.as_ref().and_then(|owners| owners.first()).unwrap();
    let pod = world.pod(&account.namespace, "wh9527-0");
    assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("Pod", pod.metadata.uid.as_ref()));
    let first = volume_of(&old);

    let ran = account.run(&["failover", "wh9527-0", "--keep-pvc", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    ran.clone().says(&[&format!("claim {name}"), &format!("old volume {first} retained")]);
    ran.warns(&[
        &format!("claim {name} belongs to the pod and is deleted with it"),
        &format!("set volume {first} to Retain"),
        "claims that do not belong to the pod are kept",
    ]);
    let new = claim(&account, name);
    let second = volume_of(&new);
    assert_ne!((&new.metadata.uid, &second), (&old.metadata.uid, &first));
    assert_eq!(claim(&account, "data-wh9527-0").metadata.uid, data, "a claim that stays was replaced");
    becomes(&world, &first, "Retain", "Released");

    // It is restored by its claim's name.
    account.run(&["undo", "wh9527-0", "--yes"]).exits(0).says(&[
        "Recovered: wh9527-0",
        &format!("volume {first} restored"),
        &format!("old volume {second} retained"),
    ]);
    assert_eq!(volume_of(&claim(&account, name)), first);
    assert_eq!(claim(&account, "data-wh9527-0").metadata.uid, data, "a claim that stays was replaced");
    becomes(&world, &first, "Delete", "Bound");
    becomes(&world, &second, "Retain", "Released");

    // Without --keep-pvc, both are replaced, and both volumes retained.
    let before = Before::of(&world, &account.namespace, "wh9527-0");
    account.run(&["failover", "wh9527-0", "--start-over", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    before.is_replaced();
    becomes(&world, &first, "Retain", "Released");
    becomes(&world, &before.claims["data-wh9527-0"].volume, "Retain", "Released");
}

/// Anyone who can create a claim can name any volume in it. That volume does not belong to the claim.
#[test]
fn the_volume_of_another_claim_is_left_alone() {
    let world = World::shared();
    let account = world.account("not-its", |objects| {
        objects.set("wh9527")["spec"]["podManagementPolicy"] = json!("Parallel");
    });
    let billing = claim(&account, "data-wh9527-1");
    let name = volume_of(&billing);
    let before = volume(&world, &name);
    world.create(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-wh9527-2", "namespace": account.namespace},
        "spec": {"volumeName": name, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                 "storageClassName": billing.spec.as_ref().unwrap().storage_class_name},
    }));
    world.until(&account.claims(), named("data-wh9527-2"), "the claim waits for the other's volume", |claims| {
        let status = claims.get("data-wh9527-2").and_then(|claim| claim.status.as_ref());
        status.and_then(|status| status.phase.as_deref()) == Some("Pending")
    });
    account.patch_set("wh9527", &json!({"spec": {"replicas": 3}}));
    world.until(&account.pods(), named("wh9527-2"), "the pod that mounts it is there", |pods| !pods.is_empty());

    let ran = account.run(&["failover", "wh9527-2", "--no-verify", "--yes"]).exits(0).says(&["Replaced: wh9527-2"]);
    let whose =
        format!("claim data-wh9527-2 names volume {name}, which is bound to claim {}/data-wh9527-1", account.namespace);
    ran.warns(&[&whose]);
    let after = volume(&world, &name);
    assert_eq!(state(&after), state(&before));
    let annotations = after.metadata.annotations.unwrap_or_default();
    assert!(!annotations.keys().any(|key| key.starts_with(RECORD)), "there is a record on volume {name}");
    assert_eq!(claim(&account, "data-wh9527-1").metadata.uid, billing.metadata.uid);
    let own = volume_of(&claim(&account, "data-wh9527-2"));
    assert!(own != name && !own.is_empty(), "{own}");
}

/// Volumes with this label, as created by an administrator; removed at the end.
struct Static<'w> {
    world: &'w World,
    label: String,
    names: Vec<String>,
}

impl<'w> Static<'w> {
    /// Creates volumes without a storage class, in folders of the node, one of each size.
    fn make(world: &'w World, sizes: &[&str]) -> Self {
        let label = format!("e2e-{}", uuid::Uuid::new_v4());
        let mut names = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let name = format!("{label}-{number}");
            world.create(&json!({
                "apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": {"name": name, "labels": {"e2e": label}},
                "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
                         "persistentVolumeReclaimPolicy": "Retain",
                         "hostPath": {"path": format!("/tmp/{name}"), "type": "DirectoryOrCreate"}},
            }));
            names.push(name);
        }
        // A claim gets the smallest of those that the volume controller knows by then.
        for name in &names {
            world.until(&world.cluster_wide(), named(name), &format!("volume {name} is Available"), |volumes| {
                let volume: Option<&PersistentVolume> = volumes.get(name);
                volume.and_then(|it| it.status.as_ref()?.phase.as_deref()) == Some("Available")
            });
        }
        Self { world, label, names }
    }
}

impl Drop for Static<'_> {
    fn drop(&mut self) {
        let volumes: Api<PersistentVolume> = self.world.cluster_wide();
        for name in &self.names {
            // It may be gone already.
            let _ = volumes.delete(name, &DeleteParams::default()).await_in(self.world);
        }
    }
}

/// Claims and volumes without a class match each other, also when the volume is restored.
#[test]
fn volumes_without_a_class_are_counted_and_restored() {
    let world = World::shared();
    let volumes = Static::make(&world, &["2Gi", "1500Mi", "500Mi"]);
    // Whole numbers: a server rewrites a fraction, 1.4Gi as 1503238553600m.
    let account = world.account("class-less", |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["replicas"] = json!(1);
        spec["volumeClaimTemplates"][0]["spec"] = json!({
            "storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1400Mi"}},
            "selector": {"matchLabels": {"e2e": volumes.label}},
        });
    });
    // The smallest that is large enough.
    let [large, small, _] = volumes.names.as_slice() else { unreachable!() };
    assert_eq!(volume_of(&claim(&account, "data-wh9527-0")), *small);
    let free = format!("volume {large} (2Gi) is Available for claim data-wh9527-0");
    let ran = account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    ran.warns(&[&free]);
    assert_eq!(volume_of(&claim(&account, "data-wh9527-0")), *large);
    becomes(&world, small, "Retain", "Released");

    // Now no matching one is left: the small one is on record.
    let ran = account.run(&["failover", "wh9527-0", "--start-over", "--yes"]).exits(4).silent();
    ran.warns(&["no volume is Available for claim data-wh9527-0", "has 500Mi, but 1400Mi is requested"]);

    account.run(&["undo", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    assert_eq!(volume_of(&claim(&account, "data-wh9527-0")), *small);
}

/// Kubernetes skips a volume that is too small for the recreated claim, and creates a new, empty one.
#[test]
fn a_volume_that_its_claim_would_not_get_is_not_restored() {
    let world = World::shared();
    let account = world.account("outgrown", |_| {});
    let first = volume_of(&claim(&account, "data-wh9527-0"));
    let size = volume(&world, &first).spec.unwrap().capacity.unwrap()["storage"].0.clone();
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    becomes(&world, &first, "Retain", "Released");
    patch_volume(&world, &first, &json!({"spec": {"capacity": {"storage": "1Gi"}}}));
    let now = claim(&account, "data-wh9527-0");
    let ran = account.run(&["undo", "wh9527-0", "--yes"]).exits(4).silent();
    let why = format!("volume {first} has 1Gi, but 100Gi is requested by the template of StatefulSet wh9527");
    ran.warns(&[&why]);
    let still = claim(&account, "data-wh9527-0");
    assert_eq!((&still.metadata.uid, still.metadata.deletion_timestamp.is_some()), (&now.metadata.uid, false));
    assert_eq!(state(&volume(&world, &volume_of(&now))).0, "Delete", "the volume in use was touched");

    // Large enough again, it is restored.
    patch_volume(&world, &first, &json!({"spec": {"capacity": {"storage": size}}}));
    account.run(&["undo", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    assert_eq!(volume_of(&claim(&account, "data-wh9527-0")), first);
}

/// A claim that is larger than its template is recreated with the template's size.
#[test]
fn a_claim_that_is_recreated_smaller_is_reported() {
    let world = World::shared();
    let account = world.account("grown", |objects| {
        objects.set("wh9527")["spec"]["podManagementPolicy"] = json!("Parallel");
    });
    let class = claim(&account, "data-wh9527-1").spec.unwrap().storage_class_name;
    world.create(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-wh9527-2", "namespace": account.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "300Gi"}},
                 "storageClassName": class},
    }));
    account.patch_set("wh9527", &json!({"spec": {"replicas": 3}}));
    world.until(&account.claims(), named("data-wh9527-2"), "the larger claim is bound", |claims| {
        let status = claims.get("data-wh9527-2").and_then(|claim| claim.status.as_ref());
        status.and_then(|status| status.phase.as_deref()) == Some("Bound")
    });
    let ran = account.run(&["failover", "wh9527-2", "--dry-run", "--no-verify"]).exits(0);
    let why = "claim data-wh9527-2 is recreated from the template of StatefulSet wh9527, with changes: size 100Gi (now \
               300Gi)";
    ran.says(&[why]);
    let ran = account.run(&["failover", "wh9527-1", "--dry-run", "--no-verify"]).exits(0);
    assert!(!ran.out.contains("is recreated from the template"), "{}", ran.shown());
}

/// Nothing verified the content of the restored volume: it stays on Retain, and the output says so.
#[test]
fn an_unverified_undo_reports_that_the_volume_stays_on_retain() {
    let world = World::shared();
    let account = world.account("unproven-undo", |_| {});
    let first = volume_of(&claim(&account, "data-wh9527-0"));
    account.run(&["failover", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    let patch = format!(
        "kubectl patch persistentvolume {first} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}}'"
    );
    let ran = account.run(&["undo", "wh9527-0", "--no-verify", "--yes"]).exits(0).says(&["Replaced: wh9527-0"]);
    ran.says(&[
        &format!("volume {first} restored"),
        "its reclaim policy stays Retain until its data is verified",
        &patch,
    ]);
    becomes(&world, &first, "Retain", "Bound");
    patch_volume(&world, &first, &json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}));

    // Once verified, it gets its policy back, and nothing is reported.
    let second = volume_of(&claim(&account, "data-wh9527-0"));
    assert_eq!(second, first);
    let ran = account.run(&["undo", "wh9527-0", "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    assert!(!ran.out.contains("reclaim policy stays Retain"), "{}", ran.shown());
    let back = volume_of(&claim(&account, "data-wh9527-0"));
    becomes(&world, &back, "Delete", "Bound");
}
