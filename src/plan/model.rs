//! The plan, and the request for one.

use super::{Action, ComparedWith, PlanCheck, PlanVerdict, Probes, Resolution, Returns};
use crate::cli::Allow;
use crate::error::Error;
use crate::suggestion::Suggestion;
use crate::topology::layout::{Role, SqlEndpoint, StatusEndpoint};
use crate::topology::{Owner, Warehouse};
use serde::Serialize;
use std::time::Duration;

/// The user's request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// ID of this operation: short, unique.
    pub id: String,
    /// Replace the pod only.
    pub keep_claims: bool,
    /// Verify that the component and its data have recovered.
    pub verify: bool,
    /// Checks that the user overrides.
    pub allow: Vec<Allow>,
    /// Names of what may be missing compared with an earlier baseline.
    pub accept_missing: Vec<String>,
    /// UID of the pod to replace: if the pod has another one by now, it has been replaced already.
    pub pod_uid: Option<String>,
    /// Role to log in as, instead of the layout's.
    pub user: Option<String>,
    /// Start a new failover, whatever became of earlier ones.
    pub start_over: bool,
    /// For an undo that names only the pod: newer operations than the one to undo, and why each was skipped.
    pub passed_over: Vec<String>,
    /// How long the new pod must stay Ready, without a restart.
    pub settle: Duration,
}

/// A failover or an undo, planned.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its ID, for `undo` and `history`.
    pub id: String,
    /// Failover or undo.
    #[serde(flatten)]
    pub act: Action,
    /// The pod to replace.
    pub target: Target,
    /// Whether the claims are kept.
    pub keep_claims: bool,
    /// Whether recovery is verified.
    pub verify: bool,
    /// How long the new pod must stay Ready without a restart, in milliseconds: the longest of the requested time, two periods
    /// of its readiness probe, and its StatefulSet's `minReadySeconds`.
    #[serde(rename = "settleMs")]
    pub settle_milliseconds: u64,
    /// The changes, in order; empty if all of them are done already.
    pub steps: Vec<Step>,
    /// Claims that must be new and Bound in the end: their names and old UIDs.
    pub replaced_claims: Vec<ReplacedClaim>,
    /// The checks, and their results.
    pub checks: Vec<PlanCheck>,
    /// Names of the volumes that are recorded as retained: no new claim of a failover may be bound to one of them.
    #[serde(skip)]
    pub retained: Vec<String>,
    /// The risk.
    pub risk: Risk,
    /// How recovery is verified.
    #[serde(rename = "verification")]
    pub proof: Proof,
    /// What the component reported before the first change.
    pub before: Before,
    /// What the recovered component is compared with.
    pub baseline: ComparedWith,
    /// Names of what may be missing compared with an earlier baseline; empty if nothing may.
    pub accept_missing: Vec<String>,
    /// The earlier run that is resumed. Null if a new one is started.
    pub resumes: Option<Resumes>,
    /// The databases that are probed during the operation, to measure outages.
    pub probes: Probes,
    /// The local file that keeps the record, if no volume can carry it. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

/// The pod to be replaced, pinned by its UID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// UID of the pod to delete; empty if it was gone already.
    pub uid: String,
    /// Its role.
    #[serde(rename = "component")]
    pub role: Role,
    /// Name of its workload.
    #[serde(rename = "workload")]
    pub component: String,
    /// The controller that recreates it.
    #[serde(skip)]
    pub owner: Option<Owner>,
    /// Its node, if that is known not to be Ready: the pod stays Terminating until the node is back. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_node: Option<String>,
    /// UIDs of the controller's pods before the operation: a replacement under another name is not among them.
    #[serde(skip)]
    pub siblings: Vec<String>,
}

/// One change to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// Retain the volume when its claim is deleted, and write the record to it.
    Retain {
        /// Name of the volume.
        volume: String,
        /// Its UID.
        uid: String,
        /// Its claim.
        claim: String,
        /// Its current reclaim policy.
        #[serde(rename = "reclaimPolicy")]
        policy: String,
    },
    /// Drop an undo's reservation that was not used: the volume stays retained, and the next claim gets another one.
    Unreserve {
        /// Name of the volume.
        volume: String,
        /// Its UID.
        uid: String,
        /// The claim that it is reserved for.
        claim: String,
        /// UID of the claim that it was bound to.
        #[serde(rename = "formerClaimUid")]
        released_by: String,
    },
    /// Reserve a retained volume for the next claim of this name.
    Reserve {
        /// Name of the volume.
        volume: String,
        /// Its UID.
        uid: String,
        /// The claim that it is for.
        claim: String,
        /// UID of the claim that it was bound to: it is reserved only while it is still Released by that claim.
        #[serde(rename = "formerClaimUid")]
        released_by: String,
    },
    /// Delete a claim; it stays Terminating until its pod is gone.
    DeleteClaim {
        /// Name of the claim.
        claim: String,
        /// Its UID.
        uid: String,
    },
    /// Delete the pod.
    DeletePod {
        /// Name of the pod.
        pod: String,
        /// Its UID.
        uid: String,
    },
}

