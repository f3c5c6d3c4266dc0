//! Which controller recreates the pod and its claims, when, and from which template.

use super::{CheckContext, PlanCheck, PlanCheckId, Resolution, block, overridable, pass, warn};
use crate::cli::Allow;
use crate::suggestion::plugin;
use crate::topology::health::minds_its_order;
use crate::topology::{Known, Owner, Workload};

pub(super) fn controller(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let id = PlanCheckId::Controller;
    if context.member.pod.is_none() {
        checks.push(warn(id, "the pod does not exist; only its claims can be replaced"));
        if let Some(why) = set_of(context, None).and_then(|(name, set)| idle(context, name, set)) {
            refuse(context, checks, why);
        }
        return;
    }
    match context.member.pod.as_ref().and_then(|pod| pod.owner.as_ref()) {
        Some(owner) if owner.is_stateful_set() => of_a_set(context, checks, owner),
        Some(owner) if context.keep_claims && owner.kind == "ReplicaSet" => {
            checks.push(warn(id, format!("{} {} recreates the pod under another name", owner.kind, owner.name)));
        }
        Some(owner) if context.keep_claims => {
            let how = "unknown how it recreates the pod, and under which name";
            checks.push(warn(id, format!("{} {} owns the pod: {how}", owner.kind, owner.name)));
        }
        Some(owner) => {
            let Owner { kind, name, .. } = owner;
            let why = if kind == "ReplicaSet" {
                format!("{kind} {name} owns the pod, not a StatefulSet: nothing would recreate its claims")
            } else {
                format!(
                    "{kind} {name} owns the pod, not a StatefulSet of Kubernetes: unknown whether anything would recreate \
                     its claims"
                )
            };
            checks.push(block(id, why, Resolution::KeepClaims));
        }
        None if context.keep_claims => checks.push(overridable(
            context,
            id,
            "no controller owns the pod: nothing would recreate it",
            Allow::UnmanagedPod,
        )),
        None => checks.push(block(
            id,
            "no StatefulSet owns the pod: nothing would recreate it or its claims",
            Resolution::KeepClaimsOfUnmanaged,
        )),
    }
}

fn of_a_set(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>, owner: &Owner) {
    let id = PlanCheckId::Controller;
    let workload = context.component.map(|component| &component.workload);
    if let Some(Known::Unknown(why)) = workload {
        let why = format!("unknown whether StatefulSet {} would recreate the pod: {why}", owner.name);
        return checks.push(warn(id, why));
    }
    let why = match set_of(context, Some(owner)) {
        None => Some(format!("StatefulSet {}, which owns the pod, no longer exists", owner.name)),
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
        checks.push(pass(id, format!("StatefulSet {} recreates the pod and its claims", owner.name)));
    } else {
        let why = format!(
            "StatefulSet {} has no template for {}: nothing would recreate {}",
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

/// Returns the StatefulSet of the component, if it has the given owner's UID.
fn set_of<'s>(context: &CheckContext<'s>, owner: Option<&Owner>) -> Option<(&'s str, &'s Workload)> {
    let component = context.component?;
    let set = component.set().filter(|set| owner.is_none_or(|owner| set.uid == owner.uid))?;
    Some((component.name.as_str(), set))
}

/// Returns why a StatefulSet would not create this pod; `None` if it would.
fn idle(context: &CheckContext<'_>, name: &str, set: &Workload) -> Option<String> {
    if set.terminating {
        return Some(format!("StatefulSet {name} is being deleted: it would not recreate {}", context.member.name));
    }
    let ordinal = context.member.ordinal()?;
    if set.covers(ordinal) {
        return None;
    }
    let (first, last) = (set.first, set.first.saturating_add(set.replicas).saturating_sub(1));
    let wants = match set.replicas {
        ..=0 => format!("StatefulSet {name} is scaled to 0"),
        1 => format!("StatefulSet {name} has 1 replica, {name}-{first}"),
        many => format!("StatefulSet {name} has {many} replicas, {name}-{first} to {name}-{last}"),
    };
    Some(format!("{wants}: it would not recreate {}", context.member.name))
}

/// Blocks because nothing would recreate what is deleted.
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

/// Checks whether an ordered StatefulSet would recreate the pod now: it creates none while one of a lower ordinal is not Ready.
pub(super) fn order(context: &CheckContext<'_>, checks: &mut Vec<PlanCheck>) {
    let Some((set, lower)) = context.component.and_then(|component| component.keeps_away(context.member)) else {
        return;
    };
    let why = minds_its_order(set, lower);
    checks.push(if context.deletes_pod() {
        block(
            PlanCheckId::Order,
            format!("{why}: the pod would not be recreated until then"),
            plugin("failover").word(lower.path()),
        )
    } else {
        warn(PlanCheckId::Order, format!("{why}: the pod will not be recreated until then"))
    });
}

/// Checks whether the new pod would be like the old one: its StatefulSet's template may have changed, and the old pod may not
/// have been updated because of OnDelete or a partition.
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
                "the template of StatefulSet {name}{of} has changed: the new pod will have revision {new}, the old one \
                 has {old}"
            );
            checks.push(warn(id, why));
        }
        None => {
            let why =
                format!("unknown yet which revision of StatefulSet {name} the new pod will have: it has just changed");
            checks.push(warn(id, format!("{why} (the old one has {old})")));
        }
    }
}
