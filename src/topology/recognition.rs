//! Recognizes the components of a namespace: looks up its StatefulSets and pods in the layout by labels and name.

use super::layout::{ComponentLayout, Layout, LookalikeEvidence, Recognized, RecognizedBy, SpaceKind};
use super::model::{Owner, Stranger, Unrecognized};
use super::ownership::{Ownership, ownership};
use super::pod_status;
use crate::cluster::snapshot::NamespaceObjects;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;

/// Kubernetes labels.
pub(super) type Labels = BTreeMap<String, String>;

/// What was found in a namespace.
pub(super) struct Recognition<'s> {
    /// The workloads that the layout recognizes, by their names.
    pub(super) workloads: BTreeMap<String, Found<'s>>,
    /// Pods that belong to no component.
    pub(super) strangers: Vec<Stranger>,
    /// What looks like SynxDB's but matches no rule, by the name of its workload.
    pub(super) unrecognized: Vec<Unrecognized>,
}

/// A workload that the layout recognizes.
pub(super) struct Found<'s> {
    /// The rule that it matches.
    pub(super) rule: &'s ComponentLayout,
    /// What it was recognized by.
    pub(super) by: RecognizedBy,
    /// The labels of its pods.
    pub(super) labels: Labels,
    /// Its pods.
    pub(super) pods: Vec<&'s Pod>,
}

/// Looks up everything in a namespace of this kind.
///
/// A pod is what its StatefulSet is: a client that may change a pod's own labels cannot make it a member. Its own
/// labels count if it has no StatefulSet that could be read.
pub(super) fn recognition<'s>(objects: &'s NamespaceObjects, kind: SpaceKind, layout: &'s Layout) -> Recognition<'s> {
    let mut workloads: BTreeMap<String, Found<'s>> = BTreeMap::new();
    let mut strangers = Vec::new();
    let mut unrecognized: BTreeMap<String, (LookalikeEvidence, Vec<String>)> = BTreeMap::new();
    let sets: BTreeMap<&str, (&StatefulSet, Labels)> = objects
        .stateful_sets
        .items()
        .iter()
        .filter_map(|set| Some((set.metadata.name.as_deref()?, (set, labels_of_set(set)))))
        .collect();
    for (name, (_, labels)) in &sets {
        match layout.recognize(kind, name, labels) {
            Recognized::As(rule, by) => {
                let labels = labels.clone();
                workloads.entry((*name).to_owned()).or_insert(Found { rule, by, labels, pods: Vec::new() });
            }
            Recognized::Not(evidence) => {
                unrecognized.entry((*name).to_owned()).or_insert((evidence, Vec::new()));
            }
            Recognized::Unrelated => {}
        }
    }
    for pod in objects.pods.items() {
        let (name, own) = (pod_name(pod), pod.metadata.labels.clone().unwrap_or_default());
        let workload = workload_name(pod);
        let owner = owner(pod);
        if finished(pod) && !owner.as_ref().is_some_and(Owner::is_stateful_set) {
            strangers.push(Stranger { name, poses: None });
            continue;
        }
        let set = owner.as_ref().filter(|owner| owner.is_stateful_set()).and_then(|_| sets.get(workload.as_str()));
        let labels = set.map_or(&own, |(_, labels)| labels);
        match layout.recognize(kind, &workload, labels) {
            Recognized::As(rule, by) => match ownership(pod, owner.as_ref(), &objects.stateful_sets) {
                Ownership::Refuted(why) => strangers.push(Stranger { name, poses: Some((rule.role, why)) }),
                Ownership::Confirmed | Ownership::Unconfirmed(_) => {
                    let labels = labels.clone();
                    let found = workloads.entry(workload).or_insert(Found { rule, by, labels, pods: Vec::new() });
                    found.pods.push(pod);
                }
            },
            Recognized::Not(evidence) => {
                strangers.push(Stranger { name: name.clone(), poses: None });
                unrecognized.entry(workload).or_insert((evidence, Vec::new())).1.push(name);
            }
            Recognized::Unrelated => strangers.push(Stranger { poses: poses(pod, &own, kind, layout), name }),
        }
    }
    if workloads.is_empty() && unrecognized.is_empty() {
        unrecognized = by_its_namespace(objects, kind, layout, &strangers);
    }
    let namespace = &objects.namespace;
    let unrecognized = unrecognized.into_iter().map(|(workload, (evidence, pods))| Unrecognized {
        namespace: namespace.clone(),
        workload,
        pods,
        evidence,
    });
    Recognition { workloads, strangers, unrecognized: unrecognized.collect() }
}

