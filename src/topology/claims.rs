//! The claims of a pod, and the claim that a volume belongs to.
//!
//! A claim's `spec.volumeName` is only a request until the volume agrees: its `spec.claimRef` must name the claim by
//! UID. A claim may name another claim's volume, and stays Pending, or becomes Lost.

use super::claim_spec::{self, VolumeMode, claim_spec, given};
use super::model::{Claim, ClaimReference, ClaimState, Known, NotIts, Volume};
use super::placement;
use super::pod_status;
use super::workload::ephemeral_claim_name;
use super::{ClaimSpec, RECORD_ANNOTATION};
use crate::cluster::snapshot::Read;
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};

/// A claim that a pod mounts.
pub(super) struct Mounted {
    /// Its name.
    pub(super) name: String,
    /// Whether it is created and deleted with the pod.
    pub(super) ephemeral: bool,
}

impl Mounted {
    /// Returns one that outlives the pod.
    pub(super) fn kept(name: String) -> Self {
        Self { name, ephemeral: false }
    }

    /// Returns that of a generic ephemeral volume of a pod.
    pub(super) fn ephemeral(volume: &str, pod: &str) -> Self {
        Self { name: ephemeral_claim_name(volume, pod), ephemeral: true }
    }
}

/// Returns the claims that a pod mounts, in the order of its volumes.
pub(super) fn of_pod(pod: &Pod) -> Vec<Mounted> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let mounted = volumes.filter_map(|volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(source), _) => Some(Mounted::kept(source.claim_name.clone())),
        (None, Some(_)) => Some(Mounted::ephemeral(&volume.name, name)),
        (None, None) => None,
    });
    mounted.collect()
}

/// Returns a claim that a pod mounts, as far as claims and volumes could be read.
pub(super) fn claim(
    mounted: &Mounted,
    claims: &Read<Vec<PersistentVolumeClaim>>,
    volumes: &Read<Vec<PersistentVolume>>,
    nodes: &[Node],
    shared_with: Vec<String>,
) -> Claim {
    let name = &mounted.name;
    let blank = |state| Claim {
        name: name.clone(),
        state,
        terminating: false,
        uid: None,
        volume_name: None,
        volume: Known::Is(None),
        not_its: None,
        ephemeral: mounted.ephemeral,
        spec: ClaimSpec::default(),
        capacity: None,
        created: None,
        foreign_finalizers: Vec::new(),
        shared_with,
    };
    let claims = match claims {
        Read::Known(claims) => claims,
        Read::Unknown(unreadable) => return blank(ClaimState::Unknown(unreadable.reason.clone())),
        Read::NotAsked => return blank(ClaimState::Unknown("not requested".into())),
    };
    let Some(claim) = claims.iter().find(|claim| claim.metadata.name.as_ref() == Some(name)) else {
        return blank(ClaimState::Missing);
    };
    let mut facts = blank(ClaimState::Missing);
    facts.terminating = claim.metadata.deletion_timestamp.is_some();
    facts.uid.clone_from(&claim.metadata.uid);
    facts.created = claim.metadata.creation_timestamp.as_ref().map(|time| time.0);
    facts.foreign_finalizers = pod_status::foreign_finalizers(&claim.metadata);
    facts.spec = claim_spec(Some(&claim.metadata), claim.spec.as_ref());
    facts.capacity = capacity(claim);
    let named = given(claim.spec.as_ref().and_then(|spec| spec.volume_name.as_ref()));
    match (volumes, named) {
        (_, None) => {}
        (Read::Known(volumes), Some(name)) => {
            match volumes.iter().find(|volume| volume.metadata.name.as_ref() == Some(&name)) {
                Some(found) if is_of(found, claim) => {
                    facts.volume = Known::Is(Some(volume(found, nodes)));
                    facts.volume_name = Some(name);
                }
                Some(found) => facts.not_its = Some(NotIts { volume: name, of: volume(found, nodes).claim }),
                None => facts.volume_name = Some(name),
            }
        }
        (Read::Unknown(unreadable), name) => {
            facts.volume = Known::Unknown(unreadable.reason.clone());
            facts.volume_name = name;
        }
        (Read::NotAsked, name) => {
            facts.volume = Known::Unknown("not requested".into());
            facts.volume_name = name;
        }
    }
    facts.state = state(claim, facts.not_its.as_ref());
    facts
}

