//! Checks whether a pod belongs to the layout's workload. A name proves nothing: a client that may create pods in a
//! namespace can choose any name and any owner. So the owner must exist, by UID, select the pod, and give pods such a
//! name.

use super::model::Owner;
use super::selector;
use crate::cluster::snapshot::Read;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;

/// What is known of a pod's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// An existing StatefulSet created it.
    Confirmed,
    /// Unknown, since its owner could not be checked, for this reason.
    Unconfirmed(String),
    /// It does not belong to the workload, for this reason.
    Refuted(String),
}

/// Looks up a pod's owner among the StatefulSets of its namespace.
pub(super) fn ownership(pod: &Pod, owner: Option<&Owner>, sets: &Read<Vec<StatefulSet>>) -> Ownership {
    let Some(owner) = owner else { return Ownership::Refuted("no controller owns it".into()) };
    let Owner { kind, name, uid, .. } = owner;
    if !owner.is_stateful_set() {
        return Ownership::Unconfirmed(format!("its owner is the {kind} {name}, which was not read"));
    }
    let sets = match sets {
        Read::Known(sets) => sets,
        Read::Unknown(why) => {
            return Ownership::Unconfirmed(format!("whether StatefulSet {name} owns it is unknown: {}", why.reason));
        }
        Read::NotAsked => return Ownership::Unconfirmed(format!("whether StatefulSet {name} owns it was not checked")),
    };
    let Some(set) = sets.iter().find(|set| set.metadata.uid.as_ref() == Some(uid)) else {
        return Ownership::Refuted(format!("its owner, StatefulSet {name}, does not exist"));
    };
    let set_name = set.metadata.name.as_deref().unwrap_or_default();
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let ordinal = pod_name.strip_prefix(set_name).and_then(|rest| rest.strip_prefix('-'));
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let made = set_name == name
        && ordinal.is_some_and(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|digit| digit.is_ascii_digit()))
        && selector::selects(&set.spec.selector, &labels);
    if made {
        Ownership::Confirmed
    } else {
        Ownership::Refuted(format!("it names StatefulSet {set_name} as its owner, but that did not create it"))
    }
}