/// Returns the pods of a namespace that is named like one of SynxDB's and in which nothing is recognized. If the name
/// may be a coincidence, they count only if none is Ready: then the unrecognized pods may be an account that is down.
fn by_its_namespace(
    objects: &NamespaceObjects,
    kind: SpaceKind,
    layout: &Layout,
    strangers: &[Stranger],
) -> BTreeMap<String, (LookalikeEvidence, Vec<String>)> {
    let mut found: BTreeMap<String, (LookalikeEvidence, Vec<String>)> = BTreeMap::new();
    let name = &objects.namespace;
    let called_so = layout.space_kind(name).is_some() && kind != SpaceKind::Management;
    let posing = |pod: &&Pod| strangers.iter().any(|one| one.poses.is_some() && one.name == pod_name(pod));
    let pods = objects.pods.items().iter().filter(|pod| !finished(pod) && !posing(pod));
    let pods: Vec<&Pod> = pods.collect();
    let ready = |pod: &&Pod| pod_status::condition(pod, "Ready").is_some_and(|condition| condition.0 == "True");
    if called_so && (layout.is_certain(name) || !pods.iter().any(ready)) {
        for pod in pods {
            let (_, names) = found.entry(workload_name(pod)).or_insert((LookalikeEvidence::Namespace, Vec::new()));
            names.push(pod_name(pod));
        }
    }
    found
}

/// Returns which role a pod of an unrelated workload claims to have, and why it does not: it has a member's name, or a
/// label that its workload does not set.
fn poses(pod: &Pod, labels: &Labels, kind: SpaceKind, layout: &Layout) -> Option<(super::Role, String)> {
    let owner = owner(pod)?;
    let Recognized::As(rule, by) = layout.recognize(kind, without_last(&pod_name(pod)), labels) else { return None };
    let whose = format!("its owner is the {} {}", owner.kind, owner.name);
    Some((
        rule.role,
        match by {
            RecognizedBy::Name => whose,
            RecognizedBy::Label => format!("{whose}, which gives its pods no such label"),
        },
    ))
}

/// Returns the labels that a StatefulSet gives its pods; its own if it sets none.
fn labels_of_set(set: &StatefulSet) -> Labels {
    let mut labels = set.metadata.labels.clone().unwrap_or_default();
    let template = set.spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    labels.extend(template.unwrap_or_default());
    labels
}

/// Returns whether a pod has finished: a Job's, a backup's.
fn finished(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Succeeded")
}

fn pod_name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

/// Returns the name of the workload of a pod: its StatefulSet's, or its ReplicaSet's without the hash, or its own
/// without the ordinal.
fn workload_name(pod: &Pod) -> String {
    let owner = owner(pod);
    let owner = owner.as_ref().map(|owner| (owner.kind.as_str(), owner.name.as_str()));
    name_of_workload(pod.metadata.name.as_deref().unwrap_or_default(), owner)
}

/// Returns the same, from the pod's name, and kind and name of its owner.
pub(super) fn name_of_workload(pod: &str, owner: Option<(&str, &str)>) -> String {
    match owner {
        Some(("StatefulSet", name)) => name.to_owned(),
        Some(("ReplicaSet", name)) => without_last(name).to_owned(),
        _ => without_last(pod).to_owned(),
    }
}

/// Returns a name without the part after its last dash.
fn without_last(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(front, _)| front)
}

/// Returns the controller of a pod.
pub(super) fn owner(pod: &Pod) -> Option<Owner> {
    let references = pod.metadata.owner_references.as_ref()?;
    let controller = references.iter().find(|reference| reference.controller == Some(true))?;
    // Other API groups have StatefulSets, too.
    let kind = match (&*controller.kind, controller.api_version.split_once('/')) {
        (kind, Some((group, _))) if kind == "StatefulSet" && group != "apps" => format!("{kind}.{group}"),
        (kind, _) => kind.to_owned(),
    };
    Some(Owner { kind, name: controller.name.clone(), uid: controller.uid.clone() })
}

#[cfg(test)]
#[path = "recognition_tests.rs"]
mod tests;
