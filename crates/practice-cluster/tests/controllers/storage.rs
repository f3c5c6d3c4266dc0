//! StatefulSets, claims, volumes, nodes: what Kubernetes' own controllers would do, in their order.

use crate::support::*;
use practice_cluster::store::{Change, ChangeKind, Key, Store};
use serde_json::json;

/// Describes a change of the account's wh9527-0, its claim, or an event about them; `None` for others.
fn step(change: &Change) -> Option<String> {
    let (object, name) = (&change.object, change.key.name.as_str());
    let going = object["metadata"]["deletionTimestamp"].is_string();
    match (change.key.resource, name, change.kind) {
        (CLAIMS, "data-wh9527-0", ChangeKind::Added) => Some("claim created".to_owned()),
        (CLAIMS, "data-wh9527-0", ChangeKind::Deleted) => Some("claim gone".to_owned()),
        (CLAIMS, "data-wh9527-0", _) if going => Some("claim terminating".to_owned()),
        (CLAIMS, "data-wh9527-0", _) => Some(format!("claim {}", object["status"]["phase"].as_str().unwrap())),
        ("pods", "wh9527-0", ChangeKind::Added) => Some("pod created".to_owned()),
        ("pods", "wh9527-0", ChangeKind::Deleted) => Some("pod gone".to_owned()),
        ("pods", "wh9527-0", _) => {
            let state = &object["status"]["containerStatuses"][0]["state"];
            let phase = object["status"]["phase"].as_str().unwrap();
            Some(match () {
                () if going => format!("pod terminating, {phase}"),
                () if is_ready(object) => "pod Ready".to_owned(),
                () if state["running"].is_object() => "pod Running".to_owned(),
                () if state["waiting"]["reason"] == "ContainerCreating" => "pod ContainerCreating".to_owned(),
                () if object["spec"]["nodeName"].is_string() => "pod scheduled".to_owned(),
                () => format!("pod {phase}"),
            })
        }
        ("events", _, ChangeKind::Added) if object["reason"] == "FailedCreate" => {
            Some(object["message"].as_str().unwrap().to_owned())
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_and_its_pod_are_replaced_in_kubernetes_order() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let old_volume = volume_of(store, ACCOUNT, "data-wh9527-0");
    let mut watcher = store.watch(store.version()).unwrap();
    replace(store, ACCOUNT, "wh9527-0", &["data-wh9527-0"]).await;
    let mut steps: Vec<String> = Vec::new();
    while steps.last().is_none_or(|last| last != "pod Ready") {
        let change = within("the next change", watcher.next()).await.unwrap();
        if change.key.namespace == ACCOUNT
            && let Some(step) = step(&change)
            && !steps.contains(&step)
        {
            steps.push(step);
        }
    }
    let expected = [
        "claim terminating",
        "pod terminating, Running",
        "pod terminating, Succeeded",
        "pod gone",
        "create Pod wh9527-0 in StatefulSet wh9527 failed error: pvc data-wh9527-0 is being deleted",
        "claim gone",
        "claim created",
        "pod created",
        "claim Pending",
        "claim Bound",
        "pod scheduled",
        "pod ContainerCreating",
        "pod Running",
        "pod Ready",
    ];
    assert_eq!(steps, expected);
    assert_ne!(volume_of(store, ACCOUNT, "data-wh9527-0"), old_volume);
    // Its reclaim policy is Delete.
    let key = Key::new(VOLUMES, "", old_volume.as_str());
    until(store, "the old volume is gone", |store| store.get(&key).is_none()).await;
    let created = events(store, ACCOUNT, "wh9527", "SuccessfulCreate");
    for message in [
        "create Claim data-wh9527-0 Pod wh9527-0 in StatefulSet wh9527 success",
        "create Pod wh9527-0 in StatefulSet wh9527 successful",
    ] {
        assert!(created.iter().any(|known| known == message), "{created:?}");
    }
    for reason in ["Scheduled", "SuccessfulAttachVolume", "Pulled", "Created", "Started", "Killing"] {
        assert!(!events(store, ACCOUNT, "wh9527-0", reason).is_empty(), "no {reason} event");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_in_use_stays_until_its_pod_is_gone() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let claim = delete(store, CLAIMS, SYSTEM, "data-safekeeper-0");
    // The controllers are done with it before a later, unrelated replacement is complete.
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    let now = store.get(&Key::new(CLAIMS, SYSTEM, "data-safekeeper-0")).expect("the claim is still there");
    assert!(uid(&now) == uid(&claim) && now["metadata"]["deletionTimestamp"].is_string());
    // And so does a bound volume.
    let volume = volume_of(store, SYSTEM, "data-safekeeper-1");
    delete(store, VOLUMES, "", &volume);
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    assert!(store.get(&Key::new(VOLUMES, "", volume.as_str())).is_some());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_pod_needs_one_more_delete() {
    let sandbox = start("stuck-claim").await;
    let store = sandbox.store();
    let claim = delete(store, CLAIMS, ACCOUNT, "data-wh9527-0");
    let old = delete(store, "pods", ACCOUNT, "wh9527-0");
    until(store, "the scheduler misses the claim", |store| {
        events(store, ACCOUNT, "wh9527-0", "FailedScheduling").iter().any(|message| message.contains("not found"))
    })
    .await;
    let failed = events(store, ACCOUNT, "wh9527-0", "FailedScheduling");
    let expected = "0/2 nodes are available: persistentvolumeclaim \"data-wh9527-0\" not found.";
    assert!(failed.iter().any(|message| message.starts_with(expected)), "{failed:?}");
    // It stays stuck: all controllers have run before a replacement of another pod is complete.
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    let stuck = pod(store, ACCOUNT, "wh9527-0").unwrap();
    assert_ne!(uid(&stuck), uid(&old));
    assert_eq!(stuck["status"]["phase"], "Pending");
    assert_eq!(condition(&stuck, "PodScheduled")["reason"], "Unschedulable");
    assert!(store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-0")).is_none());
    // One more delete, and another failover of the same pod, go the normal way.
    replace(store, ACCOUNT, "wh9527-0", &[]).await;
    let new = store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-0")).unwrap();
    assert_ne!(uid(&new), uid(&claim));
    replace(store, ACCOUNT, "wh9527-0", &["data-wh9527-0"]).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_claim_of_a_pending_pod_is_made_again() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    // No node takes the replacement: it stays Pending, unscheduled, while its claim is deleted.
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(true));
    }
    delete(store, "pods", SYSTEM, "safekeeper-0");
    until(store, "the replacement cannot be scheduled", |store| {
        let failed = events(store, SYSTEM, "safekeeper-0", "FailedScheduling");
        failed.iter().any(|message| message.contains("2 node(s) were unschedulable"))
    })
    .await;
    let old = delete(store, CLAIMS, SYSTEM, "data-safekeeper-0");
    let key = Key::new(CLAIMS, SYSTEM, "data-safekeeper-0");
    until(store, "the claim is made again", |store| store.get(&key).is_some_and(|new| uid(&new) != uid(&old))).await;
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(false));
    }
    within("all pods are ready", sandbox.ready()).await.unwrap();
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_scale_and_roll_out() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let set = Key::new("statefulsets", ACCOUNT, "wh9527");
    let image = |pod: &str| pod_image(store, pod);
    update(store, &set, |set| set["spec"]["replicas"] = json!(3));
    within("the third node is ready", sandbox.ready()).await.unwrap();
    update(store, &set, |set| set["spec"]["replicas"] = json!(1));
    until(store, "two nodes are gone", |store| {
        ["wh9527-1", "wh9527-2"].iter().all(|name| pod(store, ACCOUNT, name).is_none())
    })
    .await;
    assert!(store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-2")).is_some(), "a claim went with its pod");
    let template = "/spec/template/spec/containers/0/image";
    update(store, &set, |set| *set.pointer_mut(template).unwrap() = json!("synxdb/cloudberry:4.0.1"));
    until(store, "the node runs the new image", |_| image("wh9527-0").as_deref() == Some("synxdb/cloudberry:4.0.1"))
        .await;
    until(store, "the set's status tells", |store| {
        let status = &store.get(&set).unwrap()["status"];
        status["readyReplicas"] == 1 && status["currentRevision"] == status["updateRevision"]
    })
    .await;
    sandbox.stop().await;
}

fn pod_image(store: &Store, name: &str) -> Option<String> {
    Some(pod(store, ACCOUNT, name)?["spec"]["containers"][0]["image"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_lost_node_stay_terminating_until_it_is_marked_out_of_service() {
    let sandbox = start("lost-node").await;
    let store = sandbox.store();
    let node = Key::new("nodes", "", "node-2");
    assert_eq!(condition(&store.get(&node).unwrap(), "Ready")["status"], "Unknown");
    let pods = store.list("pods", None).0;
    let there: Vec<_> = pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-2").collect();
    assert!(!there.is_empty() && there.len() < pods.len());
    assert!(there.iter().all(|pod| !is_ready(pod)), "a pod of the lost node is still Ready");
    let victim = there.iter().find(|pod| pod["metadata"]["name"] == "wh9527-0").expect("wh9527-0 is on node-2");
    delete(store, "pods", ACCOUNT, "wh9527-0");
    // In the meantime, the same change of another pod succeeds.
    replace(store, SYSTEM, "safekeeper-0", &[]).await;
    let now = pod(store, ACCOUNT, "wh9527-0").unwrap();
    assert!(uid(&now) == uid(victim) && now["metadata"]["deletionTimestamp"].is_string());
    update(store, &node, |node| {
        let taint = json!({"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute", "value": "nodeshutdown"});
        node["spec"]["taints"].as_array_mut().unwrap().push(taint);
    });
    until_replaced(store, ACCOUNT, "wh9527-0", uid(victim)).await;
    assert_eq!(pod(store, ACCOUNT, "wh9527-0").unwrap()["spec"]["nodeName"], "node-1");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_history_makes_the_controllers_look_again() {
    let sandbox = start("healthy").await;
    let store = sandbox.store().clone();
    // A writer with an outdated version loses.
    let forgetful = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                if let Ok(mut watcher) = store.watch(store.version()) {
                    watcher.next().await;
                }
                store.compact();
            }
        }
    });
    let claim = store.get(&Key::new(CLAIMS, ACCOUNT, "data-cloudberry-proxy-0")).unwrap();
    delete(&store, CLAIMS, ACCOUNT, "data-cloudberry-proxy-0");
    let old = delete(&store, "pods", ACCOUNT, "cloudberry-proxy-0");
    until_replaced(&store, ACCOUNT, "cloudberry-proxy-0", uid(&old)).await;
    let new = store.get(&Key::new(CLAIMS, ACCOUNT, "data-cloudberry-proxy-0")).unwrap();
    assert_ne!(uid(&new), uid(&claim));
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await, SEEDED);
    forgetful.abort();
    sandbox.stop().await;
}

/// Creates a volume by hand; `spec` is merged into it.
fn by_hand(store: &Store, name: &str, spec: serde_json::Value) {
    let mut volume = json!({"spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "standard", "hostPath": {"path": "/disk"}}});
    json_patch::merge(&mut volume["spec"], &spec);
    store.create(Key::new(VOLUMES, "", name), volume, false).unwrap();
}

fn phase(store: &Store, key: &Key) -> String {
    store.get(key).map(|it| it["status"]["phase"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

/// It is reserved for the claim, but too small: Kubernetes skips it and provisions an empty one.
#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_volume_that_is_too_small_is_passed_over() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let kept =
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": SYSTEM, "name": "data-safekeeper-0"});
    by_hand(store, "too-small", json!({"capacity": {"storage": "1Mi"}, "claimRef": kept}));
    by_hand(store, "other-mode", json!({"capacity": {"storage": "900Gi"}, "volumeMode": "Block", "claimRef": kept}));
    replace(store, SYSTEM, "safekeeper-0", &["data-safekeeper-0"]).await;
    let made = volume_of(store, SYSTEM, "data-safekeeper-0");
    assert!(made.starts_with("pvc-"), "{made}");
    // Of another class, but large enough: the class of a reserved volume does not matter.
    by_hand(store, "kept", json!({"capacity": {"storage": "900Gi"}, "storageClassName": "other", "claimRef": kept}));
    replace(store, SYSTEM, "safekeeper-0", &["data-safekeeper-0"]).await;
    assert_eq!(volume_of(store, SYSTEM, "data-safekeeper-0"), "kept");
    sandbox.stop().await;
}

/// A claim that names the volume of another one waits for it, and is not bound to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_names_anothers_volume_stays_pending() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let volume = volume_of(store, SYSTEM, "data-safekeeper-0");
    let before = store.get(&Key::new(VOLUMES, "", volume.as_str())).unwrap();
    let key = Key::new(CLAIMS, ACCOUNT, "greedy");
    let claim = json!({"spec": {"volumeName": volume, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
        "resources": {"requests": {"storage": "1Gi"}}}});
    store.create(key.clone(), claim, false).unwrap();
    until(store, "an event says that the volume is bound to another claim", |store| {
        let wanted = format!("volume \"{volume}\" already bound to a different claim.");
        events(store, ACCOUNT, "greedy", "FailedBinding").contains(&wanted)
    })
    .await;
    assert_eq!(phase(store, &key), "Pending");
    let after = store.get(&Key::new(VOLUMES, "", volume.as_str())).unwrap();
    assert_eq!(after["spec"]["claimRef"], before["spec"]["claimRef"]);
    sandbox.stop().await;
}

/// It is created with the pod, owned by it, deleted with it, and recreated for the next pod.
#[tokio::test(flavor = "multi_thread")]
async fn the_claim_of_an_ephemeral_volume_lives_as_long_as_its_pod() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let template = json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
        "resources": {"requests": {"storage": "1Gi"}}}});
    update(store, &Key::new("statefulsets", ACCOUNT, "wh9527"), |set| {
        let volumes = set.pointer_mut("/spec/template/spec/volumes").unwrap().as_array_mut().unwrap();
        volumes.push(json!({"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}));
        set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    });
    let key = Key::new(CLAIMS, ACCOUNT, "wh9527-0-scratch");
    until(store, "the claim is the new pod's, and the pod is ready", |store| {
        let owner = store.get(&key).map(|claim| claim["metadata"]["ownerReferences"][0]["uid"].clone());
        pod(store, ACCOUNT, "wh9527-0")
            .is_some_and(|pod| Some(&pod["metadata"]["uid"]) == owner.as_ref() && is_ready(&pod))
    })
    .await;
    let old = store.get(&key).unwrap();
    let volume = volume_of(store, ACCOUNT, "wh9527-0-scratch");
    replace(store, ACCOUNT, "wh9527-0", &[]).await;
    let new = store.get(&key).unwrap();
    assert_ne!(uid(&new), uid(&old));
    assert_ne!(volume_of(store, ACCOUNT, "wh9527-0-scratch"), volume);
    assert_eq!(
        new["metadata"]["ownerReferences"][0]["uid"],
        pod(store, ACCOUNT, "wh9527-0").unwrap()["metadata"]["uid"]
    );
    let gone = Key::new(VOLUMES, "", volume.as_str());
    until(store, "its volume is gone, by its policy", |store| store.get(&gone).is_none()).await;
    sandbox.stop().await;
}
