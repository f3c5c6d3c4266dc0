//! Waits until the practice cluster is in its scenario's state: all pods Ready that can be, all nodes lost that should
//! be.

use crate::objects::{is_ready, is_terminating, name, namespace};
use crate::scenarios::{PodName, Scenario};
use crate::store::{Key, Store};
use std::sync::Arc;

/// Waits until the cluster is in the scenario's state.
pub(crate) async fn wait_until_settled(store: &Arc<Store>, scenario: &Scenario) {
    let lost = &scenario.lost_nodes;
    if lost.is_empty() {
        return wait_until_ready(store.clone(), scenario.never_ready.clone()).await;
    }
    let all_lost = |store: &Store| {
        let node = |name: &str| store.get(&Key::new("nodes", "", name));
        let pods = store.list("pods", None).0;
        let quiet = |name: &str| pods.iter().filter(|pod| pod["spec"]["nodeName"] == name).all(|pod| !is_ready(pod));
        lost.iter().all(|name| node(name).is_some_and(|node| !is_ready(&node)) && quiet(name))
    };
    wait_until(store, all_lost).await;
}

/// Waits until the pods of all StatefulSets are Ready, except those that never will be.
pub(crate) async fn wait_until_ready(store: Arc<Store>, never: Vec<PodName>) {
    let all = |store: &Store| {
        let pods = store.list("pods", None).0;
        store.list("statefulsets", None).0.iter().all(|set| {
            (0..set["spec"]["replicas"].as_u64().unwrap_or(1)).all(|ordinal| {
                let wanted = PodName { namespace: namespace(set).to_owned(), pod: format!("{}-{ordinal}", name(set)) };
                let found = pods.iter().find(|pod| namespace(pod) == wanted.namespace && name(pod) == wanted.pod);
                found.is_some_and(|pod| {
                    let settled = is_ready(pod) || (never.contains(&wanted) && pod["status"]["phase"] == "Running");
                    settled && !is_terminating(pod)
                })
            })
        })
    };
    wait_until(&store, all).await;
}

/// Waits until a condition holds, checking after each change.
async fn wait_until(store: &Store, holds: impl Fn(&Store) -> bool) {
    loop {
        let since = store.version();
        if holds(store) {
            return;
        }
        if let Ok(mut watcher) = store.watch(since) {
            watcher.next().await;
        }
    }
}
