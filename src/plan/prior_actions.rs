//! What earlier operations mean for a new one: which volumes can be restored, what is in progress, what was just done.

use super::checks::{PlanCheck, PlanCheckId, Resolution, block, may_not_patch_volumes, pass, unread, warn};
use super::fits::unfit;
use super::inputs::Inputs;
use super::retained_state::{RetainedState, state};
use super::{Action, Record, RecordedClaim, RecordedOutcome, ReplacedClaim, Returns, Step};
use crate::cli::Allow;
use crate::duration::age_of;
use crate::storage::terms::{Since, Vote, since};
use crate::suggestion::{SuggestedCommand, plugin};
use crate::text::first_few;
use crate::topology::{ClaimState, Known, Member, Role, Topology, Volume};
use jiff::{SignedDuration, Timestamp};

/// How long after a recovered failover another one of the same pod counts as a mistake: a colleague was faster, or a script
/// ran twice.
const JUST_NOW: SignedDuration = SignedDuration::from_secs(60);

impl Record {
    /// Returns whether it is about this pod in its current installation, and not about an earlier StatefulSet of the same name.
    pub fn is_of_member(&self, topology: &Topology, member: &Member) -> bool {
        let workload = topology.component_of(member).and_then(|component| component.workload.as_known()?.as_ref());
        let same = match (&self.owner, workload) {
            (Some(owner), Some(workload)) if owner.is_stateful_set() => owner.uid == workload.uid,
            _ => true,
        };
        same && self.is_of(&member.namespace, &member.name)
    }
}

/// Maximum plausible difference between two clocks: beyond it certificates and tokens would not work either.
const SKEW: SignedDuration = SignedDuration::from_secs(5 * 60);

impl Record {
    /// Returns why an unfinished operation must not be resumed: its record does not match the cluster. `None` if the cluster
    /// confirms it. Checked because a user who may annotate a volume may write anything.
    pub fn contradicted(&self, topology: &Topology, now: Timestamp) -> Option<String> {
        if !self.unfinished() {
            return None;
        }
        if self.begun().is_none_or(|begun| begun.duration_since(now) > SKEW) {
            return Some(format!("it began in the future ({}): clock skew, or a forged record", self.started));
        }
        let member = topology.member(&self.namespace, &self.pod)?;
        let set = topology.component_of(member).and_then(|component| component.set());
        match (&self.owner, set) {
            (Some(owner), Some(set)) if owner.uid != set.uid => {
                return Some(format!("{} {}, which it names, has another UID", owner.kind, owner.name));
            }
            // Without a pod UID the pod was gone when it began.
            (None, Some(_)) if !self.pod_uid.is_empty() => return Some("it names no owner of the pod".to_owned()),
            _ => {}
        }
        self.claims.iter().find_map(|claim| {
            let volume = topology.recorded.iter().find(|volume| Some(&volume.name) == claim.volume.as_ref());
            let returns = claim.returns.as_ref();
            let back = topology.recorded.iter().find(|volume| Some(&volume.name) == returns.map(|it| &it.volume));
            if let (Some(back), Some(returns)) = (back, returns)
                && back.uid != returns.uid
            {
                return Some(format!("volume {}, which it restores, has another UID", back.name));
            }
            let reference = volume?.claim.as_ref();
            let its = reference.is_some_and(|reference| {
                let same = reference.namespace == self.namespace && reference.name == claim.name;
                same && reference.uid.as_ref().is_none_or(|uid| *uid == claim.uid)
            });
            (!its).then(|| {
                let name = claim.volume.as_deref().unwrap_or_default();
                format!(
                    "volume {name} does not belong to the claim that the record names, {} (UID {})",
                    claim.name, claim.uid
                )
            })
        })
    }
}

/// Returns the newest operation on this pod; an older unfinished one is not resumed. An operation that a newer one superseded
/// is not the newest, even if the newer record is gone with its volumes.
pub fn newest<'r>(records: &'r [Record], topology: &Topology, member: &Member) -> Option<&'r Record> {
    let newest = records.iter().rev().find(|record| record.is_of_member(topology, member));
    newest.filter(|record| record.superseded_by.is_none())
}

