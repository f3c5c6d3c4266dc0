//! Makes a plan: what is left to do for an operation, new or resumed.

use super::{
    Action, Before, Inputs, Plan, Proof, Record, ReplacedClaim, Request, Resumes, Risk, Step, Target, checks,
    prior_actions, settle_time,
};
use crate::cluster::permission::{Allowed, Permission};
use crate::suggestion::plugin;
use crate::topology::layout::SqlEndpoint;
use crate::topology::{Claim, ClaimState, Component, Endpoint, Known, Member, PodFacts, Topology, Volume};

/// What should become of the target: the same for a new operation and for a resumed one.
struct Intent {
    /// UID of the pod to delete, if that is fixed; otherwise it is the current one.
    pod_uid: Option<String>,
    keep_claims: bool,
    claims: Vec<ReplacedClaim>,
    /// Whether one of them was created since the operation began and goes, too: it is bound to a volume that it must not
    /// have, or is being deleted.
    newer_claim_goes: bool,
}

impl Intent {
    /// Reads the intent of an operation that was begun from its record. A claim that was created since is deleted, too, if
    /// it is bound to a volume that it must not have, or is being deleted already: it stays Terminating for as long as its
    /// pod holds it, and the deletion cannot be undone.
    fn recorded(record: &Record, member: &Member, retained: &[String]) -> Self {
        let mut claims: Vec<ReplacedClaim> = Vec::new();
        // A claim that was replaced more than once is recorded that often: the latest counts.
        for claim in &record.claims {
            claims.retain(|earlier| earlier.name != claim.name);
            claims.push(ReplacedClaim {
                name: claim.name.clone(),
                uid: claim.uid.clone(),
                returns: claim.returns.clone(),
                ephemeral: is_ephemeral(member, &claim.name)
                    || record.keep_claims && !member.claims.iter().any(|present| present.name == claim.name),
            });
        }
        let mut newer_claim_goes = false;
        for claim in &mut claims {
            let present = member.claims.iter().find(|present| present.name == claim.name);
            let goes = |present: &&Claim| misbound(claim, present, retained) || is_being_deleted(claim, present);
            if let Some(uid) = present.filter(goes).and_then(|it| it.uid.clone()) {
                claim.uid = uid;
                newer_claim_goes = true;
            }
        }
        Self { pod_uid: Some(record.pod_uid.clone()), keep_claims: record.keep_claims, claims, newer_claim_goes }
    }

    /// Adds the claims of a pod that was created since the operation began and is deleted, too: their volumes are retained
    /// like the rest. What an undo restores is on record already.
    fn add_claims_of_pod(&mut self, member: &Member) {
        for claim in self.claims.iter_mut().filter(|claim| claim.ephemeral && claim.returns.is_none()) {
            let present = member.claims.iter().find(|present| present.name == claim.name);
            if let Some(uid) = present.filter(|it| it.volume_name.is_some()).and_then(|it| it.uid.clone()) {
                claim.uid = uid;
            }
        }
    }

    /// Returns the intent of a new failover. One that is known by its pod's UID only deletes no claim that a new pod has bound
    /// since.
    fn failover(member: &Member, request: &Request) -> Self {
        let current_uid = member.pod.as_ref().map(|pod| pod.uid.as_str()).unwrap_or_default();
        let replaced_already = request.pod_uid.as_ref().is_some_and(|uid| uid != current_uid);
        let claims = member.claims.iter().filter(|claim| !replaced_already || claim.terminating);
        // A claim that belongs to the pod goes with it in any case, and so does one that is being deleted already.
        let claims = claims.filter(|claim| claim.ephemeral || claim.terminating || !request.keep_claims);
        let claims = claims.filter_map(|claim| {
            let (name, ephemeral) = (claim.name.clone(), claim.ephemeral);
            Some(ReplacedClaim { name, uid: claim.uid.clone()?, returns: None, ephemeral })
        });
        let (pod_uid, keep_claims) = (request.pod_uid.clone(), request.keep_claims);
        Self { pod_uid, keep_claims, claims: claims.collect(), newer_claim_goes: false }
    }

