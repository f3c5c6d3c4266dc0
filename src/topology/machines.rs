//! What a cluster offers a new pod: nodes, storage classes, volumes that are free, and where a volume can be mounted.

use super::selector;
use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;

/// The provisioner of classes that make no volumes.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// Annotation of the class that claims without one get.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its Ready condition.
    pub ready: bool,
    /// Whether it takes no new pods: `spec.unschedulable`.
    pub cordoned: bool,
}

impl NodeFacts {
    /// Whether it takes new pods.
    pub fn usable(&self) -> bool {
        self.ready && !self.cordoned
    }
}

/// Where a volume can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On any node.
    Anywhere,
    /// On these nodes only, of those that could be read.
    Nodes(Vec<String>),
    /// On any node, but what it holds is there on one: a folder of the machine (hostPath).
    Folder,
}

/// A StorageClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClassFacts {
    /// Its name.
    pub name: String,
    /// Whether it makes volumes; otherwise somebody does.
    pub provisions: bool,
    /// Whether claims that name no class get this one.
    pub default: bool,
    /// `WaitForFirstConsumer` or `Immediate`.
    pub binding_mode: String,
    /// What becomes of its volumes when their claims are deleted.
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
    // Of several the newest, and of these the first by name, as Kubernetes takes it.
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

/// Where a volume can be mounted, given the nodes that there are.
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
