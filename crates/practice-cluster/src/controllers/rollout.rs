//! Rolling a StatefulSet out to a new template: which pods are replaced, which template a new one has, and the set's
//! status.

use super::revision::REVISION_LABEL;
use crate::objects::{is_ready, is_terminating, namespace, uid};
use crate::store::{Key, Preconditions, Store};
use crate::values::{items_at, text_at};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Whether a pod counts as one of those that are down.
fn unavailable(pod: &Value) -> bool {
    !is_ready(pod) || is_terminating(pod)
}

/// How many pods a rolling update may have down at once.
fn max_unavailable(strategy: &Value, replicas: usize) -> usize {
    let most = match &strategy["rollingUpdate"]["maxUnavailable"] {
        Value::String(percent) => percent.trim_end_matches('%').parse::<usize>().unwrap_or(0) * replicas / 100,
        number => number.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(1),
    };
    most.max(1)
}

/// The pods of a set that are to be replaced now, given those it should have, by ordinal.
pub(super) fn to_replace<'p>(
    set: &Value,
    pods: &'p [(u64, Arc<Value>)],
    wanted: &Range<u64>,
    revision: &str,
) -> Vec<&'p Arc<Value>> {
    let strategy = &set["spec"]["updateStrategy"];
    if strategy["type"] != "RollingUpdate" {
        return Vec::new();
    }
    let partition = wanted.start + strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    let replicas = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
    let ours = || pods.iter().rev().filter(|(ordinal, _)| wanted.contains(ordinal));
    let old = |pod: &Value| pod["metadata"]["labels"][REVISION_LABEL] != revision && !is_terminating(pod);
    let down = replicas.saturating_sub(ours().filter(|(_, pod)| !unavailable(pod)).count());
    let budget = max_unavailable(strategy, replicas).saturating_sub(down);
    let due = || ours().filter(|(ordinal, pod)| *ordinal >= partition && old(pod)).map(|(_, pod)| pod);
    if set["spec"]["podManagementPolicy"] == "Parallel" {
        // What is down already loses nothing by being replaced.
        let broken = due().filter(|pod| unavailable(pod));
        return broken.chain(due().filter(|pod| !unavailable(pod)).take(budget)).collect();
    }
    due().take(budget).collect()
}

