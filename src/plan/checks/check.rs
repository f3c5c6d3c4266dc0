//! One check: what it looks at, and what it comes to.

use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::plan::{Before, ComparedWith, InFlight, Proof, Record, Request, Step};
use crate::storage::Readings;
use crate::topology::{Claim, Component, Gap, Member, Topology, Volume};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;

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

/// What leads past a check that blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The pod alone is replaced: `--keep-pvc`.
    KeepClaims,
    /// The same of a pod that nothing is known to re-create.
    KeepClaimsOfUnmanaged,
    /// This override.
    Override(Allow),
    /// The same command once more: what could not be read this time may well be read then.
    Retry,
    /// Something else, in words.
    Words(String),
}

impl Resolution {
    /// Whether it leaves the claims as they are.
    pub fn keeps_claims(&self) -> bool {
        matches!(self, Self::KeepClaims | Self::KeepClaimsOfUnmanaged)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepClaims => f.write_str("--keep-pvc replaces the pod and keeps its claims"),
            Self::KeepClaimsOfUnmanaged => {
                f.write_str("--keep-pvc --allow unmanaged-pod deletes the pod alone, for something else to re-create")
            }
            Self::Override(allow) => write!(f, "--allow {} overrides this check", allow.flag()),
            Self::Retry => f.write_str("run it again: it is read again"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl Serialize for Resolution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<String> for Resolution {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<&str> for Resolution {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
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
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub next: Option<Resolution>,
    /// The one override, given or not, of what is blocked. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// Whether this would block and the user overrode it.
    pub overridden: bool,
}

/// What the checks look at.
pub(in crate::plan) struct Subject<'s> {
    pub(in crate::plan) topology: &'s Topology,
    pub(in crate::plan) member: &'s Member,
    pub(in crate::plan) component: Option<&'s Component>,
    pub(in crate::plan) keep_claims: bool,
    pub(in crate::plan) steps: &'s [Step],
    pub(in crate::plan) request: &'s Request,
    pub(in crate::plan) rights: &'s [(Permission, Allowed)],
    pub(in crate::plan) before: &'s Before,
    pub(in crate::plan) baseline: &'s ComparedWith,
    /// Of this failover.
    pub(in crate::plan) id: &'s str,
    pub(in crate::plan) in_flight: &'s InFlight,
    /// What the storage components of the member's namespace say.
    pub(in crate::plan) storage: &'s Readings,
    pub(in crate::plan) proof: &'s Proof,
    /// Volumes that the new claims will be bound to: none is made for them.
    pub(in crate::plan) returning: &'s [&'s Volume],
    /// All acts on record, the oldest first.
    pub(in crate::plan) records: &'s [Record],
    /// The time now.
    pub(in crate::plan) now: Timestamp,
}

impl<'s> Subject<'s> {
    /// Whether the pod is going to be deleted.
    pub(in crate::plan) fn deletes_pod(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeletePod { .. }))
    }

    pub(in crate::plan) fn deletes_claim(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeleteClaim { claim, .. } if claim == name))
    }

    /// The claims that are going to be deleted.
    pub(in crate::plan) fn deleted_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.deletes_claim(&claim.name))
    }

    /// Whether a claim is going to be gone: it is deleted, or goes with the pod, as one does that belongs to it or that
    /// somebody has deleted already.
    pub(in crate::plan) fn goes(&self, claim: &Claim) -> bool {
        let with_pod = (claim.ephemeral || claim.terminating) && claim.uid.is_some();
        self.deletes_claim(&claim.name) || with_pod && self.deletes_pod()
    }

    /// The claims that are going to be gone.
    pub(in crate::plan) fn going_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.goes(claim))
    }

    /// The claims that the new pod will find as they are.
    pub(in crate::plan) fn kept_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| !claim.terminating && !self.goes(claim))
    }

    /// Whether the volume of this claim is going to be kept.
    pub(in crate::plan) fn retains(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Retain { claim, .. } if claim == name))
    }

    /// Whether anything is going to be deleted: what is done already is not refused any more.
    pub(in crate::plan) fn deletes(&self) -> bool {
        self.deletes_pod() || self.deleted_claims().next().is_some()
    }

    /// Seconds since then; none where that lies ahead, as a clock may that is not the server's.
    pub(in crate::plan) fn seconds_since(&self, then: Timestamp) -> i64 {
        (self.now.as_second() - then.as_second()).max(0)
    }
}

pub(in crate::plan) fn pass(id: CheckId, reason: impl Into<String>) -> Check {
    Check { id, verdict: Verdict::Pass, reason: reason.into(), next: None, allow: None, overridden: false }
}

pub(in crate::plan) fn warn(id: CheckId, reason: impl Into<String>) -> Check {
    Check { verdict: Verdict::Warn, ..pass(id, reason) }
}

pub(in crate::plan) fn block(id: CheckId, reason: impl Into<String>, next: impl Into<Resolution>) -> Check {
    Check { verdict: Verdict::Block, next: Some(next.into()), ..pass(id, reason) }
}

/// A block that one named flag overrides: then it is a warning, and the risk is high.
pub(in crate::plan) fn overridable(
    subject: &Subject<'_>,
    id: CheckId,
    reason: impl Into<String>,
    allow: Allow,
) -> Check {
    let check = if subject.request.allow.contains(&allow) {
        Check { overridden: true, ..warn(id, reason) }
    } else {
        block(id, reason, Resolution::Override(allow))
    };
    Check { allow: Some(allow), ..check }
}

/// The same check if it comes of something that could not be read: what the next attempt may well read is no reason to
/// override anything.
pub(in crate::plan) fn unread(check: Check, gap: Option<&Gap>) -> Check {
    let retry = check.verdict == Verdict::Block && gap.is_some_and(|gap| gap.transient);
    if retry { Check { next: Some(Resolution::Retry), ..check } } else { check }
}

pub(in crate::plan) fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// `1 node`, `2 nodes`.
pub(in crate::plan) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A time in words, of two units at most: `12 s`, `3 min 20 s`, `2 h`.
pub(in crate::plan) fn span(seconds: i64) -> String {
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
