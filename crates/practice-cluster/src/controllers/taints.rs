//! Taints: the one of a cordoned node, and the eviction of pods that do not tolerate their node's `NoExecute` taints.

use super::events::{EventType, Source};
use super::nodes::{add_taint, drop_taints};
use super::scheduler::UNSCHEDULABLE;
use super::tolerations::tolerated_by;
use super::{Context, Controller, Requeue};
use crate::objects::{is_finished, is_terminating, key, name, namespace, now, set_condition, uid};
use crate::store::{DeleteOptions, Key, Preconditions};
use crate::values::{items_at, text_at};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

const SOURCE: Source<'static> = Source::of("taint-eviction-controller");

/// Taints the nodes that are cordoned.
pub(crate) struct Cordons {
    context: Context,
}

/// Deletes pods from tainted nodes, immediately or after they have tolerated the taint long enough.
pub(crate) struct TaintEviction {
    context: Context,
    /// Since when a pod (by UID) has been tolerating.
    since: HashMap<String, Instant>,
}

impl Cordons {
    /// The controller.
    pub(crate) fn new(context: Context) -> Cordons {
        Cordons { context }
    }
}

impl Controller for Cordons {
    fn kinds(&self) -> &'static [&'static str] {
        &["nodes"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        if changed.resource == "nodes" { vec![changed.clone()] } else { Vec::new() }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let tainted = |node: &Value| items_at(node, "/spec/taints").iter().any(|taint| taint["key"] == UNSCHEDULABLE);
        // Gone by now: nothing to taint. Unchanged: nothing is written.
        let _ = self.context.store.update(key, &Preconditions::default(), false, |node| {
            if node["spec"]["unschedulable"] == true {
                add_taint(node, json!({"key": UNSCHEDULABLE, "effect": "NoSchedule", "timeAdded": now()}));
            } else if tainted(node) {
                drop_taints(node, UNSCHEDULABLE);
            }
            Ok(())
        });
        Requeue::Never
    }
}

impl TaintEviction {
    /// The controller.
    pub(crate) fn new(context: Context) -> TaintEviction {
        TaintEviction { context, since: HashMap::new() }
    }

    fn evict(&self, pod: &Value) {
        let message = format!("Marking for deletion Pod {}/{}", namespace(pod), name(pod));
        self.context.events.record(pod, EventType::Normal, SOURCE, "TaintManagerEviction", &message);
        let wanted = Preconditions::uid(uid(pod));
        // Gone or replaced by now: nothing to do.
        let _ = self.context.store.update(&key("pods", pod), &wanted, false, |pod| {
            let message = "Taint manager: deleting due to NoExecute taint";
            set_condition(pod, "DisruptionTarget", "True", "DeletionByTaintManager", message);
            Ok(())
        });
        let options = DeleteOptions { preconditions: wanted, ..DeleteOptions::default() };
        let _ = self.context.store.delete(&key("pods", pod), &options);
    }
}

/// How long a pod stays on a node with these `NoExecute` taints; `None` is forever.
fn stays(pod: &Value, taints: &[&Value]) -> Option<Duration> {
    let mut shortest = None;
    for taint in taints {
        let tolerations = items_at(pod, "/spec/tolerations").iter();
        let mut used = tolerations.filter(|toleration| tolerated_by(toleration, taint)).peekable();
        if used.peek().is_none() {
            return Some(Duration::ZERO);
        }
        for seconds in used.filter_map(|toleration| toleration["tolerationSeconds"].as_i64()) {
            let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            shortest = Some(shortest.map_or(time, |known: Duration| known.min(time)));
        }
    }
    shortest
}

impl Controller for TaintEviction {
    fn kinds(&self) -> &'static [&'static str] {
        &["pods"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        match changed.resource {
            "pods" => vec![changed.clone()],
            "nodes" => {
                let pods = self.context.store.list("pods", None).0;
                let there = pods.iter().filter(|pod| text_at(pod, "/spec/nodeName") == changed.name);
                there.map(|pod| key("pods", pod)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let store = &self.context.store;
        let Some(pod) = store.get(key).filter(|pod| !is_terminating(pod) && !is_finished(pod)) else {
            let present: HashSet<String> = store.list("pods", None).0.iter().map(|pod| uid(pod).to_owned()).collect();
            self.since.retain(|uid, _| present.contains(uid));
            return Requeue::Never;
        };
        let node = store.get(&Key::new("nodes", "", text_at(&pod, "/spec/nodeName")));
        let taints: Vec<&Value> = node
            .iter()
            .flat_map(|node| items_at(node, "/spec/taints"))
            .filter(|taint| taint["effect"] == "NoExecute")
            .collect();
        let Some(time) = stays(&pod, &taints) else {
            if self.since.remove(uid(&pod)).is_some() {
                let message = format!("Cancelling deletion of Pod {}/{}", namespace(&pod), name(&pod));
                self.context.events.record(&pod, EventType::Normal, SOURCE, "TaintManagerEviction", &message);
            }
            return Requeue::Never;
        };
        let since = *self.since.entry(uid(&pod).to_owned()).or_insert_with(Instant::now);
        let left = time.saturating_sub(since.elapsed());
        if !left.is_zero() {
            return Requeue::After(left);
        }
        self.since.remove(uid(&pod));
        self.evict(&pod);
        Requeue::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_stays_as_long_as_it_tolerates_the_least() {
        let taint = |key: &str| json!({"key": key, "effect": "NoExecute"});
        let (a, b) = (taint("a"), taint("b"));
        let pod = |tolerations: Value| json!({"spec": {"tolerations": tolerations}});
        let tolerates =
            |key: &str, seconds: Value| json!({"key": key, "operator": "Exists", "tolerationSeconds": seconds});
        let seconds = |pod: &Value, taints: &[&Value]| stays(pod, taints).map(|time| time.as_secs());
        let both = pod(json!([tolerates("a", json!(300)), tolerates("b", json!(60))]));
        assert_eq!(seconds(&both, &[&a]), Some(300));
        assert_eq!(seconds(&both, &[&a, &b]), Some(60));
        assert_eq!(seconds(&both, &[]), None);
        assert_eq!(seconds(&pod(json!([tolerates("a", Value::Null)])), &[&a]), None);
        assert_eq!(seconds(&pod(json!([tolerates("a", json!(300))])), &[&a, &b]), Some(0));
    }
}