/// Template and revision of an ordinal's new pod: below a rolling update's partition it is the current one.
pub(super) fn template(store: &Store, set: &Value, ordinal: u64, revision: &str) -> (Value, String) {
    let strategy = &set["spec"]["updateStrategy"];
    let start = set["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
    let partition = start + strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    let current = text_at(set, "/status/currentRevision");
    if strategy["type"] == "RollingUpdate"
        && ordinal < partition
        && let Some(kept) = store.get(&Key::new("controllerrevisions", namespace(set), current))
    {
        return (kept["data"]["spec"]["template"].clone(), current.to_owned());
    }
    (set["spec"]["template"].clone(), revision.to_owned())
}

/// Writes the set's status.
pub(super) fn write_status(store: &Store, key: &Key, set: &Value, pods: &[(u64, Arc<Value>)], revision: &str) {
    let alive = || pods.iter().map(|(_, pod)| pod).filter(|pod| !is_terminating(pod));
    let of = |revision: &str| alive().filter(|pod| pod["metadata"]["labels"][REVISION_LABEL] == revision).count();
    let updated = of(revision);
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let available = pods.iter().filter(|(_, pod)| available_in(set, pod) == Some(Duration::ZERO)).count();
    let replicas = pods.len();
    let all = set["spec"]["replicas"].as_u64().and_then(|all| usize::try_from(all).ok()).unwrap_or(1);
    let preconditions = Preconditions::uid(uid(set));
    // The set may be gone by now: nothing to write then.
    let _ = store.update(key, &preconditions, false, |set| {
        let old = text_at(set, "/status/currentRevision").to_owned();
        let complete = old.is_empty() || (updated == all && ready == all && replicas == all);
        let current = if complete { revision.to_owned() } else { old };
        for (field, value) in [
            ("observedGeneration", set["metadata"]["generation"].clone()),
            ("replicas", json!(replicas)),
            ("readyReplicas", json!(ready)),
            ("availableReplicas", json!(available)),
            ("currentReplicas", json!(of(&current))),
            ("updatedReplicas", json!(updated)),
            ("currentRevision", json!(current)),
            ("updateRevision", json!(revision)),
            ("collisionCount", json!(0)),
        ] {
            set["status"][field] = value;
        }
        Ok(())
    });
}

/// How long it is until a pod is available: Ready for `minReadySeconds`. `None` while it is not Ready.
pub(super) fn available_in(set: &Value, pod: &Value) -> Option<Duration> {
    if !is_ready(pod) {
        return None;
    }
    let wanted = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let conditions = items_at(pod, "/status/conditions").iter();
    let since = conditions.filter(|one| one["type"] == "Ready").find_map(|one| one["lastTransitionTime"].as_str());
    let since: Option<Timestamp> = since.and_then(|since| since.parse().ok());
    let for_seconds = since.map_or(0, |since| Timestamp::now().duration_since(since).as_secs());
    Some(Duration::from_secs(u64::try_from(wanted - for_seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods by what they are: `n` new and ready, `o` old and ready, `x` old and unready, `N` new and unready, `t` old
    /// and terminating.
    fn replaced(set: &Value, pods: &str) -> Vec<u64> {
        let pod = |kind: char| {
            let revision = if matches!(kind, 'n' | 'N') { "new" } else { "old" };
            let ready = if matches!(kind, 'n' | 'o') { "True" } else { "False" };
            let mut pod = json!({"metadata": {"labels": {REVISION_LABEL: revision}},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}});
            if kind == 't' {
                pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            pod
        };
        let pods: Vec<(u64, Arc<Value>)> = (0..).zip(pods.chars().map(|kind| Arc::new(pod(kind)))).collect();
        let wanted = 0..u64::try_from(pods.len()).unwrap();
        let due = to_replace(set, &pods, &wanted, "new");
        due.iter().map(|pod| pods.iter().find(|(_, other)| Arc::ptr_eq(pod, other)).unwrap().0).collect()
    }

    #[test]
    fn pods_are_replaced_from_the_highest_within_the_budget() {
        let set =
            |policy: &str, update: Value| json!({"spec": {"podManagementPolicy": policy, "updateStrategy": update}});
        let rolling = |partition: u64, most: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition, "maxUnavailable": most}});
        let ordered = |update: Value| set("OrderedReady", update);
        let parallel = |update: Value| set("Parallel", update);
        for (set, pods, expected) in [
            (ordered(rolling(0, Value::Null)), "ooo", vec![2]),
            (ordered(rolling(0, Value::Null)), "oot", vec![]),
            (ordered(rolling(0, Value::Null)), "ooN", vec![]),
            (ordered(rolling(0, Value::Null)), "oon", vec![1]),
            (ordered(rolling(0, Value::Null)), "nnn", vec![]),
            (ordered(rolling(2, Value::Null)), "oon", vec![]),
            (ordered(rolling(0, json!(2))), "ooo", vec![2, 1]),
            (ordered(rolling(0, json!("67%"))), "ooo", vec![2, 1]),
            (ordered(rolling(0, json!("10%"))), "ooo", vec![2]),
            (ordered(json!({"type": "OnDelete"})), "ooo", vec![]),
            // A broken pod of the old template is replaced first, so that it does not block the update forever.
            (parallel(rolling(0, Value::Null)), "xoo", vec![0]),
            (parallel(rolling(0, Value::Null)), "Noo", vec![]),
            (parallel(rolling(0, Value::Null)), "ooo", vec![2]),
            (ordered(rolling(0, Value::Null)), "xoo", vec![]),
        ] {
            assert_eq!(replaced(&set, pods), expected, "{set} {pods}");
        }
    }
}
