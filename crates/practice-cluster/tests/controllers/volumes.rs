//! A volume controller that lags, and a controller manager that is down.

use crate::support::*;
use practice_cluster::store::{Key, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox, scenarios};
use serde_json::{Value, json};

const POD: &str = "safekeeper-0";
const CLAIM: &str = "data-safekeeper-0";

async fn behind_by(seconds: f64) -> Sandbox {
    let mut scenario = scenarios::find("healthy").unwrap();
    scenario.volume_lag_seconds = seconds;
    let postgres = PostgresChoice::None;
    start_with(Options { custom: Some(scenario), postgres, ..Options::default() }).await
}

fn volume(name: &str) -> Key {
    Key::new(VOLUMES, "", name)
}

fn phase(store: &Store, name: &str) -> String {
    store.get(&volume(name)).unwrap()["status"]["phase"].as_str().unwrap().to_owned()
}

/// Creates a volume that was replaced, is retained, and is reserved for the next claim.
async fn reserved(store: &Store) -> String {
    let first = volume_of(store, SYSTEM, CLAIM);
    update(store, &volume(&first), |volume| volume["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain"));
    replace(store, SYSTEM, POD, &[CLAIM]).await;
    until(store, "the old volume is released", |store| phase(store, &first) == "Released").await;
    update(store, &volume(&first), |volume| volume["spec"]["claimRef"]["uid"] = Value::Null);
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_matched_with_the_volumes_that_are_known() {
    // Longer than it takes to replace a claim.
    let sandbox = behind_by(5.0).await;
    let store = sandbox.store();
    let first = reserved(store).await;
    replace(store, SYSTEM, POD, &[CLAIM]).await;
    assert_ne!(volume_of(store, SYSTEM, CLAIM), first, "a new one was made although one was reserved");

    // What the controller has seen, it binds.
    until(store, "the reservation is known", |store| phase(store, &first) == "Available").await;
    replace(store, SYSTEM, POD, &[CLAIM]).await;
    assert_eq!(volume_of(store, SYSTEM, CLAIM), first);
    sandbox.stop().await;
}

/// As measured: it is bound to any claim of that name without a volume, even one that is about to be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_volume_is_taken_by_the_claim_that_waits() {
    let sandbox = behind_by(0.0).await;
    let store = sandbox.store();
    let first = volume_of(store, SYSTEM, CLAIM);
    update(store, &volume(&first), |volume| volume["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain"));
    let claim = store.get(&Key::new(CLAIMS, SYSTEM, CLAIM)).unwrap();
    // No class provisions another one.
    delete(store, "storageclasses", "", claim["spec"]["storageClassName"].as_str().unwrap());
    delete(store, CLAIMS, SYSTEM, CLAIM);
    delete(store, "pods", SYSTEM, POD);
    let waits = |store: &Store| {
        let now = store.get(&Key::new(CLAIMS, SYSTEM, CLAIM));
        now.is_some_and(|now| uid(&now) != uid(&claim) && now["status"]["phase"] == "Pending")
    };
    until(store, "the new claim is Pending", waits).await;
    update(store, &volume(&first), |volume| volume["spec"]["claimRef"]["uid"] = Value::Null);
    until(store, "the claim has it", |store| {
        store.get(&Key::new(CLAIMS, SYSTEM, CLAIM)).is_some_and(|now| now["spec"]["volumeName"] == *first)
    })
    .await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_controller_manager_a_cluster_replaces_nothing() {
    let sandbox = behind_by(0.0).await;
    let store = sandbox.store();
    sandbox.stop_controller_manager(true);
    let old = delete(store, "pods", SYSTEM, POD);
    // The kubelet ends it; no controller creates another one.
    until(store, "the pod is gone", |store| pod(store, SYSTEM, POD).is_none()).await;
    sandbox.stop_controller_manager(false);
    until_replaced(store, SYSTEM, POD, uid(&old)).await;
    sandbox.stop().await;
}
