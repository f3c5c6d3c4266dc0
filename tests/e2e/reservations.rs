//! A volume reserved by an undo is for its own claim, and for no other.

use crate::member::Before;
use crate::trouble::OwnClass;
use crate::world::{Account, World, named};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

const POD: &str = "wh9527-0";
const CLAIM: &str = "data-wh9527-0";

fn account<'w>(world: &'w World, case: &str) -> Account<'w> {
    world.account(case, |objects| {
        objects.set("wh9527")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1.into();
    })
}

fn claim(account: &Account<'_>) -> PersistentVolumeClaim {
    account.world.get(&account.claims(), CLAIM).expect("the claim is there")
}

fn volume_of(account: &Account<'_>) -> String {
    claim(account).spec.unwrap().volume_name.expect("the claim has a volume")
}

/// Waits until a volume is retained and unclaimed.
fn is_retained(world: &World, volume: &str) {
    let what = format!("volume {volume} is Released and on Retain");
    world.until(&world.cluster_wide::<PersistentVolume>(), named(volume), &what, |all| {
        let Some(found) = all.get(volume) else { return false };
        let phase = found.status.as_ref().and_then(|status| status.phase.as_deref());
        let policy = found.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
        (phase, policy) == (Some("Released"), Some("Retain"))
    });
}

/// A policy denies the deletion of the claim, so an undo stops after its reservation. A following failover does not
/// mistake the reserved volume for a new one, and all disks can still be restored.
#[test]
fn a_failover_removes_the_reservation_of_an_undo() {
    let world = World::shared();
    let account = account(&world, "reserved");
    let first = volume_of(&account);
    account.run(&["failover", POD, "--yes"]).exits(0);
    let second = volume_of(&account);
    let failover = newest(&account);

    let policy = world.deny_deletion(&account.namespace, ("persistentvolumeclaims", CLAIM), "request.dryRun");
    let ran = account.run(&["undo", &failover, "--yes"]);
    assert!(!matches!(ran.code, Some(0 | 7 | 8)), "{}", ran.shown());
    ran.says(&[
        "persistentvolumeclaims of this account stay",
        &format!("volume {first} reserved"),
        "next: kubectl synxdb undo",
    ]);
    policy.lift();
    // All pods are Ready, but an operation is unfinished.
    account.run(&["status"]).exits(8).says(&["is unfinished", &format!("next: kubectl synxdb undo {failover}")]);

    let ran = account.run(&["failover", POD, "--start-over", "--yes"]).exits(0);
    ran.warns(&[&format!("drop the reservation of volume {first}")]);
    let third = volume_of(&account);
    assert!(third != first && third != second, "{third}");
    is_retained(&world, &first);
    is_retained(&world, &second);
    account.run(&["status"]).exits(0);

    account.run(&["undo", &failover, "--yes"]).exits(0);
    assert_eq!(volume_of(&account), first);
    is_retained(&world, &third);
}

/// A new disk cannot be provisioned: exactly then, the old one is needed. The waiting claim takes it.
#[test]
fn a_waiting_claim_takes_the_restored_volume() {
    let world = World::shared();
    let class = OwnClass::new(&world);
    class.create();
    let account = world.account("pending", |objects| {
        let spec = &mut objects.set("wh9527")["spec"];
        spec["template"]["spec"]["terminationGracePeriodSeconds"] = 1.into();
        spec["volumeClaimTemplates"][0]["spec"]["storageClassName"] = class.name().into();
    });
    let before = Before::of(&world, &account.namespace, POD);
    class.delete();
    let confirmed = ["--allow", "storage-class", "--confirm", POD, "--timeout", "15s"];
    let ran = account.run(&[&["failover", POD][..], &confirmed].concat()).exits(6);
    let pending = claim(&account);
    assert_eq!(pending.status.unwrap().phase.as_deref(), Some("Pending"), "{}", ran.shown());

    let failover = newest(&account);
    let ran = account.run(&["undo", &failover, "--yes"]).exits(0);
    assert_eq!(volume_of(&account), before.claims[CLAIM].volume, "{}", ran.shown());
    assert_eq!(claim(&account).metadata.uid, pending.metadata.uid, "it is the claim that waited");
}

/// Returns the ID of the newest operation on record.
fn newest(account: &Account<'_>) -> String {
    let history = account.run(&["history", "-o", "json"]).exits(0).json();
    history["operations"][0]["id"].as_str().unwrap().to_owned()
}