    /// Returns the intent of a new undo: each claim whose volume the operation retained gets that volume back. For a claim that
    /// the operation replaced more than once it is the first volume: the others came in between.
    fn undo(topology: &Topology, member: &Member, records: &[Record], of: &Record) -> Self {
        let mut claims: Vec<ReplacedClaim> = Vec::new();
        for (claim, returns) in prior_actions::returning(topology, records, of) {
            if claims.iter().any(|first| first.name == claim.name) {
                continue;
            }
            let present = member.claims.iter().find(|present| present.name == claim.name);
            let goes = present.filter(|present| present.terminating || !takes_any(present));
            let uid = goes.and_then(|present| present.uid.clone()).unwrap_or_default();
            let ephemeral = is_ephemeral(member, &claim.name);
            claims.push(ReplacedClaim { name: claim.name.clone(), uid, returns: Some(returns), ephemeral });
        }
        // A pod that waits for a restored volume stays: a claim that belongs to it would go with it, and its volume, too.
        let pod_uid = waits_for(member, &claims).then(String::new);
        Self { pod_uid, keep_claims: false, claims, newer_claim_goes: false }
    }
}

/// Plans a failover, or an undo if there is an operation to undo.
pub fn plan(inputs: Inputs<'_>) -> Plan {
    let Inputs { topology, member, request, .. } = inputs;
    let component = topology.component_of(member);
    let mut retained = prior_actions::retained(topology);
    let mut intent = match (inputs.unfinished, inputs.undoes) {
        (Some(record), _) => Intent::recorded(record, member, &retained),
        (None, Some(of)) => Intent::undo(topology, member, inputs.records, of),
        (None, None) => Intent::failover(member, request),
    };
    let current_uid = member.pod.as_ref().map(|pod| pod.uid.clone()).unwrap_or_default();
    // A pod is deleted only while it is still the intended one; or if it has been replaced and the new one holds the claims
    // to delete: they stay Terminating as long as it exists.
    let meant = intent.pod_uid.as_ref().is_none_or(|uid| *uid == current_uid);
    let held = standing(member, &intent.claims).iter().any(|claim| !claim.ephemeral);
    let holds_old_claims = inputs.unfinished.is_some() && held;
    let goes_too = holds_old_claims || intent.newer_claim_goes || is_stuck(&inputs, component);
    let delete_pod = member.pod.as_ref().is_some_and(|pod| pod.terminating.is_none()) && (meant || goes_too);
    if delete_pod && inputs.unfinished.is_some() {
        intent.add_claims_of_pod(member);
    }
    let mut steps = claim_steps(topology, member, &intent.claims, &inputs);
    // A volume that this plan retains is not one to wait for: once the Lease is lost, another operation may restore it.
    for step in &steps {
        if let Step::Retain { volume, .. } = step
            && !retained.contains(volume)
        {
            retained.push(volume.clone());
        }
    }
    if delete_pod {
        steps.push(Step::DeletePod { pod: member.name.clone(), uid: current_uid.clone() });
    }

    let goes = if delete_pod { current_uid } else { intent.pod_uid.clone().unwrap_or(current_uid) };
    let target = target(topology, member, component, goes);
    let mut proof = proof(topology, member, request);
    if let Proof::Sql { canary, .. } = &mut proof {
        let answers = matches!(inputs.before, Before::Answered { .. });
        *canary = match (inputs.unfinished, inputs.undoes) {
            (Some(record), _) => record.canary.clone(),
            // The row that was written before the operation is on the volume to restore. Another one would be written
            // to the volume that is replaced.
            (None, Some(of)) => of.canary.clone(),
            // Only what exists before anything is deleted proves something afterwards.
            (None, None) => canary.take().filter(|_| answers && !steps.is_empty()),
        };
    }
    let back: Vec<&Volume> = intent
        .claims
        .iter()
        .filter_map(|claim| claim.returns.as_ref())
        .filter_map(|returns| topology.recorded.iter().find(|volume| volume.uid == returns.uid))
        .collect();
    let id = inputs.unfinished.map_or_else(|| request.id.clone(), |record| record.id.clone());
    let mut checks = checks::run(&checks::CheckContext {
        topology,
        member,
        component,
        keep_claims: intent.keep_claims,
        steps: &steps,
        request,
        rights: inputs.rights,
        before: &inputs.before,
        baseline: &inputs.baseline,
        proof: &proof,
        returning: &back,
        records: inputs.records,
        now: inputs.now,
        id: &id,
        in_flight: &inputs.in_flight,
        storage: inputs.storage,
    });
    if inputs.undoes.is_some() {
        remove_alternatives(&mut checks, member, inputs.rights);
    }
    checks.extend(prior_actions::checks(&inputs, &intent.claims, &steps));
    let overridden = checks.iter().any(|check| check.overridden);
    let resumes = match (inputs.unfinished, &intent.pod_uid) {
        (Some(record), _) => Some(Resumes { id: record.id.clone(), started: record.started.clone() }),
        (None, Some(uid)) if !delete_pod && !uid.is_empty() => {
            Some(Resumes { id: request.id.clone(), started: String::new() })
        }
        _ => None,
    };
    // A retained volume carries the record.
    let carried = steps.iter().any(|step| matches!(step, Step::Retain { .. } | Step::Reserve { .. }))
        || inputs
            .unfinished
            .is_some_and(|record| record.claims.iter().any(|claim| claim.volume.is_some() || claim.returns.is_some()));
    let settle = settle_time(request.settle, component, member.pod.as_ref());
    let journal = Some(inputs.journal).filter(|_| !carried && (delete_pod || inputs.unfinished.is_some()));
    Plan {
        id,
        act: inputs.undoes.map_or(Action::Failover, |of| Action::Undo(of.id.clone())),
        target,
        keep_claims: intent.keep_claims,
        verify: request.verify,
        settle_milliseconds: u64::try_from(settle.as_millis()).unwrap_or(u64::MAX),
        steps,
        replaced_claims: intent.claims,
        checks,
        retained,
        risk: if overridden { Risk::High } else { Risk::Ordinary },
        proof,
        before: inputs.before,
        baseline: inputs.baseline,
        accept_missing: request.accept_missing.clone(),
        resumes,
        probes: inputs.probes,
        journal,
    }
}

