//! The scheduler: assigns pods to nodes, and reports why it cannot.

use super::ephemeral::not_for;
use super::events::{EventType, Source};
use super::volume_match::{class, find, reaches};
use super::volume_objects::SELECTED_NODE;
use super::volumes::NO_PROVISIONER;
use super::{Context, Controller, Requeue};
use crate::objects::{
    annotate, annotation, claim, claims, ephemeral_claim, is_terminating, key, name, namespace, set_condition, uid,
    volume,
};
use crate::store::{Key, Preconditions};
use crate::values::{items_at, text_at};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::node_affinity::matches_node;
use super::tolerations::tolerates;

const SOURCE: Source<'static> = Source::of("default-scheduler");

/// Taint of a cordoned node.
pub(crate) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// See the module.
pub(crate) struct Scheduler {
    context: Context,
    /// The last message about a pod (by UID): it is repeated only when it changes.
    reported: HashMap<String, String>,
    /// Nodes chosen for pods (by UID) whose volumes are still being provisioned there.
    chosen: HashMap<String, String>,
}

/// Where a pod can go, given its claims and the nodes.
enum Placement {
    /// It goes to that node.
    Bind(String),
    /// Its claims first need volumes on that node.
    Provision(String),
    /// Its volumes are being provisioned.
    Wait,
    /// It cannot be placed: why.
    Impossible(String),
}

impl Scheduler {
    /// The controller.
    pub(crate) fn new(context: Context) -> Scheduler {
        Scheduler { context, reported: HashMap::new(), chosen: HashMap::new() }
    }

    fn place(&self, pod: &Value) -> Placement {
        let store = &self.context.store;
        let mut bound = Vec::new();
        let mut selected = None;
        let (mut waiting, mut by_hand) = (Vec::new(), Vec::new());
        for wanted in claims(pod) {
            let Some(claim) = claim(store, namespace(pod), &wanted) else {
                let why = match items_at(pod, "/spec/volumes")
                    .iter()
                    .any(|it| ephemeral_claim(pod, it).as_deref() == Some(&wanted))
                {
                    true => {
                        format!(
                            "waiting for ephemeral volume controller to create the persistentvolumeclaim \"{wanted}\""
                        )
                    }
                    false => format!("persistentvolumeclaim \"{wanted}\" not found"),
                };
                return Placement::Impossible(why);
            };
            if let Some(why) = not_for(pod, &wanted, &claim) {
                return Placement::Impossible(why);
            }
            if is_terminating(&claim) {
                return Placement::Impossible(format!("persistentvolumeclaim \"{wanted}\" is being deleted"));
            }
            if text_at(&claim, "/status/phase") == "Lost" {
                let lost = text_at(&claim, "/spec/volumeName");
                return Placement::Impossible(format!(
                    "persistentvolumeclaim \"{wanted}\" bound to non-existent persistentvolume \"{lost}\""
                ));
            }
            if text_at(&claim, "/status/phase") == "Bound" {
                bound.extend(volume(store, text_at(&claim, "/spec/volumeName")));
                continue;
            }
            let class = Key::new("storageclasses", "", class(&claim));
            let waits = store.get(&class).is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer");
            if !waits {
                return Placement::Impossible("pod has unbound immediate PersistentVolumeClaims".to_owned());
            }
            if store.get(&class).is_some_and(|class| class["provisioner"] == NO_PROVISIONER) {
                by_hand.push(claim.clone());
            }
            let node = annotation(&claim, SELECTED_NODE);
            if !node.is_empty() {
                selected = Some(node.to_owned());
            }
            waiting.push(claim);
        }
        match (self.choose_node(pod, &bound, &by_hand), waiting.is_empty(), selected) {
            (Err(why), ..) => Placement::Impossible(why),
            (Ok(node), true, _) => Placement::Bind(node),
            (Ok(_), false, Some(node)) if waiting.iter().all(|claim| annotation(claim, SELECTED_NODE) == node) => {
                Placement::Wait
            }
            (Ok(_), false, Some(node)) | (Ok(node), false, None) => Placement::Provision(node),
        }
    }

