//! Determines which volume Kubernetes binds to a claim, by the rules of the volume controller and the scheduler
//! (`findByClaim` of `pkg/controller/volume/persistentvolume`, `FindMatchingVolume` of
//! `k8s.io/component-helpers/storage/volume`, with VolumeAttributesClasses). A volume that is reserved for the claim
//! (`spec.claimRef` without a UID, or with the claim's) takes precedence, and neither its class nor its labels are
//! checked; of the others it is the smallest
//! that fits.

use super::claim_spec::{ClaimSpec, VolumeMode};
use super::model::{ClaimReference, Volume, VolumePhase};
use super::placement::{NodeFacts, Place};
use super::quantity::Quantity;
use super::selector;

/// A claim to bind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'w> {
    /// Its namespace.
    pub namespace: &'w str,
    /// Its name.
    pub name: &'w str,
    /// Its UID; `None` for one that does not exist yet.
    pub uid: Option<&'w str>,
    /// What it requests.
    pub spec: &'w ClaimSpec,
    /// The class that it has in the end: its own, or the cluster's default. Empty for none.
    pub class: &'w str,
}

/// Why a volume is not bound to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It belongs to another claim, or is reserved for one.
    Taken(ClaimReference),
    /// It is smaller than requested. Kubernetes quantities; `None` if the volume names no size.
    TooSmall(Option<String>),
    /// It has this mode, and another one is requested.
    Mode(VolumeMode),
    /// It is being deleted.
    Terminating,
    /// It does not support these requested access modes.
    AccessModes(Vec<String>),
    /// It has this VolumeAttributesClass, or none, and another one is requested.
    AttributesClass(Option<String>),
    /// It is not Available, but in this phase.
    Phase(VolumePhase),
    /// It lacks requested labels.
    Labels,
    /// It has this class, empty for none, and another one is requested.
    Class(String),
    /// It can be mounted on these nodes only, and none of them accepts pods.
    Nodes(Vec<String>),
}

/// Returns whether a volume is reserved for this very claim, or bound to it.
pub(crate) fn reserved(volume: &Volume, wanted: &Wanted<'_>) -> bool {
    volume.claim.as_ref().is_some_and(|reference| {
        reference.namespace == wanted.namespace
            && reference.name == wanted.name
            && reference.uid.as_deref().is_none_or(|uid| wanted.uid == Some(uid))
    })
}

/// Returns why a volume would not be bound to a claim; `None` if it would be. `nodes` are all nodes; if they are
/// unknown, any node will do.
/// node is as good as another.
pub(crate) fn misfit(volume: &Volume, wanted: &Wanted<'_>, nodes: Option<&[NodeFacts]>) -> Option<Misfit> {
    let own = reserved(volume, wanted);
    if let Some(reference) = volume.claim.as_ref().filter(|_| !own) {
        return Some(Misfit::Taken(reference.clone()));
    }
    if let Some(misfit) = unlike(volume, wanted.spec) {
        return Some(misfit);
    }
    if volume.terminating {
        return Some(Misfit::Terminating);
    }
    if !own {
        if volume.phase != VolumePhase::Available {
            return Some(Misfit::Phase(volume.phase.clone()));
        }
        if wanted.spec.selector.as_ref().is_some_and(|wanted| !selector::selects(wanted, &volume.labels)) {
            return Some(Misfit::Labels);
        }
        if volume.storage_class != wanted.class {
            return Some(Misfit::Class(volume.storage_class.clone()));
        }
    }
    out_of_reach(volume, nodes).map(Misfit::Nodes)
}

/// Returns why a volume cannot satisfy a claim, whatever it is reserved for: its size, mode, VolumeAttributesClass or
/// access modes.
pub(crate) fn unlike(volume: &Volume, wanted: &ClaimSpec) -> Option<Misfit> {
    let size = |text: &Option<String>| text.as_deref().map_or(Some(Quantity::ZERO), Quantity::parse);
    // A size that cannot be read is not large enough.
    let large_enough = size(&volume.capacity).zip(size(&wanted.size)).is_some_and(|(has, asked)| has >= asked);
    if !large_enough {
        return Some(Misfit::TooSmall(volume.capacity.clone()));
    }
    if volume.mode != wanted.mode {
        return Some(Misfit::Mode(volume.mode));
    }
    if volume.attributes_class != wanted.attributes_class {
        return Some(Misfit::AttributesClass(volume.attributes_class.clone()));
    }
    let lacks = wanted.access_modes.iter().filter(|mode| !volume.access_modes.contains(mode));
    let lacks: Vec<String> = lacks.cloned().collect();
    (!lacks.is_empty()).then_some(Misfit::AccessModes(lacks))
}

/// Returns the nodes that a volume is tied to, if none of them accepts pods.
fn out_of_reach(volume: &Volume, nodes: Option<&[NodeFacts]>) -> Option<Vec<String>> {
    let (Place::Nodes(tied), Some(nodes)) = (&volume.place, nodes) else { return None };
    let usable = |name: &String| nodes.iter().any(|node| node.name == *name && node.usable());
    (!tied.iter().any(usable)).then(|| tied.clone())
}

/// Returns the volume that is bound to a claim, of those that are not `taken` by another one; `None` if none is, and a
/// new one has to be provisioned.
pub(crate) fn chosen<'v>(
    volumes: &'v [Volume],
    wanted: &Wanted<'_>,
    nodes: Option<&[NodeFacts]>,
    taken: &[&str],
) -> Option<&'v Volume> {
    let left = || volumes.iter().filter(|volume| !taken.contains(&volume.name.as_str()));
    for own in left().filter(|volume| reserved(volume, wanted)) {
        match misfit(own, wanted, nodes) {
            None => return Some(own),
            // Then Kubernetes considers no other.
            Some(Misfit::Nodes(_)) => return None,
            Some(_) => {}
        }
    }
    let size = |volume: &&Volume| volume.capacity.as_deref().map_or(Some(Quantity::ZERO), Quantity::parse);
    left().filter(|volume| misfit(volume, wanted, nodes).is_none()).min_by_key(size)
}