/// Returns whether a claim will bind the restored volume: it has none, and names none, not even another claim's. If it were
/// deleted, the volume might be deleted with it.
fn takes_any(claim: &Claim) -> bool {
    claim.state == ClaimState::Pending && claim.volume_name.is_none() && claim.not_its.is_none()
}

/// Returns whether a claim of this name belongs to the pod (generic ephemeral volume).
fn is_ephemeral(member: &Member, claim: &str) -> bool {
    member.claims.iter().any(|present| present.name == claim && present.ephemeral)
}

/// Returns whether a pod that is not scheduled yet waits for a volume to be restored to a claim that belongs to it. Such a pod
/// does not hold its other claims: Kubernetes recreates a deleted one for a Pending pod.
fn waits_for(member: &Member, claims: &[ReplacedClaim]) -> bool {
    let waits = |claim: &ReplacedClaim| {
        let present = member.claims.iter().find(|present| present.name == claim.name);
        match present {
            Some(present) if claim.uid.is_empty() => present.state == ClaimState::Pending,
            Some(present) => !claim.ephemeral && !present.terminating,
            None => false,
        }
    };
    let not_begun = |pod: &PodFacts| pod.pending && pod.node.is_none() && pod.terminating.is_none();
    member.pod.as_ref().is_some_and(not_begun) && claims.iter().any(|claim| claim.ephemeral) && claims.iter().all(waits)
}

/// Returns the claims to delete that still exist, Terminating or not.
fn standing<'m>(member: &'m Member, wanted: &[ReplacedClaim]) -> Vec<&'m Claim> {
    let goes = |claim: &&Claim| wanted.iter().any(|one| one.name == claim.name && claim.uid.as_ref() == Some(&one.uid));
    member.claims.iter().filter(goes).collect()
}

