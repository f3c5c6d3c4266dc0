//! What is checked before anything is asked: each check passes, warns or blocks, with the numbers in its reason.

mod controller;
mod disks;
mod disruption;
mod evidence;
mod machines;
#[cfg(test)]
mod more_tests;
mod peers;
mod rights;
mod storage;
#[cfg(test)]
mod tests;
mod volumes;
#[cfg(test)]
mod volumes_tests;

use super::in_flight::{self, InFlight};
pub(super) use disks::may_not_patch_volumes;
pub(super) use volumes::in_words;

use super::{Before, ComparedWith, Proof, Record, Request, Step};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::storage::Readings;
use crate::topology::{Claim, Component, Gap, Member, Topology, Volume};
use jiff::Timestamp;
use serde::Serialize;

/// A check's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PlanVerdict"))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing against it.
    Pass,
    /// Something the user should know.
    Warn,
    /// It is refused.
    Block,
}

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PlanCheckId"))]
#[serde(rename_all = "kebab-case")]
pub enum CheckId {
    /// What the user may do.
    Permission,
    /// Who re-creates the pod and its claims.
    Controller,
    /// Whether the controller would re-create the pod now.
    Order,
    /// Whether the new pod would be made from the template that the old one was made from.
    Revision,
    /// Whether the pod is going already, or came a moment ago.
    Pod,
    /// PodDisruptionBudgets.
    Budget,
    /// Whether somebody else would keep the pod or its claims from going.
    Finalizers,
    /// Safekeepers' majority.
    Quorum,
    /// Whether the old disks are kept.
    Retention,
    /// Where the new disks come from.
    StorageClass,
    /// Whether the pageserver has its data elsewhere, too.
    RemoteStorage,
    /// Whether the safekeepers have the WAL that the pageserver has not uploaded.
    Wal,
    /// Whether another storage component is down, or has not recovered.
    Storage,
    /// Whether other pods mount the claims.
    SharedClaim,
    /// Whether the claims are known.
    Claims,
    /// The node the pod is on, and those that the new one could be on.
    Node,
    /// What is not known because it may not be read.
    Unread,
    /// The other members of the component.
    Siblings,
    /// What the component says before.
    Baseline,
    /// How it will be proven.
    Proof,
    /// Other failovers under way.
    Lease,
    /// What was done to the member before.
    Earlier,
    /// Whether the volumes that were set aside can come back.
    Return,
    /// Whether a safekeeper's old disk could vote a second time in one term.
    Votes,
    /// Whether the API server, and what it asks, takes each step and what is created afterwards: by dry runs.
    Admission,
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PlanCheck"))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Which check.
    pub id: CheckId,
    /// Its answer.
    pub verdict: Verdict,
    /// Why, with numbers.
    pub reason: String,
    /// For a block: what to do about it, or the one flag that overrides it. Absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The one override, given or not, of what is blocked. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// Whether this would block and the user overrode it.
    pub overridden: bool,
    /// Whether it blocks only because something could not be read this time: the same command may succeed as it is.
    #[serde(skip)]
    pub(super) retry: bool,
}

/// What to do about a block that may be gone when the cluster is read again.
pub(super) const RETRY: &str = "run it again: it is read again";

/// What the checks look at.
pub(super) struct Subject<'s> {
    pub(super) topology: &'s Topology,
    pub(super) member: &'s Member,
    pub(super) component: Option<&'s Component>,
    pub(super) keep_claims: bool,
    pub(super) steps: &'s [Step],
    pub(super) request: &'s Request,
    pub(super) rights: &'s [(Permission, Allowed)],
    pub(super) before: &'s Before,
    pub(super) baseline: &'s ComparedWith,
    /// Of this failover.
    pub(super) id: &'s str,
    pub(super) in_flight: &'s InFlight,
    /// What the storage components of the member's namespace say.
    pub(super) storage: &'s Readings,
    pub(super) proof: &'s Proof,
    /// Volumes that the new claims will be bound to: none is made for them.
    pub(super) returning: &'s [&'s Volume],
    /// All acts on record, the oldest first.
    pub(super) records: &'s [Record],
    /// The time now.
    pub(super) now: Timestamp,
}

