//! What was read from the cluster at one moment: objects, and for every part that could not be read, the reason. Data
//! only.

use super::packed::OfNamespace;
use crate::error::Source;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Something read, or the reason it could not be.
#[derive(Clone, Debug, Default)]
pub enum Read<T> {
    /// It was read.
    Known(T),
    /// It could not be read.
    Unknown(Unreadable),
    /// It was not requested.
    #[default]
    NotAsked,
}

impl<T> Read<Vec<T>> {
    /// Returns the items if they were read; none otherwise, which says nothing about how many there are.
    pub fn items(&self) -> &[T] {
        match self {
            Self::Known(items) => items,
            Self::Unknown(_) | Self::NotAsked => &[],
        }
    }
}

impl<T> Read<T> {
    /// Returns why it could not be read, if so.
    pub fn unreadable(&self) -> Option<&Unreadable> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Known(_) | Self::NotAsked => None,
        }
    }
}

/// Why a part of the cluster could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What was requested, in plural: `persistentvolumes`.
    pub resource: &'static str,
    /// The namespace; `None` for cluster-scoped kinds and lists across namespaces.
    pub namespace: Option<String>,
    /// Kind of failure.
    pub cause: Cause,
    /// The reason in one line, from the server or the transport.
    pub reason: String,
    /// The error that it was read from.
    pub source: Option<Source>,
}

/// Kinds of failure to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 404.
    NotFound,
    /// No response within the deadline.
    TimedOut,
    /// No connection, TLS failure, or a response that is not from Kubernetes.
    Unreachable,
    /// Any other response of the server.
    Refused,
}

impl Cause {
    /// Returns whether the same request may succeed a moment later: it was not refused because of the user or its
    /// content.
    pub fn is_transient(self) -> bool {
        match self {
            Self::TimedOut | Self::Unreachable | Self::Refused => true,
            Self::Forbidden | Self::Unauthorized | Self::NotFound => false,
        }
    }
}

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Kind and name of its controller.
    pub controller: Option<(String, String)>,
}

/// A namespace as a list of all shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: String,
    /// Whether it is being deleted: what is deleted in it never comes back.
    pub terminating: bool,
}

/// One namespace's objects.
#[derive(Clone, Debug)]
pub struct NamespaceObjects {
    /// Name of the namespace.
    pub namespace: String,
    /// Its pods.
    pub pods: Read<Vec<Pod>>,
    /// Its claims.
    pub claims: Read<Vec<PersistentVolumeClaim>>,
    /// Its StatefulSets.
    pub stateful_sets: Read<Vec<StatefulSet>>,
    /// Its PodDisruptionBudgets.
    pub disruption_budgets: Read<Vec<PodDisruptionBudget>>,
    /// Its Events (only while a failover is watched).
    pub events: Read<Vec<Event>>,
}

impl NamespaceObjects {
    /// Returns a namespace of which nothing was requested yet.
    pub fn unread(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pods: Read::NotAsked,
            claims: Read::NotAsked,
            stateful_sets: Read::NotAsked,
            disruption_budgets: Read::NotAsked,
            events: Read::NotAsked,
        }
    }
}

/// One namespace's objects, to be decoded when they are looked at: of thousands of pods, few are decoded at a time.
#[derive(Clone, Debug)]
pub struct PackedNamespace {
    /// Name of the namespace.
    pub namespace: String,
    /// Its pods.
    pub pods: Read<OfNamespace<Pod>>,
    /// Its claims.
    pub claims: Read<OfNamespace<PersistentVolumeClaim>>,
    /// Its StatefulSets.
    pub stateful_sets: Read<OfNamespace<StatefulSet>>,
    /// Its PodDisruptionBudgets.
    pub disruption_budgets: Read<OfNamespace<PodDisruptionBudget>>,
}

impl PackedNamespace {
    /// Decodes its objects.
    pub fn unpack(&self) -> NamespaceObjects {
        let namespace = &self.namespace;
        NamespaceObjects {
            namespace: namespace.clone(),
            pods: unpack(&self.pods, "pods", namespace),
            claims: unpack(&self.claims, "persistentvolumeclaims", namespace),
            stateful_sets: unpack(&self.stateful_sets, "statefulsets", namespace),
            disruption_budgets: unpack(&self.disruption_budgets, "poddisruptionbudgets", namespace),
            events: Read::NotAsked,
        }
    }
}

fn unpack<K: DeserializeOwned>(packed: &Read<OfNamespace<K>>, resource: &'static str, namespace: &str) -> Read<Vec<K>> {
    match packed {
        Read::Known(objects) => objects.unpack().map_or_else(
            |error| {
                Read::Unknown(Unreadable {
                    resource,
                    namespace: Some(namespace.to_owned()),
                    cause: Cause::Refused,
                    reason: error.to_string(),
                    source: None,
                })
            },
            Read::Known,
        ),
        Read::Unknown(why) => Read::Unknown(why.clone()),
        Read::NotAsked => Read::NotAsked,
    }
}

/// The cluster as it was read. By default nothing was requested.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The objects of each namespace that was read, in the order requested.
    pub namespaces: Vec<NamespaceObjects>,
    /// The same of many namespaces, where the request allowed that.
    pub packed: Vec<PackedNamespace>,
    /// Names of all namespaces, if they could be listed.
    pub namespace_names: Read<Vec<String>>,
    /// Namespaces that are known to be terminating, read or not.
    pub terminating: Vec<String>,
    /// Those of them that would have been read otherwise.
    pub passed_over: Vec<String>,
    /// Volumes.
    pub volumes: Read<Vec<PersistentVolume>>,
    /// Nodes.
    pub nodes: Read<Vec<Node>>,
    /// Storage classes.
    pub storage_classes: Read<Vec<StorageClass>>,
    /// The namespaces that the user named.
    pub named: Vec<String>,
    /// The pods of all namespaces that carry the label of SynxDB's components.
    pub labelled_pods: Read<Vec<ObjectFacts>>,
    /// The StatefulSets of all namespaces.
    pub stateful_sets_everywhere: Read<Vec<ObjectFacts>>,
    /// Leases: those that nodes renew, and those of the control plane, which show the server's time.
    pub leases: Read<Vec<Lease>>,
}

impl Snapshot {
    /// Returns the objects of each namespace that was read; those of a packed one are decoded now.
    pub fn objects(&self) -> impl Iterator<Item = Cow<'_, NamespaceObjects>> {
        let packed = self.packed.iter().map(|packed| Cow::Owned(packed.unpack()));
        self.namespaces.iter().map(Cow::Borrowed).chain(packed)
    }

    /// Returns the namespaces that were read.
    pub fn names_read(&self) -> impl Iterator<Item = &str> {
        let packed = self.packed.iter().map(|packed| packed.namespace.as_str());
        self.namespaces.iter().map(|objects| objects.namespace.as_str()).chain(packed)
    }

    /// Returns why the pods of each namespace could not be read; `None` for those that were.
    pub fn unread_pods(&self) -> impl Iterator<Item = Option<&Unreadable>> {
        let packed = self.packed.iter().map(|packed| packed.pods.unreadable());
        self.namespaces.iter().map(|objects| objects.pods.unreadable()).chain(packed)
    }
}
