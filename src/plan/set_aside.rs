//! How a volume stands that a failover or an undo set aside.

use crate::topology::{Claim, ClaimReference, ClaimState, Volume, VolumePhase};

/// How a volume is that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsideState {
    /// Kept, and nobody's: it can come back.
    Kept,
    /// Kept, and reserved for its claim by an undo that is unfinished.
    Reserved,
    /// In use again by its claim.
    InPlace,
    /// Not to be had, for this reason.
    Lost(String),
    /// Not known, for this reason.
    Unknown(String),
}

/// How a volume is that was set aside from a claim of this name.
pub(super) fn state(volume: &Volume, namespace: &str, claim: &str, present: Option<&Claim>) -> AsideState {
    if volume.terminating {
        return AsideState::Lost("it is being deleted".into());
    }
    match &volume.claim {
        None => AsideState::Lost("it is kept for no claim any more: whoever asks first may get it".into()),
        Some(reference) if reference.namespace != namespace || reference.name != claim => {
            AsideState::Lost(format!("it is for claim {}/{} now", reference.namespace, reference.name))
        }
        Some(ClaimReference { uid: None, .. }) => AsideState::Reserved,
        Some(reference) => match present {
            Some(present) if present.uid == reference.uid && present.terminating => {
                AsideState::Unknown(format!("claim {claim} is Terminating, and it is still its own"))
            }
            Some(present) if present.uid == reference.uid => AsideState::InPlace,
            _ if volume.phase == VolumePhase::Released => AsideState::Kept,
            // Its claim is known to be gone; the volume controller has only not written it down yet.
            Some(present) if volume.phase == VolumePhase::Bound && !matches!(present.state, ClaimState::Unknown(_)) => {
                AsideState::Kept
            }
            _ => AsideState::Unknown(format!("it is {} and not Released", volume.phase)),
        },
    }
}
