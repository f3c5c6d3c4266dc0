//! The claims: whether they may go, and what becomes of their volumes.

use super::{Check, CheckId, Resolution, Subject, block, overridable, pass, unread, warn};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::topology::{Claim, ClaimReference, ClaimState, Known, NotIts};

pub(super) fn claims(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    for claim in &subject.member.claims {
        checks.extend(not_its_own(claim));
        if claim.ephemeral && subject.goes(claim) {
            let name = &claim.name;
            let why = format!("claim {name} belongs to the pod and goes with it: the new pod gets a new, empty one");
            checks.push(warn(CheckId::Claims, why));
        } else if claim.terminating && subject.keep_claims && subject.goes(claim) {
            let name = &claim.name;
            let why = format!("claim {name} is Terminating and goes with the pod, though claims are kept");
            checks.push(warn(CheckId::Claims, why));
        }
    }
    if subject.keep_claims {
        return;
    }
    if subject.member.claims.is_empty() {
        checks.push(pass(CheckId::Claims, "the pod mounts no claim"));
    }
    for claim in &subject.member.claims {
        if let ClaimState::Unknown(reason) = &claim.state {
            let why = format!("claim {} cannot be read: {reason}", claim.name);
            let check = block(CheckId::Claims, why, Resolution::KeepClaims);
            checks.push(unread(check, subject.topology.unread_claims(&subject.member.namespace)));
        }
        if !claim.shared_with.is_empty() {
            checks.push(block(
                CheckId::SharedClaim,
                format!("claim {} is mounted by {} too", claim.name, claim.shared_with.join(", ")),
                Resolution::KeepClaims,
            ));
        }
    }
}

/// A claim may name any volume: whose it is the volume says.
fn not_its_own(claim: &Claim) -> Option<Check> {
    let NotIts { volume, of } = claim.not_its.as_ref()?;
    let whose = match of {
        Some(ClaimReference { namespace, name, uid: Some(_) }) => format!("is bound to claim {namespace}/{name}"),
        Some(ClaimReference { namespace, name, uid: None }) => format!("is reserved for claim {namespace}/{name}"),
        None => "is bound to no claim".to_owned(),
    };
    let name = &claim.name;
    let why = format!("claim {name} names volume {volume}, which {whose}: it is not this claim's, and stays as it is");
    Some(warn(CheckId::Claims, why))
}

/// The right to change volumes, where it is known to be missing.
pub(in crate::plan) fn may_not_patch_volumes(rights: &[(Permission, Allowed)]) -> Option<&Permission> {
    let denied = rights.iter().find(|(permission, allowed)| {
        permission.resource == "persistentvolumes" && permission.verb == "patch" && matches!(allowed, Allowed::No(_))
    });
    denied.map(|(permission, _)| permission)
}

pub(super) fn retention(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let denied = may_not_patch_volumes(subject.rights).is_some();
    let mut kept = Vec::new();
    // One that goes with the pod goes whether or not it can be read.
    let unknown =
        |claim: &&Claim| claim.ephemeral && matches!(claim.state, ClaimState::Unknown(_)) && subject.deletes_pod();
    for claim in subject.member.claims.iter().filter(|claim| subject.goes(claim) || unknown(claim)) {
        let mut gap = None;
        let lost = match &claim.volume {
            _ if let ClaimState::Unknown(reason) = &claim.state => {
                gap = subject.topology.unread_claims(&subject.member.namespace);
                Some(format!("claims cannot be read: {reason}"))
            }
            Known::Is(Some(_)) if denied => Some("you may not patch persistentvolumes".to_owned()),
            Known::Is(Some(volume)) => {
                kept.push(volume.name.as_str());
                None
            }
            // Not bound: there is no volume that could be lost.
            Known::Is(None) if claim.volume_name.is_none() => None,
            Known::Is(None) => Some("its volume does not exist".to_owned()),
            Known::Unknown(reason) => {
                gap = subject.topology.unread_volumes();
                Some(format!("volumes cannot be read: {reason}"))
            }
        };
        if let Some(why) = lost {
            let why = format!("the old volume of claim {} cannot be retained: {why}", claim.name);
            checks.push(unread(overridable(subject, CheckId::Retention, why, Allow::UnretainedVolume), gap));
        }
    }
    if !kept.is_empty() {
        let volumes = if kept.len() == 1 { "volume" } else { "volumes" };
        checks.push(pass(CheckId::Retention, format!("the old {volumes} {} will be retained", kept.join(", "))));
    }
}

/// The product's procedure replaces no disk of such a component: what is on it may be nowhere else, and no proof would
/// show that it is gone.
pub(super) fn not_known_to_rehydrate(subject: &Subject<'_>, checks: &mut Vec<Check>) {
    let role = subject.member.role;
    if role.rehydrates() || !subject.returning.is_empty() || subject.deleted_claims().next().is_none() {
        return;
    }
    let why = format!("whether a {role} gets back what is on its disk is not known, and nothing would prove it");
    checks.push(block(CheckId::Claims, why, Resolution::KeepClaims));
}