/// A claim that must be recreated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplacedClaim {
    /// Its name.
    pub name: String,
    /// UID of the claim to delete; empty if no claim of this name exists, or if it has no volume and will bind the restored one.
    pub uid: String,
    /// The volume to restore: the new claim must be bound to it. Absent if it may be bound to any.
    #[serde(rename = "restores", skip_serializing_if = "Option::is_none")]
    pub returns: Option<Returns>,
    /// Whether it belongs to a generic ephemeral volume: Kubernetes deletes it with the pod. Absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

/// The risk, and so the confirmation that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Everything that is replaced is retained: confirmed by yes, or by `--yes`.
    Ordinary,
    /// A check was overridden: confirmed by the pod's name, typed or given with `--confirm`.
    High,
}

/// How recovery is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "method", rename_all = "camelCase")]
pub enum Proof {
    /// By SQL, through this pod.
    Sql {
        /// Pod to connect to: the component's own, or the one that answers for it.
        pod: String,
        /// Port, user and database.
        endpoint: SqlEndpoint,
        /// Warehouse of its sessions, if the server has warehouses. Null if none of the account is up.
        warehouse: Option<Warehouse>,
        /// Schema of the canary table. Null if none is written.
        canary: Option<String>,
    },
    /// By its own status endpoint.
    #[serde(rename = "statusEndpoint")]
    Page {
        /// The pod.
        pod: String,
        /// Its role: a page without metrics does not tell it.
        #[serde(rename = "component")]
        role: Role,
        /// Port and path.
        endpoint: StatusEndpoint,
    },
    /// Not verified, for this reason.
    Skipped {
        /// The reason.
        reason: String,
    },
}

/// What the component reported before the first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Before {
    /// It responded; this is the baseline.
    Answered {
        /// For people: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
        /// What the baseline leaves out, a line each: its loss could not be noticed. Absent if nothing is left out.
        #[serde(rename = "omitted", skip_serializing_if = "Vec::is_empty")]
        lacks: Vec<String>,
    },
    /// It did not respond: there is nothing to compare with.
    #[serde(rename = "notAnswered")]
    Silent {
        /// The reason, as far as known.
        reason: String,
    },
    /// It rejected the login: nothing can be compared, and nothing can be verified afterwards.
    #[serde(rename = "loginRejected")]
    LoginRefused {
        /// The server's message, if there was one.
        reason: String,
    },
    /// It was not queried, or its answer was not kept.
    #[serde(rename = "notQueried")]
    NotAsked,
}

/// The earlier run that is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Resumes {
    /// Its ID.
    pub id: String,
    /// When it began, RFC 3339; empty if only the pod's UID is known.
    pub started: String,
}

impl Plan {
    /// Returns the error if a check blocks the plan.
    pub fn refusal(&self) -> Option<Error> {
        self.refused(&Resolution::Retry.to_string().into())
    }

    /// Returns the same error for a run: `again` is the command to retry.
    pub fn refused(&self, again: &Suggestion) -> Option<Error> {
        let blocks: Vec<&PlanCheck> = self.checks.iter().filter(|check| check.verdict == PlanVerdict::Block).collect();
        if blocks.is_empty() {
            return None;
        }
        let what = match &self.act {
            Action::Failover => format!("failover of {} blocked", self.path()),
            Action::Undo(id) => format!("undo of {id} for {} blocked", self.path()),
        };
        let mut error = Error::refused(what);
        for check in &blocks {
            error = error.because(check.reason.clone());
            let next = check.next.as_ref().map(|next| next.suggestion(again));
            if let Some(next) = next.filter(|next| !error.hints.contains(next)) {
                error = error.hint(next);
            }
        }
        Some(error)
    }

    /// Returns whether there is no baseline to compare with, and retrying would not change that.
    pub fn lacks_baseline(&self) -> bool {
        matches!(self.baseline, ComparedWith::Nothing { .. })
            && !matches!(self.proof, Proof::Skipped { .. })
            && !matches!(self.before, Before::LoginRefused { .. })
    }

    /// Returns whether anything will be deleted.
    pub fn deletes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeleteClaim { .. } | Step::DeletePod { .. }))
    }

    /// Returns `namespace/pod`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.target.namespace, self.target.pod)
    }
}
