//! Judges from a topology alone whether a goal of a failover is reached. Pure predicates; the executor decides when to
//! evaluate them and what to do about the result.

use crate::plan::{Plan, PlanCheckId, ReplacedClaim, Step, misbound, reserved_since};
use crate::topology::health::minds_its_order;
use crate::topology::{Claim, ClaimState, Member, NotIts, PodFacts, Topology, Volume, VolumePhase};

/// A predicate over the plan and the topology.
pub(super) type Goal = fn(&Plan, &Topology) -> Progress;

/// The progress towards a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is reached.
    Reached,
    /// Not yet; what is waited for.
    Waiting(String),
    /// Not yet, and without intervention possibly never.
    Trapped(Trap),
    /// A new claim has a volume that it must not have. What the plan does not name is not deleted.
    Misbound(String),
}

/// A replacement pod that was created with the old claim. One that is not scheduled yet waits for a claim that is being
/// deleted, and stays Pending forever (kubernetes/kubernetes#74374); one that was scheduled keeps the claim Terminating
/// for as long as it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trap {
    /// Name of the Pending pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// The version of the pod that was seen (resourceVersion).
    pub version: String,
    /// The claim it waits for.
    pub claim: String,
    /// The state of that claim: `missing` or `Terminating`.
    pub state: String,
    /// Whether the pod was scheduled with the claim: it holds the claim, rather than waiting for it.
    pub holds: bool,
}

impl Trap {
    /// Returns whether it is still the same trap, even if the pod's status changed.
    pub(crate) fn is_still(&self, earlier: &Self) -> bool {
        let what = |trap: &Self| (trap.uid.clone(), trap.claim.clone(), trap.state.clone(), trap.holds);
        what(self) == what(earlier)
    }
}

/// Returns the pod that replaced the old one: with the same name and another UID, or, if no StatefulSet keeps the name,
/// a new pod of the same controller.
pub(crate) fn successor<'t>(plan: &Plan, topology: &'t Topology) -> Option<(&'t Member, &'t PodFacts)> {
    let target = &plan.target;
    let namesake = topology.member(&target.namespace, &target.pod);
    if let Some((member, pod)) = namesake.and_then(|member| Some((member, member.pod.as_ref()?)))
        && pod.uid != target.uid
    {
        return Some((member, pod));
    }
    let owner = target.owner.as_ref().filter(|owner| !owner.is_stateful_set())?;
    topology
        .space(&target.namespace)?
        .members()
        .filter_map(|member| Some((member, member.pod.as_ref()?)))
        .find(|(_, pod)| pod.owner.as_ref() == Some(owner) && !target.siblings.contains(&pod.uid))
}

/// The end of phase 1: the volume controller has processed each reservation of a volume, and each removed one. A claim
/// that is created before would get another volume.
pub(crate) fn noticed(plan: &Plan, topology: &Topology) -> Progress {
    let found = |uid: &str| topology.recorded.iter().find(|volume| volume.uid == uid);
    let not_yet = |what: String, volume: Option<&Volume>| {
        let how = volume.map_or("missing", |volume| volume.phase.as_str());
        Progress::Waiting(format!("{what}, but the volume controller has not processed it yet: the volume is {how}"))
    };
    for step in &plan.steps {
        let Step::Unreserve { volume: name, uid, .. } = step else { continue };
        let volume = found(uid);
        if !volume.is_some_and(|volume| {
            volume.phase == VolumePhase::Released && volume.claim.as_ref().is_some_and(|it| it.uid.is_some())
        }) {
            return not_yet(format!("the reservation of volume {name} was removed"), volume);
        }
    }
    for claim in &plan.replaced_claims {
        let Some(back) = &claim.returns else { continue };
        let volume = found(&back.uid);
        let holder = volume.and_then(|volume| volume.claim.as_ref()).and_then(|reference| reference.uid.as_ref());
        let present = topology
            .member(&plan.target.namespace, &plan.target.pod)
            .and_then(|member| member.claims.iter().find(|present| present.name == claim.name));
        // The old claim had no volume, and the new one is bound already.
        let taken = holder.is_some() && holder != Some(&claim.uid) && holder == present.and_then(|it| it.uid.as_ref());
        let reserved = holder.is_none() && volume.is_some_and(|volume| volume.phase == VolumePhase::Available);
        if !taken && !reserved {
            return not_yet(format!("volume {} is reserved", back.volume), volume);
        }
    }
    Progress::Reached
}