/// Returns the earlier operations on the same pod that are settled once this one has recovered.
pub fn left_open<'r>(records: &'r [Record], of: &Record) -> impl Iterator<Item = &'r Record> {
    let owner = |record: &Record| record.owner.as_ref().map(|owner| owner.uid.clone());
    let (pod, set, id) = ((of.namespace.clone(), of.pod.clone()), owner(of), of.id.clone());
    records.iter().filter(move |record| {
        let same_set = owner(record).zip(set.clone()).is_none_or(|(one, other)| one == other);
        record.id != id && same_set && record.is_of(&pod.0, &pod.1) && !record.is_settled()
    })
}

/// Returns the reclaim policy that a volume had before it was retained. An operation on a volume that was retained already
/// found `Retain`, which an earlier one had set, unless the volume was in use and recovered in between.
fn policy_before(records: &[Record], volume: &str) -> Option<String> {
    let mut before = None;
    for (record, claim) in records.iter().flat_map(|record| record.claims.iter().map(move |claim| (record, claim))) {
        if claim.volume.as_deref() == Some(volume) {
            before = before.or_else(|| claim.reclaim_policy.clone());
        }
        let returned = claim.returns.as_ref().is_some_and(|returns| returns.volume == volume);
        if returned && record.outcome == RecordedOutcome::Recovered {
            before = None;
        }
    }
    before
}

/// Returns what an undo of this operation could restore: each claim with its volume, and the reclaim policy that the volume
/// had before it was retained.
pub fn returning<'r>(topology: &Topology, records: &'r [Record], of: &'r Record) -> Vec<(&'r RecordedClaim, Returns)> {
    of.claims
        .iter()
        .filter_map(|claim| {
            let name = claim.volume.clone()?;
            let uid = topology.recorded.iter().find(|volume| volume.name == name).map(|volume| volume.uid.clone());
            let reclaim_policy = policy_before(records, &name).or_else(|| claim.reclaim_policy.clone());
            Some((claim, Returns { volume: name, uid: uid.unwrap_or_default(), reclaim_policy }))
        })
        .collect()
}

/// Returns the names of the volumes that are recorded as retained, whatever became of them since.
pub(super) fn retained(topology: &Topology) -> Vec<String> {
    let is_aside = |volume: &&Volume| {
        let records = volume.records.iter().filter_map(|text| Record::parse(text));
        records.flat_map(|record| record.claims).any(|claim| claim.volume.as_ref() == Some(&volume.name))
    };
    let mut names: Vec<String> = topology.recorded.iter().filter(is_aside).map(|volume| volume.name.clone()).collect();
    names.sort();
    names
}

/// Returns the volumes that carry a record and are reserved for the next claim of this name.
pub(super) fn reserved_for<'t>(
    topology: &'t Topology,
    namespace: &'t str,
    claim: &'t str,
) -> impl Iterator<Item = &'t Volume> {
    topology.recorded.iter().filter(|volume| !volume.terminating).filter(move |volume| {
        let reference = volume.claim.as_ref();
        reference.is_some_and(|it| it.uid.is_none() && it.name == claim && it.namespace == namespace)
    })
}

/// Returns the checks of earlier operations.
pub(super) fn checks(inputs: &Inputs<'_>, claims: &[ReplacedClaim], steps: &[Step]) -> Vec<PlanCheck> {
    let mut checks = Vec::new();
    if let Some(of) = inputs.undoes {
        if let Some(permission) = may_not_patch_volumes(inputs.rights) {
            let why = format!("missing permission: {permission}; no volume can be reserved for its claim");
            checks.push(block(PlanCheckId::Return, why, rights()));
        }
        checks.extend(passed_over(inputs, of));
        checks.extend(claims.iter().filter_map(|claim| comes_back(inputs, claim)));
        checks.extend(votes(inputs, of, steps));
        if claims.is_empty() {
            let why = if of.keep_claims { "it kept its claims" } else { "none could be" };
            checks.push(block(PlanCheckId::Return, format!("{} retained no volume: {why}", of.id), history()));
        }
    } else if steps.iter().any(|step| matches!(step, Step::DeletePod { .. } | Step::DeleteClaim { .. })) {
        checks.extend(newest(inputs.records, inputs.topology, inputs.member).and_then(|last| again(inputs, last)));
        checks.extend(unknown(inputs, steps));
    }
    checks
}

/// Returns what to do if rights are missing.
pub(super) fn rights() -> SuggestedCommand {
    plugin("rbac --for undo").note("to see the permissions to request")
}