/// Removes alternatives that a failover has and an undo has not: it can neither keep the claims nor leave volumes unchanged.
fn remove_alternatives(checks: &mut [checks::PlanCheck], member: &Member, rights: &[(Permission, Allowed)]) {
    let denied = checks::may_not_patch_volumes(rights).is_some();
    for check in checks.iter_mut().filter(|check| check.verdict == checks::PlanVerdict::Block) {
        if check.id == checks::PlanCheckId::Retention && denied {
            check.allow = None;
            check.next = Some(prior_actions::rights().into());
        }
        if check.next.as_ref().is_some_and(|next| next.keeps_claims()) {
            check.next = Some(plugin("status").namespace(&member.namespace).into());
        }
    }
}

/// Returns whether a new claim is bound to a volume that it must not have: another one than the restored one, or one that is
/// recorded as retained.
pub fn misbound(wanted: &ReplacedClaim, present: &Claim, retained: &[String]) -> bool {
    // A claim that only names a volume is not bound to it.
    let Some(has) = present.volume_name.as_ref().filter(|_| present.not_its.is_none()) else { return false };
    let is_new = present.uid.as_ref().is_some_and(|uid| *uid != wanted.uid);
    is_new && wanted.returns.as_ref().map_or_else(|| retained.contains(has), |back| back.volume != *has)
}

/// Whether a new claim is being deleted. One that belongs to a pod goes with that pod, and comes with the next.
fn is_being_deleted(wanted: &ReplacedClaim, present: &Claim) -> bool {
    let is_new = present.uid.as_ref().is_some_and(|uid| *uid != wanted.uid);
    is_new && present.terminating && !present.ephemeral
}

/// Returns whether the replacement pod will not become Ready by itself: it was created from a template that has been replaced
/// since, and its StatefulSet may wait for it forever (kubernetes.io, "StatefulSets", "Forced rollback"). It is younger than
/// the operation, and never was Ready.
fn is_stuck(inputs: &Inputs<'_>, component: Option<&Component>) -> bool {
    let (Some(record), Some(pod)) = (inputs.unfinished, &inputs.member.pod) else { return false };
    let came_since = pod.uid != record.pod_uid
        && pod.created.zip(record.begun()).is_some_and(|(created, begun)| {
            // In whole seconds, by another clock: what is not clearly older is newer.
            created.as_second() >= begun.as_second()
        });
    let made_from = || {
        let set = component?.set().filter(|set| pod.owner.as_ref().is_some_and(|owner| owner.uid == set.uid))?;
        Some((pod.revision.as_ref()?, set.revision_for(inputs.member.ordinal()?)?))
    };
    came_since && !pod.ready && made_from().is_some_and(|(old, new)| old != new)
}

/// Returns the steps left for the claims: retain volumes, drop reservations, reserve volumes, delete claims.
fn claim_steps(topology: &Topology, member: &Member, wanted: &[ReplacedClaim], inputs: &Inputs<'_>) -> Vec<Step> {
    let standing = standing(member, wanted);
    // What comes back was retained by an earlier operation, and stays so until the undo is finished.
    let returns = |claim: &&&Claim| {
        let back = wanted.iter().find(|one| one.name == claim.name).and_then(|one| one.returns.as_ref());
        back.is_some_and(|back| claim.volume_name.as_ref() == Some(&back.volume))
    };
    let retained = standing.iter().filter(|claim| !returns(claim));
    let mut steps: Vec<Step> = retained.filter_map(|claim| retain(claim, inputs.rights)).collect();
    steps.extend(wanted.iter().flat_map(|claim| unreserve(topology, member, claim, inputs.records)));
    steps.extend(wanted.iter().filter_map(|claim| reserve(topology, member, claim)));
    // A Terminating claim has been deleted already; it goes with its pod. So does one that belongs to the pod.
    steps.extend(
        standing
            .iter()
            .filter(|claim| !claim.terminating && !claim.ephemeral)
            .filter_map(|claim| claim.uid.clone().map(|uid| Step::DeleteClaim { claim: claim.name.clone(), uid })),
    );
    steps
}

