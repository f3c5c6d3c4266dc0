//! The state of a volume that a failover or an undo retained.

use crate::topology::{Claim, ClaimReference, ClaimState, Volume, VolumePhase};

/// The state of a retained volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetainedState {
    /// Retained and unclaimed: it can be restored.
    Retained,
    /// Retained, and reserved for its claim by an unfinished undo.
    Reserved,
    /// In use by its claim.
    InPlace,
    /// Not available, for this reason.
    Lost(String),
    /// Unknown, for this reason.
    Unknown(String),
}

/// Returns the state of a volume that was retained from a claim of this name.
pub(super) fn state(volume: &Volume, namespace: &str, claim: &str, present: Option<&Claim>) -> RetainedState {
    if volume.terminating {
        return RetainedState::Lost("it is being deleted".into());
    }
    match &volume.claim {
        None => RetainedState::Lost("it is not reserved for any claim: the first one that asks may bind it".into()),
        Some(reference) if reference.namespace != namespace || reference.name != claim => {
            RetainedState::Lost(format!("it now belongs to claim {}/{}", reference.namespace, reference.name))
        }
        Some(ClaimReference { uid: None, .. }) => RetainedState::Reserved,
        Some(reference) => match present {
            Some(present) if present.uid == reference.uid && present.terminating => {
                RetainedState::Unknown(format!("still bound to claim {claim}, which is terminating"))
            }
            Some(present) if present.uid == reference.uid => RetainedState::InPlace,
            _ if volume.phase == VolumePhase::Released => RetainedState::Retained,
            // Its claim is known to be gone; the volume controller has not updated the phase yet.
            Some(present) if volume.phase == VolumePhase::Bound && !matches!(present.state, ClaimState::Unknown(_)) => {
                RetainedState::Retained
            }
            _ => RetainedState::Unknown(format!("it is {} and not Released", volume.phase)),
        },
    }
}