fn history() -> SuggestedCommand {
    plugin("history").note("to see what can be undone")
}

/// Warns that newer operations were skipped, if only the pod was named.
fn passed_over(inputs: &Inputs<'_>, of: &Record) -> Option<PlanCheck> {
    let passed_over = &inputs.request.passed_over;
    let what =
        format!("{} is undone, the last operation whose volume is known to have held the baseline's data", of.id);
    (!passed_over.is_empty()).then(|| warn(PlanCheckId::Return, format!("{what}: {}", passed_over.join("; "))))
}

/// Checks whether a safekeeper's old disk could vote twice. A safekeeper stores its votes on its disk; an old disk lacks later
/// votes, and could vote a second time in the same term: two computes could then write one timeline.
fn votes(inputs: &Inputs<'_>, of: &Record, steps: &[Step]) -> Option<PlanCheck> {
    let brings_back = steps.iter().any(|step| matches!(step, Step::Reserve { .. } | Step::DeletePod { .. }));
    if inputs.member.role != Role::Safekeeper || !brings_back {
        return None;
    }
    let id = PlanCheckId::Votes;
    let others = inputs.storage.other_safekeepers(&inputs.member.name);
    Some(match since(of.terms.as_ref(), &others) {
        Since::Nothing => pass(id, format!("no safekeeper voted since {}: the old disk has every vote", of.id)),
        Since::Unknown(why) => warn(
            id,
            format!("unknown whether a safekeeper voted since {}, so that the old disk could vote twice: {why}", of.id),
        ),
        Since::Voted(votes) => {
            let line = |vote: &Vote| {
                let then = vote.then.map_or_else(|| "none".to_owned(), |then| then.to_string());
                format!("term {} of timeline {} by {}, earlier {then}", vote.now, vote.timeline, vote.on)
            };
            let lines: Vec<String> = votes.iter().map(line).collect();
            let why =
                format!("the old disk could vote twice: safekeepers voted since {} ({})", of.id, first_few(&lines));
            let allow = Allow::QuorumLoss;
            PlanCheck {
                allow: Some(allow),
                ..if inputs.request.allow.contains(&allow) {
                    PlanCheck { overridden: true, ..warn(id, why) }
                } else {
                    block(id, why, Resolution::Override(allow))
                }
            }
        }
    })
}

/// Checks whether the volume of this claim can be restored.
fn comes_back(inputs: &Inputs<'_>, claim: &ReplacedClaim) -> Option<PlanCheck> {
    let returns = claim.returns.as_ref()?;
    let id = PlanCheckId::Return;
    let name = &returns.volume;
    let present = inputs.member.claims.iter().find(|present| present.name == claim.name);
    Some(match inputs.topology.recorded.iter().find(|volume| volume.name == *name) {
        None => block(id, format!("volume {name}, retained for claim {}, no longer exists", claim.name), history()),
        Some(volume) => match obstacle(inputs, claim, volume) {
            Some(why) => {
                let unknown = present.is_some_and(|present| matches!(present.state, ClaimState::Unknown(_)));
                let gap = inputs.topology.unread_claims(&inputs.member.namespace).filter(|_| unknown);
                unread(block(id, why, history()), gap)
            }
            None => {
                let size = volume.capacity.as_deref().unwrap_or("of unknown size");
                let back = format!("volume {name} ({size}) is restored as claim {}", claim.name);
                match present.and_then(|present| present.volume_name.as_ref()).filter(|now| *now != name) {
                    Some(now) => warn(id, format!("{back}; volume {now}, with everything written since, is retained")),
                    None => pass(id, back),
                }
            }
        },
    })
}

