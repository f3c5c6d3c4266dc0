//! What the checks look at.

use super::Resolution;
use super::check::{PlanCheck, PlanCheckId, block, warn};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::plan::{Before, ComparedWith, InFlight, Proof, Record, Request, Step};
use crate::storage::Readings;
use crate::topology::{Claim, Component, Member, Topology, Volume};
use jiff::Timestamp;

/// What the checks look at.
pub(crate) struct CheckContext<'s> {
    pub(crate) topology: &'s Topology,
    pub(crate) member: &'s Member,
    pub(crate) component: Option<&'s Component>,
    pub(crate) keep_claims: bool,
    pub(crate) steps: &'s [Step],
    pub(crate) request: &'s Request,
    pub(crate) rights: &'s [(Permission, Allowed)],
    pub(crate) before: &'s Before,
    pub(crate) baseline: &'s ComparedWith,
    /// Of this failover.
    pub(crate) id: &'s str,
    pub(crate) in_flight: &'s InFlight,
    /// What the storage components of the member's namespace say.
    pub(crate) storage: &'s Readings,
    pub(crate) proof: &'s Proof,
    /// Volumes that the new claims will be bound to: none is made for them.
    pub(crate) returning: &'s [&'s Volume],
    /// All acts on record, the oldest first.
    pub(crate) records: &'s [Record],
    /// The time now.
    pub(crate) now: Timestamp,
}

impl<'s> CheckContext<'s> {
    /// Whether the pod is going to be deleted.
    pub(crate) fn deletes_pod(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeletePod { .. }))
    }

    pub(crate) fn deletes_claim(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeleteClaim { claim, .. } if claim == name))
    }

    /// The claims that are going to be deleted.
    pub(crate) fn deleted_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.deletes_claim(&claim.name))
    }

    /// Whether a claim is going to be gone: it is deleted, or goes with the pod, as one does that belongs to it or that
    /// somebody has deleted already.
    pub(crate) fn goes(&self, claim: &Claim) -> bool {
        let with_pod = (claim.ephemeral || claim.terminating) && claim.uid.is_some();
        self.deletes_claim(&claim.name) || with_pod && self.deletes_pod()
    }

    /// The claims that are going to be gone.
    pub(crate) fn going_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.goes(claim))
    }

    /// The claims that the new pod will find as they are.
    pub(crate) fn kept_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| !claim.terminating && !self.goes(claim))
    }

    /// Whether the volume of this claim is going to be kept.
    pub(crate) fn retains(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Retain { claim, .. } if claim == name))
    }

    /// Whether anything is going to be deleted: what is done already is not refused any more.
    pub(crate) fn deletes(&self) -> bool {
        self.deletes_pod() || self.deleted_claims().next().is_some()
    }

    /// Seconds since then; none where that lies ahead, as a clock may that is not the server's.
    pub(crate) fn seconds_since(&self, then: Timestamp) -> i64 {
        (self.now.as_second() - then.as_second()).max(0)
    }
}

/// A block that one named flag overrides: then it is a warning, and the risk is high.
pub(crate) fn overridable(
    context: &CheckContext<'_>,
    id: PlanCheckId,
    reason: impl Into<String>,
    allow: Allow,
) -> PlanCheck {
    let check = if context.request.allow.contains(&allow) {
        PlanCheck { overridden: true, ..warn(id, reason) }
    } else {
        block(id, reason, Resolution::Override(allow))
    };
    PlanCheck { allow: Some(allow), ..check }
}