/// Returns whether a volume is bound to this claim: it names the claim by UID.
fn is_of(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    reference.is_some_and(|reference| {
        reference.uid.is_some()
            && reference.uid == claim.metadata.uid
            && reference.name == claim.metadata.name
            && reference.namespace == claim.metadata.namespace
    })
}

/// Corrects a claim that is Bound to a volume which is not its own, as the volume controller does: it is Lost if the
/// volume belongs to another claim; otherwise the two were read at different moments, and it is not known to be bound.
fn state(claim: &PersistentVolumeClaim, not_its: Option<&NotIts>) -> ClaimState {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    match (phase, not_its) {
        (Some("Bound"), None) => ClaimState::Bound,
        (Some("Bound"), Some(NotIts { of: Some(of), .. })) => {
            let same = claim.metadata.name.as_ref() == Some(&of.name)
                && claim.metadata.namespace.as_ref() == Some(&of.namespace);
            if same { ClaimState::Pending } else { ClaimState::Lost }
        }
        (Some("Lost"), _) => ClaimState::Lost,
        _ => ClaimState::Pending,
    }
}

fn capacity(claim: &PersistentVolumeClaim) -> Option<String> {
    let bound = claim.status.as_ref().and_then(|status| status.capacity.as_ref());
    let wanted = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()).and_then(|r| r.requests.as_ref());
    bound.or(wanted)?.get("storage").map(|quantity| quantity.0.clone())
}

/// Returns the volumes without a claim.
pub(super) fn unbound(volumes: &[PersistentVolume], nodes: &[Node]) -> Vec<Volume> {
    let without_claim = |volume: &&PersistentVolume| {
        let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        reference.is_none_or(|reference| given(reference.uid.as_ref()).is_none())
    };
    volumes.iter().filter(without_claim).map(|found| volume(found, nodes)).collect()
}

pub(crate) fn volume(volume: &PersistentVolume, nodes: &[Node]) -> Volume {
    let spec = volume.spec.as_ref();
    Volume {
        name: volume.metadata.name.clone().unwrap_or_default(),
        uid: volume.metadata.uid.clone().unwrap_or_default(),
        // Kubernetes' default for a volume without one.
        reclaim_policy: spec
            .and_then(|spec| spec.persistent_volume_reclaim_policy.clone())
            .unwrap_or_else(|| "Retain".into()),
        phase: volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default().into(),
        place: placement::place(volume, nodes),
        capacity: spec.and_then(|spec| spec.capacity.as_ref()?.get("storage")).map(|quantity| quantity.0.clone()),
        storage_class: claim_spec::class(
            Some(&volume.metadata),
            spec.and_then(|spec| spec.storage_class_name.as_ref()),
        )
        .unwrap_or_default(),
        mode: VolumeMode::of(spec.and_then(|spec| spec.volume_mode.as_deref())),
        access_modes: spec.and_then(|spec| spec.access_modes.clone()).unwrap_or_default(),
        attributes_class: given(spec.and_then(|spec| spec.volume_attributes_class_name.as_ref())),
        labels: volume.metadata.labels.clone().unwrap_or_default(),
        claim: spec.and_then(|spec| spec.claim_ref.as_ref()).map(|claim| ClaimReference {
            namespace: claim.namespace.clone().unwrap_or_default(),
            name: claim.name.clone().unwrap_or_default(),
            uid: given(claim.uid.as_ref()),
        }),
        terminating: volume.metadata.deletion_timestamp.is_some(),
        records: volume
            .metadata
            .annotations
            .iter()
            .flatten()
            .filter(|(key, _)| key.starts_with(RECORD_ANNOTATION))
            .map(|(_, record)| record.clone())
            .collect(),
    }
}