fn obstacle(inputs: &Inputs<'_>, claim: &ReplacedClaim, volume: &Volume) -> Option<String> {
    let name = &volume.name;
    let present = inputs.member.claims.iter().find(|present| present.name == claim.name);
    match state(volume, &inputs.member.namespace, &claim.name, present) {
        RetainedState::Retained | RetainedState::Reserved => {}
        // After an interrupted undo the new claim may have it already.
        RetainedState::InPlace if inputs.unfinished.is_some() => {}
        RetainedState::InPlace => return Some(format!("volume {name} is in use: claim {} is bound to it", claim.name)),
        RetainedState::Lost(why) | RetainedState::Unknown(why) => return Some(format!("volume {name}: {why}")),
    }
    let Some(present) = present else {
        return Some(format!("{} mounts no claim {}: nothing would recreate it", inputs.member.name, claim.name));
    };
    if let Some(other) = reserved_too(inputs, claim, volume) {
        let name = &claim.name;
        return Some(format!(
            "volume {other} is reserved for claim {name} by an unfinished undo: the claim might bind that one"
        ));
    }
    if let ClaimState::Unknown(why) = &present.state {
        return Some(format!("claim {} cannot be read: {why}", claim.name));
    }
    // A volume that is in use already fits.
    let in_place = volume.claim.as_ref().is_some_and(|reference| reference.uid == present.uid && present.uid.is_some());
    if in_place { None } else { unfit(inputs.topology, inputs.member, &claim.name, volume) }
}

/// Returns another volume that is reserved for the same claim.
fn reserved_too<'i>(inputs: &'i Inputs<'i>, claim: &'i ReplacedClaim, volume: &Volume) -> Option<&'i String> {
    let mut reserved = reserved_for(inputs.topology, &inputs.member.namespace, &claim.name);
    reserved.find(|other| other.uid != volume.uid).map(|other| &other.name)
}

/// Blocks if volumes cannot be read: they may record an unfinished failover, and a new one would delete the claims that the
/// first one has just created. A claim whose volume is unknown has its own check.
fn unknown(inputs: &Inputs<'_>, steps: &[Step]) -> Option<PlanCheck> {
    let gap = inputs.topology.unread_volumes()?;
    let deletes = steps.iter().any(|step| matches!(step, Step::DeleteClaim { .. }));
    let is_said = inputs.member.claims.iter().any(|claim| matches!(claim.volume, Known::Unknown(_)));
    if inputs.unfinished.is_some() || !deletes || is_said {
        return None;
    }
    let why = format!("unknown whether an earlier failover is unfinished: volumes cannot be read: {}", gap.why);
    let allow = Allow::UnretainedVolume;
    Some(if inputs.request.allow.contains(&allow) {
        PlanCheck { overridden: true, ..warn(PlanCheckId::Earlier, why) }
    } else {
        unread(block(PlanCheckId::Earlier, why, Resolution::Override(allow)), Some(gap))
    })
}

/// Checks what the last operation on this pod means for a failover now.
fn again(inputs: &Inputs<'_>, last: &Record) -> Option<PlanCheck> {
    let id = PlanCheckId::Earlier;
    if inputs.unfinished.is_some() {
        return None;
    }
    let check = match (&last.act, last.outcome) {
        (Action::Undo(of), RecordedOutcome::Unfinished | RecordedOutcome::CatchingUp) => {
            let why = format!("undo {} of {of}, started {}, is unfinished", last.id, last.started);
            let resume = plugin("undo").word(of).note("to resume it; --start-over fails over nevertheless");
            (why, Resolution::from(resume))
        }
        (Action::Failover, RecordedOutcome::Unfinished | RecordedOutcome::CatchingUp) => {
            return Some(warn(
                id,
                format!("failover {}, started {}, is unfinished and will stay so", last.id, last.started),
            ));
        }
        (act, RecordedOutcome::Recovered) => {
            let finished: Timestamp = last.finished.as_deref()?.parse().ok()?;
            let since = inputs.now.duration_since(finished);
            if since > JUST_NOW {
                return None;
            }
            if since < SKEW.checked_neg().unwrap_or(SignedDuration::MIN) {
                let when = last.finished.as_deref().unwrap_or_default();
                let why = format!("{} ended in the future ({when}): clock skew, or a forged record", last.id);
                return Some(warn(id, why));
            }
            // A pod that is down again is not healthy because it was a moment ago.
            if !inputs.member.ready() {
                return None;
            }
            let ago = age_of(since.as_secs().max(0));
            let what = if *act == Action::Failover { "failed over" } else { "restored" };
            let pod = &inputs.member.name;
            (
                format!("{pod} was {what} {ago} ago ({}), and has recovered", last.id),
                Resolution::from("to repeat, add --start-over"),
            )
        }
        (_, RecordedOutcome::Unverified | RecordedOutcome::DataMissing) => return None,
    };
    let (why, next) = check;
    Some(if inputs.request.start_over { warn(id, why) } else { block(id, why, next) })
}

#[cfg(test)]
#[path = "prior_actions_tests.rs"]
mod tests;
