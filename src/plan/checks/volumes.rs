//! The claims: whether they may be deleted, and what becomes of their volumes.

use super::{CheckContext, PlanCheck, PlanCheckId, Resolution, block, overridable, pass, unread, warn};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::text::noun;
use crate::topology::{Claim, ClaimReference, ClaimState, Known, NotIts};

pub(super) fn claims(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    for claim in &context.member.claims {
        checks.extend(foreign_volume(claim));
        if claim.ephemeral && context.goes(claim) {
            let name = &claim.name;
            let why =
                format!("claim {name} belongs to the pod and is deleted with it: the new pod gets a new, empty one");
            checks.push(warn(PlanCheckId::Claims, why));
        } else if claim.terminating && context.keep_claims && context.goes(claim) {
            let name = &claim.name;
            let why = format!("claim {name} is Terminating and is deleted with the pod, although claims are kept");
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
                format!("claim {} is also mounted by {}", claim.name, claim.shared_with.join(", ")),
                Resolution::KeepClaims,
            ));
        }
    }
}

/// Warns about a claim that names a volume of another claim: the volume's claimRef decides.
fn foreign_volume(claim: &Claim) -> Option<PlanCheck> {
    let NotIts { volume, of } = claim.not_its.as_ref()?;
    let whose = match of {
        Some(ClaimReference { namespace, name, uid: Some(_) }) => format!("is bound to claim {namespace}/{name}"),
        Some(ClaimReference { namespace, name, uid: None }) => format!("is reserved for claim {namespace}/{name}"),
        None => "is not bound to any claim".to_owned(),
    };
    let name = &claim.name;
    let why = format!(
        "claim {name} names volume {volume}, which {whose}: the volume is not this claim's, and stays unchanged"
    );
    Some(warn(PlanCheckId::Claims, why))
}

/// Returns the permission to patch volumes, if it is known to be missing.
pub(crate) fn may_not_patch_volumes(rights: &[(Permission, Allowed)]) -> Option<&Permission> {
    let denied = rights.iter().find(|(permission, allowed)| {
        permission.resource == "persistentvolumes" && permission.verb == "patch" && matches!(allowed, Allowed::No(_))
    });
    denied.map(|(permission, _)| permission)
}

pub(super) fn retention(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let denied = may_not_patch_volumes(context.rights).is_some();
    let mut kept = Vec::new();
    // A claim of the pod is deleted with it even if it cannot be read.
    let unknown =
        |claim: &&Claim| claim.ephemeral && matches!(claim.state, ClaimState::Unknown(_)) && context.deletes_pod();
    for claim in context.member.claims.iter().filter(|claim| context.goes(claim) || unknown(claim)) {
        let mut gap = None;
        let lost = match &claim.volume {
            _ if let ClaimState::Unknown(reason) = &claim.state => {
                gap = context.topology.unread_claims(&context.member.namespace);
                Some(format!("claims cannot be read: {reason}"))
            }
            Known::Is(Some(_)) if denied => Some("missing permission: patch persistentvolumes".to_owned()),
            Known::Is(Some(volume)) => {
                kept.push(volume.name.as_str());
                None
            }
            // Not bound: there is no volume to lose.
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
        let volumes = noun(kept.len(), "volume");
        checks.push(pass(PlanCheckId::Retention, format!("the old {volumes} {} will be retained", kept.join(", "))));
    }
}

/// Blocks replacing the disk of a component for which the product has no such procedure: its data may exist nowhere else, and
/// no verification would notice the loss.
pub(super) fn not_known_to_rehydrate(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let role = context.member.role;
    if role.rehydrates() || !context.returning.is_empty() || context.deleted_claims().next().is_none() {
        return;
    }
    let why = format!("unknown whether a {role} can rebuild its disk, and nothing would verify it");
    checks.push(block(PlanCheckId::Claims, why, Resolution::KeepClaims));
}