/// Returns the step that reserves a restored volume for its claim, unless it is bound to the new one already.
fn reserve(topology: &Topology, member: &Member, claim: &ReplacedClaim) -> Option<Step> {
    let returns = claim.returns.as_ref()?;
    let volume = topology.recorded.iter().find(|volume| volume.uid == returns.uid)?;
    let reference = volume.claim.as_ref()?;
    let released_by = reference.uid.clone()?;
    let bound = member.claims.iter().any(|present| present.uid.as_ref() == Some(&released_by));
    (!bound).then(|| Step::Reserve {
        volume: volume.name.clone(),
        uid: volume.uid.clone(),
        claim: claim.name.clone(),
        released_by,
    })
}

/// Returns the reservations that a failover must drop and its plan does not: an undo made them since.
pub fn reserved_since(plan: &Plan, topology: &Topology) -> Vec<Step> {
    let target = &plan.target;
    let Some(member) = topology.member(&target.namespace, &target.pod) else { return Vec::new() };
    let records = Record::on_volumes(topology);
    let now = plan.replaced_claims.iter().flat_map(|claim| unreserve(topology, member, claim, &records));
    now.filter(|step| !plan.steps.contains(step)).collect()
}

/// Returns the steps that drop an undo's reservation for a claim that gets a new volume now: the volume is retained again.
fn unreserve<'i>(
    topology: &'i Topology,
    member: &'i Member,
    claim: &'i ReplacedClaim,
    records: &'i [Record],
) -> impl Iterator<Item = Step> + 'i {
    let reserved = prior_actions::reserved_for(topology, &member.namespace, &claim.name);
    let step = |volume: &Volume| {
        let mut of_it = records.iter().rev().flat_map(|record| &record.claims);
        let released = of_it.find(|of| of.volume.as_ref() == Some(&volume.name) && of.name == claim.name)?;
        Some(Step::Unreserve {
            volume: volume.name.clone(),
            uid: volume.uid.clone(),
            claim: claim.name.clone(),
            released_by: Some(released.uid.clone()).filter(|uid| !uid.is_empty())?,
        })
    };
    reserved.filter(|_| claim.returns.is_none()).filter_map(step)
}

/// Returns the step that retains a claim's volume, unless the user may not patch volumes (see the retention check).
fn retain(claim: &Claim, rights: &[(Permission, Allowed)]) -> Option<Step> {
    let Known::Is(Some(volume)) = &claim.volume else { return None };
    checks::may_not_patch_volumes(rights).is_none().then(|| Step::Retain {
        volume: volume.name.clone(),
        uid: volume.uid.clone(),
        claim: claim.name.clone(),
        policy: volume.reclaim_policy.clone(),
    })
}

fn target(topology: &Topology, member: &Member, component: Option<&Component>, uid: String) -> Target {
    let owner = member.pod.as_ref().and_then(|pod| pod.owner.clone());
    Target {
        namespace: member.namespace.clone(),
        pod: member.name.clone(),
        uid,
        role: member.role,
        lost_node: member
            .pod
            .as_ref()
            .and_then(|pod| pod.node.clone())
            .filter(|node| topology.lost_nodes.contains(node)),
        component: component.map(|component| component.name.clone()).unwrap_or_default(),
        siblings: component
            .into_iter()
            .flat_map(|component| &component.members)
            .filter_map(|sibling| sibling.pod.as_ref())
            .map(|pod| pod.uid.clone())
            .collect(),
        owner,
    }
}

/// Returns how recovery is verified: by the component's own endpoint, or through the component that answers for it.
pub fn proof(topology: &Topology, member: &Member, request: &Request) -> Proof {
    let skipped = |reason: String| Proof::Skipped { reason };
    if !request.verify {
        return skipped("--no-verify was given".into());
    }
    match topology.endpoint(member) {
        Endpoint::Sql { pod, endpoint, warehouse } => {
            let canary = Some(format!("kubectl_synxdb_{}", request.id.replace('-', "_")));
            let user = request.user.clone().unwrap_or_else(|| endpoint.user.clone());
            Proof::Sql { pod, endpoint: SqlEndpoint { user, ..endpoint }, warehouse, canary }
        }
        Endpoint::Page { pod, endpoint } => Proof::Page { pod, role: member.role, endpoint },
        Endpoint::Silent(reason) => skipped(reason),
    }
}
