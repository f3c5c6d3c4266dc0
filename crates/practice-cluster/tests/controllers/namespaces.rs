//! Terminating namespaces, and pods without an owner that hold claims.

use crate::support::*;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, PostParams};
use practice_cluster::store::{ChangeKind, Key};
use practice_cluster::{Options, PostgresChoice};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_when_all_in_it_has_gone() {
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    let store = sandbox.store();
    let client = kube(&sandbox).await;
    let spaces: Api<Namespace> = Api::all(client.clone());
    let refused = spaces.delete("default", &Default::default()).await.unwrap_err();
    let expected = "namespaces \"default\" is forbidden: this namespace may not be deleted";
    assert!(refused.to_string().contains(expected), "{refused}");

    let volume = volume_of(store, ACCOUNT, "data-wh9527-0");
    let mut watcher = store.watch(store.version()).unwrap();
    spaces.delete(ACCOUNT, &Default::default()).await.unwrap();
    let phase = store.get(&Key::new("namespaces", "", ACCOUNT)).unwrap()["status"]["phase"].clone();
    assert_eq!(phase, "Terminating");
    let maps: Api<ConfigMap> = Api::namespaced(client, ACCOUNT);
    let new: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
    let refused = maps.create(&PostParams::default(), &new).await.unwrap_err().to_string();
    let expected = format!(
        "configmaps \"late\" is forbidden: unable to create new content in namespace {ACCOUNT} because it is being terminated"
    );
    assert!(refused.contains(&expected), "{refused}");

    let mut gone = Vec::new();
    loop {
        let change = within("the next change", watcher.next()).await.unwrap();
        if change.kind == ChangeKind::Added {
            assert_ne!(change.key.namespace, ACCOUNT, "made in a namespace that goes: {:?}", change.key);
        }
        if change.kind == ChangeKind::Deleted {
            gone.push((change.key.resource, change.key.name.clone()));
            if change.key.resource == "namespaces" {
                break;
            }
        }
    }
    let at = |resource: &'static str, name: &str| {
        gone.iter()
            .position(|(kind, gone)| *kind == resource && gone == name)
            .unwrap_or_else(|| panic!("{name} is left"))
    };
    // A claim is deleted after its pod, and the namespace last.
    assert!(at("statefulsets", "wh9527") < at("pods", "wh9527-0"));
    assert!(at("pods", "wh9527-0") < at(CLAIMS, "data-wh9527-0"));
    at("serviceaccounts", "default");
    for kind in ["pods", CLAIMS, "statefulsets", "events", "services", "serviceaccounts", "controllerrevisions"] {
        assert_eq!(store.list(kind, Some(ACCOUNT)).0.len(), 0, "{kind}");
    }
    until(store, "its volume is gone", |store| store.get(&Key::new(VOLUMES, "", volume.as_str())).is_none()).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_pod_keeps_a_claim_from_going() {
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    let store = sandbox.store();
    let helper = json!({"spec": {
        "containers": [{"name": "main", "image": "synxdb/safekeeper:4.0.0"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-wh9527-0"}}]}});
    store.create(Key::new("pods", ACCOUNT, "helper"), helper, false).unwrap();
    until(store, "it runs", |store| is_ready(&pod(store, ACCOUNT, "helper").unwrap())).await;
    let claim = delete(store, CLAIMS, ACCOUNT, "data-wh9527-0");
    let old = delete(store, "pods", ACCOUNT, "wh9527-0");
    let refusal = "create Pod wh9527-0 in StatefulSet wh9527 failed error: pvc data-wh9527-0 is being deleted";
    let refused = || events(store, ACCOUNT, "wh9527", "FailedCreate").contains(&refusal.to_owned());
    until(store, "its member cannot come back", |_| refused() && pod(store, ACCOUNT, "wh9527-0").is_none()).await;
    // The controllers are done with it before an unrelated replacement is complete.
    replace(store, SYSTEM, "safekeeper-2", &["data-safekeeper-2"]).await;
    let held = store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-0")).unwrap();
    assert!(uid(&held) == uid(&claim) && held["metadata"]["deletionTimestamp"].is_string());
    delete(store, "pods", ACCOUNT, "helper");
    until_replaced(store, ACCOUNT, "wh9527-0", uid(&old)).await;
    assert_ne!(uid(&store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-0")).unwrap()), uid(&claim));
    sandbox.stop().await;
}
