//! Who re-creates the pod and its claims: whether anybody does, when, and from which template.

use super::{CheckContext, PlanCheck, PlanCheckId, Resolution, block, overridable, pass, warn};
use crate::cli::{Allow, quoted};
use crate::topology::health::minds_its_order;
use crate::topology::{Known, Owner, Workload};

pub(super) fn controller(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let id = PlanCheckId::Controller;
    if context.member.pod.is_none() {
        checks.push(warn(id, "its pod does not exist; nothing but its claims can be replaced"));
        if let Some(why) = set_of(context, None).and_then(|(name, set)| idle(context, name, set)) {
            refuse(context, checks, why);
        }
        return;
    }
    match context.member.pod.as_ref().and_then(|pod| pod.owner.as_ref()) {
        Some(owner) if owner.is_stateful_set() => of_a_set(context, checks, owner),
        Some(owner) if context.keep_claims && owner.kind == "ReplicaSet" => {
            checks.push(warn(id, format!("{} {} re-creates the pod, under another name", owner.kind, owner.name)));
        }
        Some(owner) if context.keep_claims => {
            let how = "how it re-creates the pod, and under which name, is not known";
            checks.push(warn(id, format!("{} {} owns the pod: {how}", owner.kind, owner.name)));
        }
        Some(owner) => {
            let Owner { kind, name, .. } = owner;
            let why = if kind == "ReplicaSet" {
                format!("{kind} {name} owns the pod, not a StatefulSet: nothing would re-create its claims")
            } else {
                format!(
                    "{kind} {name} owns the pod, not a StatefulSet of Kubernetes' own: whether anything would re-create \
                     its claims is not known"
                )
            };
            checks.push(block(id, why, Resolution::KeepClaims));
        }
        None if context.keep_claims => checks.push(overridable(
            context,
            id,
            "no controller owns the pod: nothing would re-create it",
            Allow::UnmanagedPod,
        )),
        None => checks.push(block(
            id,
            "no StatefulSet owns the pod: nothing would re-create it or its claims",
            Resolution::KeepClaimsOfUnmanaged,
        )),
    }
}

fn of_a_set(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>, owner: &Owner) {
    let id = PlanCheckId::Controller;
    let workload = context.component.map(|component| &component.workload);
    if let Some(Known::Unknown(why)) = workload {
        let why = format!("whether StatefulSet {} would re-create the pod is not known: {why}", owner.name);
        return checks.push(warn(id, why));
    }
    let why = match set_of(context, Some(owner)) {
        None => Some(format!("StatefulSet {}, which owns the pod, does not exist any more", owner.name)),
        Some((name, set)) => idle(context, name, set),
    };
    if let Some(why) = why {
        return refuse(context, checks, why);
    }
    let strange: Vec<&str> = context
        .deleted_claims()
        .filter(|claim| !set_of(context, Some(owner)).is_some_and(|(_, set)| makes(set, context, &claim.name)))
        .map(|claim| claim.name.as_str())
        .collect();
    if strange.is_empty() {
        checks.push(pass(id, format!("StatefulSet {} re-creates the pod and its claims", owner.name)));
    } else {
        let why = format!(
            "StatefulSet {} has no template for {}: nothing would re-create {}",
            owner.name,
            strange.join(", "),
            if strange.len() == 1 { "it" } else { "them" }
        );
        checks.push(block(id, why, Resolution::KeepClaims));
    }
}

fn makes(set: &Workload, context: &CheckContext<'_>, claim: &str) -> bool {
    set.template_of(claim, &context.member.name).is_some()
}

/// The StatefulSet of the member's component; the one that owns the pod, where that is asked for.
fn set_of<'s>(context: &CheckContext<'s>, owner: Option<&Owner>) -> Option<(&'s str, &'s Workload)> {
    let component = context.component?;
    let set = component.set().filter(|set| owner.is_none_or(|owner| set.uid == owner.uid))?;
    Some((component.name.as_str(), set))
}

/// Why a StatefulSet would not create this member's pod.
fn idle(context: &CheckContext<'_>, name: &str, set: &Workload) -> Option<String> {
    if set.terminating {
        return Some(format!("StatefulSet {name} is being deleted: it would not re-create {}", context.member.name));
    }
    let ordinal = context.member.ordinal()?;
    if set.covers(ordinal) {
        return None;
    }
    let (first, last) = (set.first, set.first.saturating_add(set.replicas) - 1);
    let wants = match set.replicas {
        ..=0 => format!("StatefulSet {name} is scaled to 0"),
        1 => format!("StatefulSet {name} has 1 replica, {name}-{first}"),
        many => format!("StatefulSet {name} has {many} replicas, {name}-{first} to {name}-{last}"),
    };
    Some(format!("{wants}: it would not re-create {}", context.member.name))
}

/// Nothing would bring back what is deleted.
fn refuse(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>, why: String) {
    let id = PlanCheckId::Controller;
    checks.push(if !context.deletes() {
        warn(id, why)
    } else if context.keep_claims {
        overridable(context, id, why, Allow::UnmanagedPod)
    } else {
        block(id, why, Resolution::KeepClaimsOfUnmanaged)
    });
}

/// An ordered StatefulSet creates no pod while one of a lower ordinal is not Ready: what is deleted stays away.
pub(super) fn order(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Some((set, lower)) = context.component.and_then(|component| component.keeps_away(context.member)) else {
        return;
    };
    let why = minds_its_order(set, lower);
    checks.push(if context.deletes_pod() {
        block(
            PlanCheckId::Order,
            format!("{why}: the pod would stay away until it is"),
            format!("kubectl synxdb failover {}", quoted(&lower.path())),
        )
    } else {
        warn(PlanCheckId::Order, format!("{why}: the pod will stay away until it is"))
    });
}

/// The new pod may be another one than the old: its StatefulSet's template may have changed, and the old pod, by
/// OnDelete or a partition, may not have been told.
pub(super) fn revision(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Some(pod) = context.member.pod.as_ref().filter(|_| context.deletes_pod()) else { return };
    let Some((set, ordinal)) = set_of(context, pod.owner.as_ref()).zip(context.member.ordinal()) else { return };
    let (name, set) = set;
    let Some(old) = &pod.revision else { return };
    let id = PlanCheckId::Revision;
    match set.revision_for(ordinal) {
        Some(new) if new == old => {}
        Some(new) => {
            let of = if set.revisions.on_delete { ", which replaces pods on deletion only," } else { "" };
            let why = format!(
                "the template of StatefulSet {name}{of} has changed: the new pod will be of revision {new}, the old one \
                 is of {old}"
            );
            checks.push(warn(id, why));
        }
        None => {
            let why = format!(
                "which revision of StatefulSet {name} the new pod will be of is not known yet: it has just changed"
            );
            checks.push(warn(id, format!("{why} (the old one is of {old})")));
        }
    }
}