/// Returns the claim that took a replaced one's place: with the same name, or, if it belongs to a pod with a new name,
/// named after that.
pub(crate) fn new_claim<'m>(plan: &Plan, member: &'m Member, replaced: &ReplacedClaim) -> Option<&'m Claim> {
    let of_pod = replaced.name.strip_prefix(&plan.target.pod).filter(|_| replaced.ephemeral);
    let name = of_pod.map_or_else(|| replaced.name.clone(), |volume| format!("{}{volume}", member.name));
    member.claims.iter().find(|claim| claim.name == name)
}

/// Phase 4: the pod has a new UID and stays, and every replaced claim has a new UID and is Bound.
pub(crate) fn replaced(plan: &Plan, topology: &Topology) -> Progress {
    let target = &plan.target;
    let Some((member, pod)) = successor(plan, topology) else {
        let old = topology.member(&target.namespace, &target.pod).and_then(|member| member.pod.as_ref());
        return Progress::Waiting(match old {
            Some(pod) if pod.terminating.is_some() => match &target.lost_node {
                Some(node) => format!("the old pod is Terminating, and its node {node} is not Ready"),
                None => "the old pod is Terminating".into(),
            },
            Some(_) => "the old pod still exists".into(),
            None => format!("waiting for the pod to be created{}", in_the_way(plan, topology)),
        });
    };
    if pod.terminating.is_some() {
        return Progress::Waiting("the new pod is also Terminating".into());
    }
    if pod.pending && pod.node.is_none() {
        // A claim that the new pod mounts and that is deleted: nothing may ever recreate it.
        // A claim that belongs to a pod is created for each pod, once the old pod's is gone.
        let mut claims = member.claims.iter().filter(|claim| !claim.ephemeral);
        let gone = claims.find(|claim| claim.state == ClaimState::Missing || claim.terminating);
        if let Some(claim) = gone {
            let state = if claim.terminating { "Terminating" } else { "missing" };
            return Progress::Trapped(Trap {
                pod: member.name.clone(),
                uid: pod.uid.clone(),
                version: pod.version.clone(),
                claim: claim.name.clone(),
                state: state.into(),
                holds: false,
            });
        }
    }
    for replaced in &plan.replaced_claims {
        let Some(claim) = new_claim(plan, member, replaced) else {
            return Progress::Waiting(format!("the new pod does not mount claim {}", replaced.name));
        };
        match &claim.state {
            ClaimState::Unknown(reason) => {
                return Progress::Waiting(format!("claim {} cannot be read: {reason}", claim.name));
            }
            // The old one, or a new one that another user deleted: the pod that holds it keeps it so.
            _ if claim.terminating && pod.node.is_some() && !claim.ephemeral => {
                return Progress::Trapped(Trap {
                    pod: member.name.clone(),
                    uid: pod.uid.clone(),
                    version: pod.version.clone(),
                    claim: claim.name.clone(),
                    state: claim.status().into(),
                    holds: true,
                });
            }
            _ if claim.uid.as_ref() == Some(&replaced.uid) => {
                return Progress::Waiting(format!("claim {} is still the old one ({})", claim.name, claim.status()));
            }
            _ if misbound(replaced, claim, &plan.retained) => {
                let has = claim.volume_name.as_deref().unwrap_or_default();
                let why = match &replaced.returns {
                    Some(back) => format!("not to {}, which is being restored", back.volume),
                    None => "which is recorded as retained".to_owned(),
                };
                return Progress::Misbound(format!("claim {} is bound to volume {has}, {why}", claim.name));
            }
            _ if let Some(NotIts { volume, .. }) = &claim.not_its => {
                return Progress::Waiting(format!(
                    "claim {} is not bound to volume {volume}, which it names",
                    claim.name
                ));
            }
            _ if !claim.bound() => return Progress::Waiting(format!("claim {} is {}", claim.name, claim.status())),
            _ => {}
        }
    }
    Progress::Reached
}

/// Returns why no pod is created yet: the controller refuses while a claim is being deleted, and an ordered one creates
/// none while one with a lower ordinal is not Ready.
fn in_the_way(plan: &Plan, topology: &Topology) -> String {
    let Some(member) = topology.member(&plan.target.namespace, &plan.target.pod) else { return String::new() };
    if let Some(claim) = member.claims.iter().find(|claim| claim.terminating) {
        return format!("; claim {} is Terminating", claim.name);
    }
    let component = topology.component_of(member);
    let before = component.and_then(|component| component.keeps_away(member));
    before.map(|(set, lower)| format!("; {}", minds_its_order(set, lower))).unwrap_or_default()
}

