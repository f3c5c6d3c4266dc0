//! PodDisruptionBudgets: how many pods may be disrupted now. The arithmetic of the disruption controller.

use super::selector::Selector;
use crate::objects::is_terminating;
use crate::store::{Key, Preconditions, Store};
use crate::values::text;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const BUDGETS: &str = "poddisruptionbudgets";

/// The pods of a budget, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) healthy: i64,
    pub(super) desired: i64,
    expected: i64,
}

impl Count {
    pub(super) fn allowed(self) -> i64 {
        if self.expected == 0 { 0 } else { (self.healthy - self.desired).max(0) }
    }
}

/// Brings the status of every budget up to date.
pub(super) fn refresh_all(store: &Store) {
    for budget in store.list(BUDGETS, None).0 {
        refresh_one(store, &budget);
    }
}

/// Brings the status of a namespace's budgets up to date.
pub(super) fn refresh(store: &Store, namespace: &str) {
    for budget in store.list(BUDGETS, Some(namespace)).0 {
        refresh_one(store, &budget);
    }
}

fn refresh_one(store: &Store, budget: &Value) {
    let count = count(store, budget);
    let key = Key::new(BUDGETS, text(&budget["metadata"]["namespace"]), text(&budget["metadata"]["name"]));
    let uid = text(&budget["metadata"]["uid"]);
    // The budget may be gone by now: then it needs no status.
    let _ = store.update(&key, &Preconditions::uid(uid), false, |budget| {
        budget["status"] = json!({
            "currentHealthy": count.healthy,
            "desiredHealthy": count.desired,
            "disruptionsAllowed": count.allowed(),
            "expectedPods": count.expected,
            "observedGeneration": budget["metadata"]["generation"]
        });
        Ok(())
    });
}

pub(super) fn count(store: &Store, budget: &Value) -> Count {
    let namespace = text(&budget["metadata"]["namespace"]);
    let selector = Selector::from_label_selector(&budget["spec"]["selector"]);
    let mut pods = store.list("pods", Some(namespace)).0;
    pods.retain(|pod| selector.matches(pod));
    let replicas = |owner: &str| {
        let set = store.get(&Key::new("statefulsets", namespace, owner));
        set.and_then(|set| set["spec"]["replicas"].as_i64())
    };
    count_of(&budget["spec"], &pods, replicas)
}

/// Pure part: `replicas` tells what a StatefulSet is asked to have.
fn count_of(spec: &Value, pods: &[Arc<Value>], replicas: impl Fn(&str) -> Option<i64>) -> Count {
    let ready = |pod: &Value| {
        !is_terminating(pod)
            && pod["status"]["conditions"]
                .as_array()
                .is_some_and(|list| list.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
    };
    let healthy = pods.iter().filter(|pod| ready(pod)).count();
    // What the owners ask for counts, not what there happens to be.
    let mut owners: Vec<&str> = Vec::new();
    let mut unowned = 0;
    for pod in pods {
        let owner = pod["metadata"]["ownerReferences"]
            .as_array()
            .and_then(|list| list.iter().find(|o| o["controller"] == true && o["kind"] == "StatefulSet"));
        match owner.map(|owner| text(&owner["name"])) {
            Some(name) if !owners.contains(&name) => owners.push(name),
            Some(_) => {}
            None => unowned += 1,
        }
    }
    let asked: i64 = owners.iter().filter_map(|owner| replicas(owner)).sum();
    let expected = asked + unowned;
    let scaled = |value: &Value| match value {
        Value::String(percent) => {
            let percent: i64 = percent.trim_end_matches('%').parse().unwrap_or(0);
            // Both kinds of budget round a percentage up.
            (expected * percent + 99) / 100
        }
        number => number.as_i64().unwrap_or(0),
    };
    let desired = if spec["maxUnavailable"].is_null() {
        let minimum = &spec["minAvailable"];
        if minimum.is_null() { 1 } else { scaled(minimum) }
    } else {
        (expected - scaled(&spec["maxUnavailable"])).max(0)
    };
    Count { healthy: i64::try_from(healthy).unwrap_or(i64::MAX), desired, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_count_requested_resources() {
        let pod = |ready: &str| {
            Arc::new(json!({
                "metadata": {"ownerReferences": [{"kind": "StatefulSet", "name": "s", "controller": true}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}
            }))
        };
        let replicas = |_: &str| Some(3);
        let all = [pod("True"), pod("True"), pod("True")];
        let some = [pod("True"), pod("False"), pod("True")];
        for (spec, pods, desired, allowed) in [
            (json!({"maxUnavailable": 1}), &all, 2, 1),
            (json!({"maxUnavailable": 1}), &some, 2, 0),
            (json!({"minAvailable": 2}), &all, 2, 1),
            (json!({"minAvailable": "50%"}), &all, 2, 1),
            (json!({"minAvailable": "100%"}), &all, 3, 0),
            (json!({"maxUnavailable": "34%"}), &all, 1, 2),
        ] {
            let count = count_of(&spec, pods, replicas);
            assert_eq!((count.desired, count.allowed()), (desired, allowed), "{spec}");
        }
        // One pod of three is not there at all: it still counts as expected.
        let count = count_of(&json!({"maxUnavailable": 1}), &all[..2], replicas);
        assert_eq!(count, Count { healthy: 2, desired: 2, expected: 3 });
        assert_eq!(count_of(&json!({"maxUnavailable": 1}), &[], replicas).allowed(), 0);
    }
}
