//! Undo: a replaced disk is restored with its data, and released if it is not needed.

use crate::member::Before;
use crate::support::Ran;
use crate::world::{Account, World, named};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use serde_json::{Value, json};

/// Returns a volume's reclaim policy and phase.
fn state(volume: &PersistentVolume) -> (&str, &str) {
    let (spec, status) = (volume.spec.as_ref(), volume.status.as_ref());
    let policy = spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let phase = status.and_then(|status| status.phase.as_deref());
    (policy.unwrap_or_default(), phase.unwrap_or_default())
}

/// Waits until the volume is in this state.
#[track_caller]
fn becomes(world: &World, volume: &str, wanted: (&str, &str)) {
    let what = format!("volume {volume} is {wanted:?}");
    world.until(&world.cluster_wide(), named(volume), &what, |all| {
        all.get(volume).is_some_and(|it| state(it) == wanted)
    });
}

#[track_caller]
fn is_gone(world: &World, volume: &str) {
    let what = format!("volume {volume} is gone");
    world.until(&world.cluster_wide::<PersistentVolume>(), named(volume), &what, |all| all.is_empty());
}

/// Returns the volume of a claim.
fn volume_of(account: &Account<'_>, claim: &str) -> String {
    let claim: PersistentVolumeClaim = account.world.get(&account.claims(), claim).unwrap();
    claim.spec.unwrap().volume_name.unwrap()
}

/// Returns the account's operations on record, the newest first.
fn history(account: &Account<'_>) -> Vec<Value> {
    let document = account.run(&["history", "-o", "json"]).exits(0).json();
    document["operations"].as_array().unwrap().clone()
}

fn undone(account: &Account<'_>, resume: &[String]) -> Ran {
    let words: Vec<&str> = resume.iter().map(String::as_str).chain(["--yes"]).collect();
    account.run(&words)
}

/// The databases are on the pod's own disk: the failover works, the data is gone, and the verdict says what is missing
/// and how to restore it.
#[test]
fn data_on_the_replaced_disk_is_missing_and_restored() {
    let world = World::shared();
    let account = world.account("local-disk", |objects| {
        let container = &mut objects.set("cloudberry-proxy")["spec"]["template"]["spec"]["containers"][0];
        let mut environment = container["env"].as_array().cloned().unwrap_or_default();
        environment.retain(|variable| variable["name"] != "PGDATA");
        environment.push(json!({"name": "PGDATA", "value": "/data/pgdata"}));
        container["env"] = json!(environment);
    });
    let (pod, claim) = ("cloudberry-proxy-0", "data-cloudberry-proxy-0");
    let projects = world.projects(&account.namespace);
    assert_eq!(projects.len(), 3);
    let before = Before::of(&world, &account.namespace, pod);
    let first = before.claims[claim].volume.clone();
    let ran = account.run(&["failover", pod, "--yes"]).exits(7);
    assert!(ran.out.starts_with("Data missing: cloudberry-proxy-0 is Ready"), "{}", ran.shown());
    let ran = ran.says(&["test_db", "To restore the old volume, which may have the missing data:"]);
    before.is_replaced();
    before.is_kept("dataMissing");
    let second = volume_of(&account, claim);
    let resume = ran.resume();
    let failover = resume[1].clone();
    let lost = history(&account);
    assert_eq!((&lost[0]["id"], &lost[0]["outcome"]), (&json!(failover), &json!("dataMissing")));
    assert_eq!((&lost[0]["canBeUndone"], &lost[0]["volumes"][0]["name"]), (&json!(true), &json!(first)));

    let ran = undone(&account, &resume).exits(0);
    let ran = ran.says(&["Recovered: cloudberry-proxy-0", &format!("volume {first} restored"), ", canary table"]);
    assert_eq!(world.projects(&account.namespace), projects, "{}", ran.shown());
    assert_eq!(volume_of(&account, claim), first);
    becomes(&world, &first, ("Delete", "Bound"));
    becomes(&world, &second, ("Retain", "Released"));

    let acts = history(&account);
    assert_eq!(
        (&acts[0]["operation"], &acts[0]["outcome"], &acts[0]["undoes"]),
        (&json!("undo"), &json!("recovered"), &json!(failover))
    );
    assert_eq!((&acts[1]["undoneBy"], &acts[1]["volumes"][0]["state"]), (&acts[0]["id"], &json!("inUse")));
    assert!(acts.iter().all(|act| act["user"].as_str().is_some_and(|who| !who.is_empty())), "{acts:#?}");
    let undo = acts[0]["id"].as_str().unwrap();
    account.run(&["history"]).exits(0).says(&[
        "2 operations, 1 can be undone, 1 volume retained",
        "data missing",
        "recovered",
    ]);

    let release = |id: &str| account.run(&["release", id, "--confirm", pod]);
    release(&failover).exits(4).silent().warns(&[&format!("volume {first} is in use: claim {claim} is bound to it")]);
    release(undo)
        .exits(0)
        .says(&["Released: 1 volume of cloudberry-proxy-0", &format!("volume {second}: reclaim policy set to Delete")]);
    is_gone(&world, &second);
    assert_eq!(world.projects(&account.namespace), projects);
}