    /// The node chosen before; else the one with the fewest pods of the same owner, then with the fewest pods; or why
    /// there is none.
    fn choose_node(&self, pod: &Value, bound: &[Arc<Value>], by_hand: &[Arc<Value>]) -> Result<String, String> {
        let volumes = self.context.store.list("persistentvolumes", None).0;
        let nodes = self.context.store.list("nodes", None).0;
        let pods = self.context.store.list("pods", None).0;
        let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
        let mut reasons: Vec<(String, usize)> = Vec::new();
        let mut best: Option<((usize, usize), String)> = None;
        for node in &nodes {
            let unbound = by_hand.iter().any(|claim| find(&volumes, claim, Some(node), false).is_none());
            if let Some(reason) = reason_against(node, pod, bound, unbound) {
                match reasons.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, count)) => *count += 1,
                    None => reasons.push((reason, 1)),
                }
                continue;
            }
            if self.chosen.get(uid(pod)).is_some_and(|chosen| chosen == name(node)) {
                return Ok(name(node).to_owned());
            }
            let is_here = |other: &&Arc<Value>| {
                text_at(other, "/spec/nodeName") == name(node)
                    || self.chosen.get(uid(other)).is_some_and(|chosen| chosen == name(node))
            };
            let here = || pods.iter().filter(is_here);
            let siblings = here().filter(|other| other["metadata"]["ownerReferences"][0]["uid"] == *owner).count();
            let rank = (siblings, here().count());
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, name(node).to_owned()));
            }
        }
        best.map(|(_, node)| node).ok_or_else(|| {
            let mut counted: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            counted.sort();
            counted.join(", ")
        })
    }

    fn bind(&mut self, pod: &Value, node: &str) {
        self.forget(uid(pod));
        let bound = self.context.store.update(&key("pods", pod), &Preconditions::uid(uid(pod)), false, |pod| {
            pod["spec"]["nodeName"] = json!(node);
            set_condition(pod, "PodScheduled", "True", "", "");
            Ok(())
        });
        if bound.is_ok() {
            let message = format!("Successfully assigned {}/{} to {node}", namespace(pod), name(pod));
            self.context.events.record(pod, EventType::Normal, SOURCE, "Scheduled", &message);
        }
    }

    fn forget(&mut self, uid: &str) {
        self.reported.remove(uid);
        self.chosen.remove(uid);
    }

    fn provision(&mut self, pod: &Value, node: &str) {
        self.chosen.insert(uid(pod).to_owned(), node.to_owned());
        for wanted in claims(pod) {
            let key = Key::new("persistentvolumeclaims", namespace(pod), wanted);
            // Gone by now: the next reconcile reports it.
            let _ = self.context.store.update(&key, &Preconditions::default(), false, |claim| {
                if text_at(claim, "/status/phase") == "Pending" {
                    annotate(claim, SELECTED_NODE, node);
                }
                Ok(())
            });
        }
    }

    fn refuse(&mut self, pod: &Value, why: &str) {
        let nodes = self.context.store.list("nodes", None).0.len();
        let message = match nodes {
            0 => "no nodes available to schedule pods".to_owned(),
            _ => format!(
                "0/{nodes} nodes are available: {why}. preemption: 0/{nodes} nodes are available: {nodes} Preemption is \
                 not helpful for scheduling."
            ),
        };
        if self.reported.get(uid(pod)) == Some(&message) {
            return;
        }
        // The pod may be gone by now: then there is nothing to report.
        let _ = self.context.store.update(&key("pods", pod), &Preconditions::uid(uid(pod)), false, |pod| {
            set_condition(pod, "PodScheduled", "False", "Unschedulable", &message);
            Ok(())
        });
        self.context.events.record(pod, EventType::Warning, SOURCE, "FailedScheduling", &message);
        self.reported.insert(uid(pod).to_owned(), message);
    }
}

/// Why a node does not take a pod: in the scheduler's words and in the order of its filters, or `None`.
fn reason_against(node: &Value, pod: &Value, volumes: &[Arc<Value>], unbound: bool) -> Option<String> {
    let cordoned = json!({"key": UNSCHEDULABLE, "effect": "NoSchedule"});
    if node["spec"]["unschedulable"] == true && !tolerates(pod, &cordoned) {
        return Some("node(s) were unschedulable".to_owned());
    }
    let mut taints = items_at(node, "/spec/taints").iter().filter(|taint| taint["effect"] != "PreferNoSchedule");
    if taints.any(|taint| !tolerates(pod, taint)) {
        return Some("node(s) had untolerated taint(s)".to_owned());
    }
    let labels = &node["metadata"]["labels"];
    let selected =
        pod["spec"]["nodeSelector"].as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value);
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    if !selected || !matches_node(required, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if volumes.iter().any(|volume| !reaches(volume, node)) {
        return Some("node(s) didn't match PersistentVolume's node affinity".to_owned());
    }
    unbound.then(|| "node(s) didn't find available persistent volumes to bind".to_owned())
}

impl Controller for Scheduler {
    fn kinds(&self) -> &'static [&'static str] {
        &["pods"]
    }

    fn concerned(&self, changed: &Key, _object: &Value) -> Vec<Key> {
        let waiting = |namespace: Option<&str>| {
            let pods = self.context.store.list("pods", namespace).0;
            pods.iter()
                .filter(|pod| text_at(pod, "/spec/nodeName").is_empty())
                .map(|pod| key("pods", pod))
                .collect::<Vec<_>>()
        };
        match changed.resource {
            "pods" => vec![changed.clone()],
            "persistentvolumeclaims" => waiting(Some(&changed.namespace)),
            "nodes" | "persistentvolumes" | "storageclasses" => waiting(None),
            _ => Vec::new(),
        }
    }

    fn in_manager(&self) -> bool {
        false
    }

    fn reconcile(&mut self, key: &Key) -> Requeue {
        let Some(pod) = self.context.store.get(key) else {
            // Forget pods that are gone.
            let uids: HashSet<String> =
                self.context.store.list("pods", None).0.iter().map(|pod| uid(pod).to_owned()).collect();
            self.reported.retain(|uid, _| uids.contains(uid));
            self.chosen.retain(|uid, _| uids.contains(uid));
            return Requeue::Never;
        };
        if is_terminating(&pod) || !text_at(&pod, "/spec/nodeName").is_empty() {
            self.forget(uid(&pod));
            return Requeue::Never;
        }
        match self.place(&pod) {
            Placement::Bind(node) => self.bind(&pod, &node),
            Placement::Provision(node) => self.provision(&pod, &node),
            Placement::Wait => {}
            Placement::Impossible(why) => self.refuse(&pod, &why),
        }
        Requeue::Never
    }
}