/// Phase 5: the successor is Ready and stays, and phase 4 still holds.
pub(crate) fn ready(plan: &Plan, topology: &Topology) -> Progress {
    match replaced(plan, topology) {
        Progress::Reached => {}
        other => return other,
    }
    match successor(plan, topology) {
        Some((_, pod)) if pod.ready => Progress::Reached,
        Some((_, pod)) => Progress::Waiting(match &pod.trouble {
            // It already contains `ErrImagePull` and the like.
            Some(trouble) if trouble.contains(&pod.status) => trouble.clone(),
            Some(trouble) => format!("{}: {trouble}", pod.status),
            None => pod.status.clone(),
        }),
        None => Progress::Waiting("the new pod is gone".into()),
    }
}

/// Checks that no claim that is deleted with the pod, even one created since the plan was made, has a volume that the
/// plan does not retain.
///
/// # Errors
/// Which claim has one.
pub(crate) fn nothing_else_goes(plan: &Plan, topology: &Topology) -> Result<(), String> {
    // The user confirmed that volumes may be lost.
    if plan.checks.iter().any(|check| check.id == PlanCheckId::Retention && check.overridden) {
        return Ok(());
    }
    let deletes_pod = plan.steps.iter().any(|step| matches!(step, Step::DeletePod { .. }));
    let member = topology.member(&plan.target.namespace, &plan.target.pod).filter(|_| deletes_pod);
    let of_name = |claim: &Claim| plan.replaced_claims.iter().find(|replaced| replaced.name == claim.name);
    let goes = |claim: &&Claim| {
        claim.ephemeral || of_name(claim).is_some_and(|replaced| claim.uid.as_ref() == Some(&replaced.uid))
    };
    // The volume to restore was retained earlier, and stays so until the undo is finished.
    let returns = |claim: &Claim, volume: &String| {
        of_name(claim).and_then(|replaced| replaced.returns.as_ref()).is_some_and(|back| back.volume == *volume)
    };
    let retained = |volume: &String| {
        plan.steps.iter().any(|step| matches!(step, Step::Retain { volume: retained, .. } if retained == volume))
    };
    let claims = member.into_iter().flat_map(|member| &member.claims).filter(goes);
    let mut lost = claims
        .filter_map(|claim| Some((claim, claim.volume_name.as_ref()?)))
        .filter(|(claim, volume)| !retained(volume) && !returns(claim, volume));
    match lost.next() {
        Some((claim, volume)) => {
            let name = &claim.name;
            Err(format!("claim {name} is now bound to volume {volume}, which the plan does not retain"))
        }
        None => Ok(()),
    }
}

/// Returns the version of the pod to delete, if a claim that is deleted with it has no volume yet: binding one changes
/// the pod before anything is written to it. `None` if that cannot happen.
pub(crate) fn may_get_a_volume(plan: &Plan, topology: &Topology) -> Option<String> {
    let member = topology.member(&plan.target.namespace, &plan.target.pod)?;
    let waits = |claim: &Claim| claim.ephemeral && claim.volume_name.is_none();
    let pod = member.pod.as_ref().filter(|pod| pod.uid == plan.target.uid && member.claims.iter().any(waits))?;
    Some(pod.version.clone())
}

/// Checks that the pod and the claims are still those that the plan names, and that nothing else would be deleted with
/// them; otherwise nothing is changed.
///
/// # Errors
/// What has changed.
pub(crate) fn as_planned(plan: &Plan, topology: &Topology) -> Result<(), String> {
    nothing_else_goes(plan, topology)?;
    // The new claim would get it, and the pod would run on a retained volume.
    if let Some(Step::Unreserve { volume, claim, .. }) = reserved_since(plan, topology).first() {
        return Err(format!("volume {volume} was reserved for claim {claim} by an undo since the plan was made"));
    }
    let member = topology.member(&plan.target.namespace, &plan.target.pod);
    for step in &plan.steps {
        let (what, planned, now) = match step {
            Step::DeletePod { pod, uid } => {
                let now = member.and_then(|member| member.pod.as_ref());
                (format!("pod {pod}"), uid, now.map(|pod| pod.uid.clone()))
            }
            Step::DeleteClaim { claim, uid } => {
                let found = member.and_then(|member| member.claims.iter().find(|other| other.name == *claim));
                (format!("claim {claim}"), uid, found.and_then(|claim| claim.uid.clone()))
            }
            Step::Retain { .. } | Step::Unreserve { .. } | Step::Reserve { .. } => continue,
        };
        match now {
            Some(now) if now == *planned => {}
            Some(now) => return Err(format!("{what} was replaced: its UID is {now}, the plan has {planned}")),
            None => return Err(format!("{what} was deleted since the plan was made")),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "goal_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "goal_more_tests.rs"]
mod more_tests;
