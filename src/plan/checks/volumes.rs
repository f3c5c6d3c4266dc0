//! The claims: whether they may go, and what becomes of their volumes.

use super::{CheckContext, PlanCheck, PlanCheckId, Resolution, block, overridable, pass, unread, warn};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::topology::{Claim, ClaimReference, ClaimState, Known, NotIts};

pub(super) fn claims(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    for claim in &context.member.claims {
        checks.extend(not_its_own(claim));
        if claim.ephemeral && context.goes(claim) {
            let name = &claim.name;
            let why = format!("claim {name} belongs to the pod and goes with it: the new pod gets a new, empty one");
            checks.push(warn(PlanCheckId::Claims, why));
        } else if claim.terminating && context.keep_claims && context.goes(claim) {
            let name = &claim.name;
            let why = format!("claim {name} is Terminating and goes with the pod, though claims are kept");
            checks.push(warn(PlanCheckId::Claims, why));
        }
    }
    if context.keep_claims {
        return;
    }
    if context.member.claims.is_empty() {
        checks.push(pass(PlanCheckId::Claims, "the pod mounts no claim"));
    }
    for claim in &context.member.claims {
        if let ClaimState::Unknown(reason) = &claim.state {
            let why = format!("claim {} cannot be read: {reason}", claim.name);
            let check = block(PlanCheckId::Claims, why, Resolution::KeepClaims);
            checks.push(unread(check, context.topology.unread_claims(&context.member.namespace)));
        }
        if !claim.shared_with.is_empty() {
            checks.push(block(
                PlanCheckId::SharedClaim,
                format!("claim {} is mounted by {} too", claim.name, claim.shared_with.join(", ")),
                Resolution::KeepClaims,
            ));
        }
    }
}

/// A claim may name any volume: whose it is the volume says.
fn not_its_own(claim: &Claim) -> Option<PlanCheck> {
    let NotIts { volume, of } = claim.not_its.as_ref()?;
    let whose = match of {
        Some(ClaimReference { namespace, name, uid: Some(_) }) => format!("is bound to claim {namespace}/{name}"),
        Some(ClaimReference { namespace, name, uid: None }) => format!("is reserved for claim {namespace}/{name}"),
        None => "is bound to no claim".to_owned(),
    };
    let name = &claim.name;
    let why = format!("claim {name} names volume {volume}, which {whose}: it is not this claim's, and stays as it is");
    Some(warn(PlanCheckId::Claims, why))
}

/// The right to change volumes, where it is known to be missing.
pub(crate) fn may_not_patch_volumes(rights: &[(Permission, Allowed)]) -> Option<&Permission> {
    let denied = rights.iter().find(|(permission, allowed)| {
        permission.resource == "persistentvolumes" && permission.verb == "patch" && matches!(allowed, Allowed::No(_))
    });
    denied.map(|(permission, _)| permission)
}

pub(super) fn retention(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let denied = may_not_patch_volumes(context.rights).is_some();
    let mut kept = Vec::new();
    // One that goes with the pod goes whether or not it can be read.
    let unknown =
        |claim: &&Claim| claim.ephemeral && matches!(claim.state, ClaimState::Unknown(_)) && context.deletes_pod();
    for claim in context.member.claims.iter().filter(|claim| context.goes(claim) || unknown(claim)) {
        let mut gap = None;
        let lost = match &claim.volume {
            _ if let ClaimState::Unknown(reason) = &claim.state => {
                gap = context.topology.unread_claims(&context.member.namespace);
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
                gap = context.topology.unread_volumes();
                Some(format!("volumes cannot be read: {reason}"))
            }
        };
        if let Some(why) = lost {
            let why = format!("the old volume of claim {} cannot be retained: {why}", claim.name);
            checks.push(unread(overridable(context, PlanCheckId::Retention, why, Allow::UnretainedVolume), gap));
        }
    }
    if !kept.is_empty() {
        let volumes = if kept.len() == 1 { "volume" } else { "volumes" };
        checks.push(pass(PlanCheckId::Retention, format!("the old {volumes} {} will be retained", kept.join(", "))));
    }
}

/// The product's procedure replaces no disk of such a component: what is on it may be nowhere else, and no proof would
/// show that it is gone.
pub(super) fn not_known_to_rehydrate(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let role = context.member.role;
    if role.rehydrates() || !context.returning.is_empty() || context.deleted_claims().next().is_none() {
        return;
    }
    let why = format!("whether a {role} gets back what is on its disk is not known, and nothing would prove it");
    checks.push(block(PlanCheckId::Claims, why, Resolution::KeepClaims));
}
