//! What an undo reserves is for its own claim, and for no other.

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

/// Waits until a volume is set aside: kept, and nobody's.
fn is_set_aside(world: &World, volume: &str) {
    let what = format!("volume {volume} is Released and on Retain");
    world.until(&world.cluster_wide::<PersistentVolume>(), named(volume), &what, |all| {
        let Some(found) = all.get(volume) else { return false };
        let phase = found.status.as_ref().and_then(|status| status.phase.as_deref());
        let policy = found.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
        (phase, policy) == (Some("Released"), Some("Retain"))
    });
}

/// An undo stops after its reservation, since a policy denies the deletion of the claim. A failover then takes no reserved
/// volume for a new one, and all disks can still come back.
#[test]
fn a_failover_takes_back_what_an_undo_reserved() {
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
    // All pods are Ready, and yet something is to be finished.
    account.run(&["status"]).exits(8).says(&["is unfinished", &format!("try kubectl synxdb undo {failover}")]);

    let ran = account.run(&["failover", POD, "--anew", "--yes"]).exits(0);
    ran.warns(&[&format!("take back the reservation of volume {first}")]);
    let third = volume_of(&account);
    assert!(third != first && third != second, "{third}");
    is_set_aside(&world, &first);
    is_set_aside(&world, &second);
    account.run(&["status"]).exits(0);

    account.run(&["undo", &failover, "--yes"]).exits(0);
    assert_eq!(volume_of(&account), first);
    is_set_aside(&world, &third);
}

/// The new disk cannot be made: exactly then the old one is wanted back. The claim that waits takes it.
#[test]
fn a_claim_that_waits_in_vain_takes_the_volume_that_comes_back() {
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

/// The name of the newest operation on record.
fn newest(account: &Account<'_>) -> String {
    let history = account.run(&["history", "-o", "json"]).exits(0).json();
    history["operations"][0]["id"].as_str().unwrap().to_owned()
}
