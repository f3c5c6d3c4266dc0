//! Nodes that are lost, come back, are tainted or cordoned, and the effect on their pods.

use crate::support::*;
use practice_cluster::store::{Key, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::{Value, json};

async fn without_sql() -> Sandbox {
    start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await
}

fn node(store: &Store, name: &str) -> std::sync::Arc<Value> {
    store.get(&Key::new("nodes", "", name)).unwrap()
}

/// Returns a node's taints, as kubectl describes them.
fn taints(store: &Store, name: &str) -> Vec<String> {
    let node = node(store, name);
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    taints.map(|t| format!("{}:{}", t["key"].as_str().unwrap(), t["effect"].as_str().unwrap())).collect()
}

fn on_node(store: &Store, node: &str) -> Vec<std::sync::Arc<Value>> {
    store.list("pods", None).0.into_iter().filter(|pod| pod["spec"]["nodeName"] == node).collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_ends_what_was_deleted_and_starts_the_rest() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    sandbox.lose_node("node-2");
    until(store, "the node is lost", |store| {
        !is_ready(&node(store, "node-2")) && on_node(store, "node-2").iter().all(|pod| !is_ready(pod))
    })
    .await;
    let unreachable = ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"];
    assert_eq!(taints(store, "node-2"), unreachable);
    let there = on_node(store, "node-2");
    let (victim, others) = there.split_first().unwrap();
    assert!(!others.is_empty());
    let space = victim["metadata"]["namespace"].as_str().unwrap();
    delete(store, "pods", space, name(victim));

    sandbox.return_node("node-2");
    until(store, "the node is back", |store| is_ready(&node(store, "node-2")) && taints(store, "node-2").is_empty())
        .await;
    until_replaced(store, space, name(victim), uid(victim)).await;
    for other in others {
        let space = other["metadata"]["namespace"].as_str().unwrap();
        until(store, "it runs again", |store| is_ready(&pod(store, space, name(other)).unwrap())).await;
        let now = pod(store, space, name(other)).unwrap();
        assert_eq!(uid(&now), uid(other));
        let container = &now["status"]["containerStatuses"][0];
        let last = &container["lastState"]["terminated"];
        assert_eq!((container["restartCount"].as_u64(), last["exitCode"].as_i64()), (Some(1), Some(255)));
        assert_eq!(last["reason"], "Unknown");
    }
    within("all pods are ready", sandbox.ready()).await.unwrap();
    for (reason, message) in [
        ("NodeNotReady", "Node node-2 status is now: NodeNotReady"),
        ("NodeReady", "Node node-2 status is now: NodeReady"),
    ] {
        assert_eq!(events(store, "default", "node-2", reason), [message]);
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_leave_a_tainted_node_when_they_tolerate_it_no_longer() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let create = |name: &str, tolerations: Value| {
        let container = json!({"name": "main", "image": "synxdb/safekeeper:4.0.0"});
        let spec = json!({"containers": [container], "tolerations": tolerations,
                          "nodeSelector": {"kubernetes.io/hostname": "node-1"}});
        store.create(Key::new("pods", "default", name), json!({"spec": spec}), false).unwrap();
    };
    let tolerates = |more: Value| {
        let mut toleration = json!({"key": "drill", "operator": "Exists", "effect": "NoExecute"});
        toleration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([toleration])
    };
    create("never", json!([]));
    create("briefly", tolerates(json!({"tolerationSeconds": 1})));
    create("for-ever", tolerates(json!({})));
    for name in ["never", "briefly", "for-ever"] {
        until(store, "it runs", |store| is_ready(&pod(store, "default", name).unwrap())).await;
    }
    let mut watcher = store.watch(store.version()).unwrap();
    update(store, &Key::new("nodes", "", "node-1"), |node| {
        node["spec"]["taints"] = json!([{"key": "drill", "value": "now", "effect": "NoExecute"}]);
    });
    let mut left = Vec::new();
    while left.len() < 2 {
        let change = within("the next change", watcher.next()).await.unwrap();
        let going = change.object["metadata"]["deletionTimestamp"].is_string();
        if change.key.resource == "pods"
            && change.key.namespace == "default"
            && going
            && !left.contains(&change.key.name)
        {
            assert_eq!(condition(&change.object, "DisruptionTarget")["reason"], "DeletionByTaintManager");
            left.push(change.key.name);
        }
    }
    assert_eq!(left, ["never", "briefly"]);
    assert_eq!(events(store, "default", "never", "TaintManagerEviction"), ["Marking for deletion Pod default/never"]);
    until(store, "they are gone", |store| left.iter().all(|name| pod(store, "default", name).is_none())).await;
    assert!(is_ready(&pod(store, "default", "for-ever").unwrap()));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordoned_node_is_tainted_until_it_is_uncordoned() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let key = Key::new("nodes", "", "node-1");
    update(store, &key, |node| node["spec"]["unschedulable"] = json!(true));
    let tainted = ["node.kubernetes.io/unschedulable:NoSchedule"];
    until(store, "it is tainted", |store| taints(store, "node-1") == tainted).await;
    // Running pods stay.
    within("all pods are ready", sandbox.ready()).await.unwrap();
    update(store, &key, |node| node["spec"]["unschedulable"] = json!(false));
    until(store, "the taint is gone", |store| taints(store, "node-1").is_empty()).await;
    sandbox.stop().await;
}
