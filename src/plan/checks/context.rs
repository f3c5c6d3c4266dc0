//! The inputs of the checks.

use super::Resolution;
use super::check::{PlanCheck, PlanCheckId, block, warn};
use crate::cli::Allow;
use crate::cluster::permission::{Allowed, Permission};
use crate::plan::{Before, ComparedWith, InFlight, Proof, Record, Request, Step};
use crate::storage::Readings;
use crate::topology::{Claim, Component, Member, Topology, Volume};
use jiff::Timestamp;

/// The inputs of the checks.
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
    /// ID of this operation.
    pub(crate) id: &'s str,
    pub(crate) in_flight: &'s InFlight,
    /// What the storage components of the namespace report.
    pub(crate) storage: &'s Readings,
    pub(crate) proof: &'s Proof,
    /// Retained volumes that the new claims will be bound to: none is provisioned for them.
    pub(crate) returning: &'s [&'s Volume],
    /// All recorded operations, the oldest first.
    pub(crate) records: &'s [Record],
    /// The time now.
    pub(crate) now: Timestamp,
}

impl<'s> CheckContext<'s> {
    /// Returns whether the pod will be deleted.
    pub(crate) fn deletes_pod(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeletePod { .. }))
    }

    pub(crate) fn deletes_claim(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeleteClaim { claim, .. } if claim == name))
    }

    /// Returns the claims that will be deleted by a step.
    pub(crate) fn deleted_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.deletes_claim(&claim.name))
    }

    /// Returns whether a claim will be gone: it is deleted by a step, or with the pod because it belongs to it or is being
    /// deleted already.
    pub(crate) fn goes(&self, claim: &Claim) -> bool {
        let with_pod = (claim.ephemeral || claim.terminating) && claim.uid.is_some();
        self.deletes_claim(&claim.name) || with_pod && self.deletes_pod()
    }

    /// Returns the claims that will be gone.
    pub(crate) fn going_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| self.goes(claim))
    }

    /// Returns the claims that the new pod will use unchanged.
    pub(crate) fn kept_claims(&self) -> impl Iterator<Item = &'s Claim> {
        self.member.claims.iter().filter(|claim| !claim.terminating && !self.goes(claim))
    }

    /// Returns whether the volume of this claim will be retained.
    pub(crate) fn retains(&self, name: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Retain { claim, .. } if claim == name))
    }

    /// Returns whether anything will be deleted: what is done already is not blocked any more.
    pub(crate) fn deletes(&self) -> bool {
        self.deletes_pod() || self.deleted_claims().next().is_some()
    }

    /// Returns the seconds since then; 0 for a time in the future, because clocks differ.
    pub(crate) fn seconds_since(&self, then: Timestamp) -> i64 {
        (self.now.as_second() - then.as_second()).max(0)
    }
}

/// Returns a block that one flag overrides; with that flag a warning, at high risk.
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
