//! What a cluster offers a new pod: nodes, storage classes, free volumes, and where a volume can be mounted.

use super::selector;
use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;

/// The provisioner of classes that provision no volumes.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// Annotation of the default class.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its Ready condition.
    pub ready: bool,
    /// Whether it accepts no new pods: `spec.unschedulable`.
    pub cordoned: bool,
}

impl NodeFacts {
    /// Returns whether it accepts new pods.
    pub fn usable(&self) -> bool {
        self.ready && !self.cordoned
    }
}

/// Where a volume can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On any node.
    Anywhere,
    /// Only on these nodes, of those that could be read.
    Nodes(Vec<String>),
    /// On any node, but its data is on one: a folder of the machine (hostPath).
    Folder,
}

/// A StorageClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClassFacts {
    /// Its name.
    pub name: String,
    /// Whether it provisions volumes; otherwise an administrator creates them.
    pub provisions: bool,
    /// Whether claims without a class get this one.
    pub default: bool,
    /// `WaitForFirstConsumer` or `Immediate`.
    pub binding_mode: String,
    /// What happens to its volumes when their claims are deleted.
    pub reclaim_policy: String,
}

pub(super) fn node_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) fn nodes(nodes: &[Node]) -> Vec<NodeFacts> {
    let facts = |node: &Node| NodeFacts {
        name: node.metadata.name.clone().unwrap_or_default(),
        ready: node_ready(node),
        cordoned: node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true),
    };
    nodes.iter().map(facts).collect()
}

pub(super) fn classes(classes: &[StorageClass]) -> Vec<StorageClassFacts> {
    let said_default = |class: &&StorageClass| {
        class.metadata.annotations.as_ref().and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|value| value == "true")
    };
    // Of several the newest, and of these the first by name, as in Kubernetes.
    let default = classes.iter().filter(said_default).max_by(|a, b| {
        let created = |class: &StorageClass| class.metadata.creation_timestamp.as_ref().map(|time| time.0);
        created(a).cmp(&created(b)).then_with(|| b.metadata.name.cmp(&a.metadata.name))
    });
    let default = default.and_then(|class| class.metadata.name.as_ref());
    let facts = |class: &StorageClass| StorageClassFacts {
        name: class.metadata.name.clone().unwrap_or_default(),
        provisions: class.provisioner != NO_PROVISIONER,
        default: default == class.metadata.name.as_ref() && default.is_some(),
        binding_mode: class.volume_binding_mode.clone().unwrap_or_else(|| "Immediate".into()),
        reclaim_policy: class.reclaim_policy.clone().unwrap_or_else(|| "Delete".into()),
    };
    classes.iter().map(facts).collect()
}