/// After a failover that lost nothing: the disk can be restored anyway, and so can the other one.
#[test]
fn an_undo_can_be_undone() {
    let world = World::shared();
    let account = world.account("undo-undo", |_| {});
    let (pod, claim) = ("wh9527-0", "data-wh9527-0");
    let first = volume_of(&account, claim);
    account.run(&["failover", pod, "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
    let second = volume_of(&account, claim);
    account.run(&["undo", pod, "--dry-run=server"]).exits(0).says(&["reserved (server dry run)"]);
    becomes(&world, &first, ("Retain", "Released"));
    for (back, away) in [(&first, &second), (&second, &first)] {
        account.run(&["undo", pod, "--yes"]).exits(0).says(&["Recovered: wh9527-0"]);
        assert_eq!(volume_of(&account, claim), *back);
        becomes(&world, back, ("Delete", "Bound"));
        becomes(&world, away, ("Retain", "Released"));
    }
    let acts = history(&account);
    assert_eq!(
        acts.iter().map(|act| act["operation"].as_str().unwrap()).collect::<Vec<_>>(),
        ["undo", "undo", "failover"]
    );
    assert_eq!(acts[1]["undoneBy"], acts[0]["id"]);
}

/// A failover that did not finish, and a newer one that recovered: after the newer one's disk, and with it its record,
/// is released, the older one is not unfinished again.
#[test]
fn a_settled_failover_stays_settled_after_a_release() {
    let world = World::shared();
    let account = world.account("settled", |_| {});
    account.run(&["failover", "wh9527-0", "--yes", "--settle", "1m", "--timeout", "12s"]).exits(6);
    account.run(&["status"]).exits(8).says(&["is unfinished"]);
    let newer = Before::of(&world, &account.namespace, "wh9527-0");
    account.run(&["failover", "wh9527-0", "--yes", "--start-over", "-o", "json"]).exits(0);
    newer.is_recovered();
    let acts = history(&account);
    let id = |at: usize| acts[at]["id"].as_str().unwrap();
    assert_eq!((&acts[1]["outcome"], &acts[1]["supersededBy"]), (&json!("unfinished"), &json!(id(0))), "{acts:#?}");
    let released = newer.claims.values().next().unwrap().volume.clone();
    account.run(&["release", id(0), "--confirm", "wh9527-0"]).exits(0);
    is_gone(&world, &released);

    account.run(&["status"]).exits(0).says(&["healthy"]);
    let older = history(&account);
    assert_eq!((older.len(), &older[0]["id"]), (1, &acts[1]["id"]), "{older:#?}");
    // It is not resumed, and its disk can be released as well.
    let plan = account.run(&["failover", "wh9527-0", "--dry-run=client", "-o", "json"]).exits(0).json();
    assert_eq!(plan["resumes"], Value::Null, "{plan:#}");
    account.run(&["release", id(1), "--confirm", "wh9527-0"]).exits(0);
}