impl<'s> Subject<'s> {
    /// Whether the pod is going to be deleted.
    fn deletes_pod(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeletePod { .. }))
    }

    fn deletes_claim(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeleteClaim { claim, .. } if claim == name))
    }

    /// The claims that are going to be deleted.
    fn deleted_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.deletes_claim(&claim.name))
    }

    /// Whether a claim is going to be gone: it is deleted, or goes with the pod, as one does that belongs to it or that
    /// somebody has deleted already.
    fn goes(&self, claim: &Claim) -> bool {
        let with_pod = (claim.ephemeral || claim.terminating) && claim.uid.is_some();
        self.deletes_claim(&claim.name) || with_pod && self.deletes_pod()
    }

    /// The claims that are going to be gone.
    fn going_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.goes(claim))
    }

    /// The claims that the new pod will find as they are.
    fn kept_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| !claim.terminating && !self.goes(claim))
    }

    /// Whether the volume of this claim is going to be kept.
    fn retains(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Retain { claim, .. } if claim == name))
    }

    /// Whether anything is going to be deleted: what is done already is not refused any more.
    fn deletes(&self) -> bool {
        self.deletes_pod() || self.deleted_claims().next().is_some()
    }

    /// Seconds since then; none where that lies ahead, as a clock may that is not the server's.
    fn seconds_since(&self, then: Timestamp) -> i64 {
        (self.now.as_second() - then.as_second()).max(0)
    }
}

pub(super) fn run(subject: &Subject<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    rights::permissions(subject, &mut checks);
    rights::unread(subject, &mut checks);
    in_flight::check(subject, &mut checks);
    controller::controller(subject, &mut checks);
    controller::order(subject, &mut checks);
    controller::revision(subject, &mut checks);
    disruption::pod(subject, &mut checks);
    disruption::budgets(subject, &mut checks);
    disruption::finalizers(subject, &mut checks);
    disks::claims(subject, &mut checks);
    disks::not_known_to_rehydrate(subject, &mut checks);
    peers::quorum(subject, &mut checks);
    disks::retention(subject, &mut checks);
    volumes::comes_back_otherwise(subject, &mut checks);
    volumes::storage_class(subject, &mut checks);
    storage::remote_storage(subject, &mut checks);
    storage::only_wal(subject, &mut checks);
    storage::others(subject, &mut checks);
    machines::node(subject, &mut checks);
    peers::siblings(subject, &mut checks);
    evidence::evidence(subject, &mut checks);
    checks
}

pub(super) fn pass(id: CheckId, reason: impl Into<String>) -> Check {
    Check {
        id,
        verdict: Verdict::Pass,
        reason: reason.into(),
        next: None,
        allow: None,
        overridden: false,
        retry: false,
    }
}

pub(super) fn warn(id: CheckId, reason: impl Into<String>) -> Check {
    Check { verdict: Verdict::Warn, ..pass(id, reason) }
}

pub(super) fn block(id: CheckId, reason: impl Into<String>, next: impl Into<String>) -> Check {
    Check { verdict: Verdict::Block, next: Some(next.into()), ..pass(id, reason) }
}

/// A block that one named flag overrides: then it is a warning, and the risk is high.
pub(super) fn overridable(subject: &Subject<'_>, id: CheckId, reason: impl Into<String>, allow: Allow) -> Check {
    let check = if subject.request.allow.contains(&allow) {
        Check { overridden: true, ..warn(id, reason) }
    } else {
        block(id, reason, format!("--allow {} overrides this check", allow.flag()))
    };
    Check { allow: Some(allow), ..check }
}

/// The same check if it comes of something that could not be read: what the next attempt may well read is no reason to
/// override anything.
pub(super) fn unread(check: Check, gap: Option<&Gap>) -> Check {
    let retry = check.verdict == Verdict::Block && gap.is_some_and(|gap| gap.transient);
    if retry { Check { next: Some(RETRY.into()), retry, ..check } } else { check }
}

fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// `1 node`, `2 nodes`.
fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A time in words, of two units at most: `12 s`, `3 min 20 s`, `2 h`.
fn span(seconds: i64) -> String {
    let two = |whole: i64, unit: &str, rest: i64, rest_unit: &str| match rest {
        0 => format!("{whole} {unit}"),
        rest => format!("{whole} {unit} {rest} {rest_unit}"),
    };
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}