/// Returns where a volume can be mounted, given the nodes of the cluster.
pub(super) fn place(volume: &PersistentVolume, nodes: &[Node]) -> Place {
    let Some(spec) = &volume.spec else { return Place::Anywhere };
    match spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref()) {
        Some(required) => {
            let admitted = nodes.iter().filter(|node| selector::admits(required, node));
            Place::Nodes(admitted.filter_map(|node| node.metadata.name.clone()).collect())
        }
        None if spec.host_path.is_some() => Place::Folder,
        None => Place::Anywhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Returns the name of the default class.
    fn default(objects: &[(&str, &str, Option<&str>)]) -> Option<String> {
        let class = |(name, created, annotation): &(&str, &str, Option<&str>)| {
            let annotations = annotation.map(|value| json!({DEFAULT_CLASS: value}));
            let object = json!({"metadata": {"name": name, "creationTimestamp": created, "annotations": annotations},
                "provisioner": "p"});
            serde_json::from_value(object).unwrap()
        };
        let all: Vec<StorageClass> = objects.iter().map(class).collect();
        let mut found = classes(&all).into_iter().filter(|facts| facts.default).map(|facts| facts.name);
        let first = found.next();
        assert_eq!(found.next(), None, "one class is the default, or none is");
        first
    }

    /// A claim without a class gets one of these, and the wrong one would be another kind of disk.
    #[test]
    fn the_default_class_is_the_newest_that_says_so() {
        let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let (yes, no) = (Some("true"), Some("false"));
        for (classes, expected) in [
            (&[][..], None),
            (&[("a", old, None), ("b", old, no)], None),
            (&[("a", old, no), ("b", old, yes)], Some("b")),
            (&[("a", new, no), ("b", old, yes), ("c", new, None)], Some("b")),
            (&[("a", old, yes), ("b", new, yes)], Some("b")),
            (&[("a", new, yes), ("b", old, yes)], Some("a")),
            // Of the same age, the first by name.
            (&[("b", old, yes), ("a", old, yes)], Some("a")),
            (&[("a", old, yes), ("b", old, yes)], Some("a")),
        ] {
            assert_eq!(default(classes).as_deref(), expected, "{classes:?}");
        }
    }

    #[test]
    fn what_a_class_does_not_say_is_as_kubernetes_has_it() {
        let facts = |object: Value| classes(&[serde_json::from_value(object).unwrap()]).remove(0);
        let bare = facts(json!({"metadata": {"name": "a"}, "provisioner": "p"}));
        assert_eq!((&*bare.binding_mode, &*bare.reclaim_policy, bare.provisions), ("Immediate", "Delete", true));
        let said = facts(json!({"metadata": {"name": "a"}, "provisioner": NO_PROVISIONER,
            "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain"}));
        assert_eq!(
            (&*said.binding_mode, &*said.reclaim_policy, said.provisions),
            ("WaitForFirstConsumer", "Retain", false)
        );
    }

    /// Only a folder of the machine is on one node without naming it.
    #[test]
    fn where_a_volume_is_follows_from_its_affinity_or_its_kind() {
        let node = |name: &str| serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let there = [node("n1"), node("n2")];
        let tied = json!({"required": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2", "n3"]}]}]}});
        for (spec, expected) in [
            (Value::Null, Place::Anywhere),
            (json!({"nfs": {"server": "s", "path": "/"}}), Place::Anywhere),
            (json!({"csi": {"driver": "d", "volumeHandle": "h"}, "nodeAffinity": {}}), Place::Anywhere),
            (json!({"hostPath": {"path": "/data"}}), Place::Folder),
            (json!({"hostPath": {"path": "/data"}, "nodeAffinity": tied}), Place::Nodes(vec!["n2".into()])),
            (
                json!({"csi": {"driver": "d", "volumeHandle": "h"}, "nodeAffinity": tied}),
                Place::Nodes(vec!["n2".into()]),
            ),
        ] {
            let volume = serde_json::from_value(json!({"metadata": {"name": "pv"}, "spec": spec})).unwrap();
            assert_eq!(place(&volume, &there), expected, "{spec}");
        }
    }

    /// A node accepts pods if it is Ready and not cordoned, and only its Ready condition tells the first.
    #[test]
    fn a_node_that_is_ready_and_open_takes_pods() {
        for (conditions, unschedulable, usable) in [
            (json!([{"type": "Ready", "status": "True"}]), Value::Null, true),
            (json!([{"type": "Ready", "status": "True"}]), json!(false), true),
            (json!([{"type": "Ready", "status": "True"}]), json!(true), false),
            (json!([{"type": "Ready", "status": "Unknown"}]), Value::Null, false),
            (json!([{"type": "DiskPressure", "status": "True"}]), Value::Null, false),
            (
                json!([{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": "False"}]),
                Value::Null,
                false,
            ),
            (json!([]), Value::Null, false),
        ] {
            let node = json!({"metadata": {"name": "n"}, "spec": {"unschedulable": unschedulable},
                "status": {"conditions": conditions}});
            let facts = nodes(&[serde_json::from_value(node).unwrap()]);
            assert_eq!(facts[0].usable(), usable, "{conditions} {unschedulable}");
        }
    }
}
