//! What a plan is, and what it is asked for by.

use super::{Action, ComparedWith, PlanCheck, PlanVerdict, Probes, Resolution, Returns};
use crate::cli::Allow;
use crate::error::Error;
use crate::topology::layout::{Role, SqlEndpoint, StatusEndpoint};
use crate::topology::{Owner, Warehouse};
use serde::Serialize;
use std::time::Duration;

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Name of this failover: short, unique.
    pub id: String,
    /// Replace the pod only.
    pub keep_claims: bool,
    /// Prove that the component and its data are back.
    pub verify: bool,
    /// Blocks that the user overrides.
    pub allow: Vec<Allow>,
    /// What may be missing since a stored baseline, or one that is taken over, by its names.
    pub accept_missing: Vec<String>,
    /// The pod's UID this failover is for: where the pod has another by now, it has been replaced already.
    pub pod_uid: Option<String>,
    /// Role to log in as, in place of the layout's.
    pub user: Option<String>,
    /// Whatever earlier failovers of the pod came to.
    pub anew: bool,
    /// Of an undo that names the pod only: newer acts than the one that is taken back, and why each is not the one.
    pub passed_over: Vec<String>,
    /// How long the new pod must stay Ready, without a restart.
    pub settle: Duration,
}

/// A failover or an undo, planned.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its name, for `undo` and `history`.
    pub id: String,
    /// What it is.
    #[serde(flatten)]
    pub act: Action,
    /// What is failed over.
    pub target: Target,
    /// Whether the claims are kept.
    pub keep_claims: bool,
    /// Whether the recovery will be verified.
    pub verify: bool,
    /// How long the new pod must stay Ready without a restart, in milliseconds: what was requested, two periods of its
    /// readiness probe, or its StatefulSet's `minReadySeconds`, whichever is longest.
    #[serde(rename = "settleMs")]
    pub settle_milliseconds: u64,
    /// The changes, in this order; empty if all were made already.
    pub steps: Vec<Step>,
    /// Claims that must be new and Bound in the end: name and the old UID.
    pub replaced_claims: Vec<ReplacedClaim>,
    /// What was checked.
    pub checks: Vec<PlanCheck>,
    /// Names of the volumes that are on record as set aside: no new claim of a failover may be bound to one of them.
    #[serde(skip)]
    pub aside: Vec<String>,
    /// How much is at stake.
    pub risk: Risk,
    /// How the recovery will be verified.
    #[serde(rename = "verification")]
    pub proof: Proof,
    /// What the component held before.
    pub before: Before,
    /// What it is compared with afterwards.
    pub baseline: ComparedWith,
    /// What may be missing since a stored baseline, by name; empty if nothing may.
    pub accept_missing: Vec<String>,
    /// The earlier run for this pod that is resumed. Null if a new operation is started.
    pub resumes: Option<Resumes>,
    /// The databases that are probed all the while, to measure how long each was unavailable.
    pub probes: Probes,
    /// The local file that keeps the record if no volume can carry it. Absent if one can.
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
    /// UID of the old pod; empty if it was gone already.
    pub uid: String,
    /// The kind of component.
    #[serde(rename = "component")]
    pub role: Role,
    /// Name of its workload: the StatefulSet, or another controller.
    #[serde(rename = "workload")]
    pub component: String,
    /// Who re-creates it.
    #[serde(skip)]
    pub owner: Option<Owner>,
    /// Its node, if that is known not to be Ready: the pod stays Terminating until the node is back. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_node: Option<String>,
    /// The pods of the same controller before the act: a successor under another name is one that is not
    /// among them.
    #[serde(skip)]
    pub siblings: Vec<String>,
}

/// One change to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// Retain the volume when its claim is deleted, and write the record on it.
    Retain {
        /// Name of the volume.
        volume: String,
        /// Its UID.
        uid: String,
        /// Its claim.
        claim: String,
        /// Its reclaim policy now.
        #[serde(rename = "reclaimPolicy")]
        policy: String,
    },
    /// Cancel the reservation of a volume that an undo did not restore: the volume stays retained, and the next claim gets
    /// another one.
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
        /// UID of the claim that it was bound to: it is reserved only while it is bound to no other.
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

/// A claim that is recreated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplacedClaim {
    /// Its name.
    pub name: String,
    /// The old UID; empty if there is no claim of this name, or if it has no volume and takes the one that is restored.
    pub uid: String,
    /// The volume that is restored: the new claim must be bound to it. Absent if it may be bound to any.
    #[serde(rename = "restores", skip_serializing_if = "Option::is_none")]
    pub returns: Option<Returns>,
    /// Whether it is of a generic ephemeral volume: Kubernetes deletes it with the pod. Absent if it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

/// How much is at stake, and so how it is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing can be lost that is not retained: yes or no, answered by `--yes`.
    Ordinary,
    /// A block was overridden: the pod's name must be typed, or given with `--confirm`.
    High,
}

/// How the recovery is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "method", rename_all = "camelCase")]
pub enum Proof {
    /// By SQL, through this pod.
    Sql {
        /// Pod that takes the session: the component's own, or the one that answers for it.
        pod: String,
        /// Port, user and database.
        endpoint: SqlEndpoint,
        /// The warehouse that its sessions are in, if the server knows warehouses. Null if the account has none that is up.
        warehouse: Option<Warehouse>,
        /// Schema that the canary table is written in. Null if none is written.
        canary: Option<String>,
    },
    /// By its own status endpoint.
    #[serde(rename = "statusEndpoint")]
    Page {
        /// The pod.
        pod: String,
        /// The kind of component: an endpoint without metrics does not report it.
        #[serde(rename = "component")]
        role: Role,
        /// Port and path.
        endpoint: StatusEndpoint,
    },
    /// It is not verified, for this reason.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What is known of what the component held before the first change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Before {
    /// It answered; what is there afterwards is compared with this.
    Answered {
        /// In words: `PostgreSQL 15.18: 2 databases, 1 table`.
        summary: String,
        /// What it leaves out, a line each: only there, a loss would not be noticed. Absent if it leaves out
        /// nothing.
        #[serde(rename = "omitted", skip_serializing_if = "Vec::is_empty")]
        lacks: Vec<String>,
    },
    /// It did not answer: there is nothing to compare with.
    #[serde(rename = "notAnswered")]
    Silent {
        /// Why, as far as known.
        reason: String,
    },
    /// It answered, and rejected the login: nothing could be compared, and nothing could be verified afterwards.
    #[serde(rename = "loginRejected")]
    LoginRefused {
        /// In the server's words, if it gave any.
        reason: String,
    },
    /// It was not queried, or its answer was not kept.
    #[serde(rename = "notQueried")]
    NotAsked,
}

/// The earlier run that is being finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Resumes {
    /// Its name.
    pub id: String,
    /// When it began, RFC 3339; empty if only the pod's UID is known of it.
    pub started: String,
}

impl Plan {
    /// Why it may not be carried out, where a check blocks it.
    pub fn refusal(&self) -> Option<Error> {
        self.refused(&Resolution::Retry.to_string())
    }

    /// The same, for a run: `again` is the command that asks for the same once more.
    pub fn refused(&self, again: &str) -> Option<Error> {
        let blocks: Vec<&PlanCheck> = self.checks.iter().filter(|check| check.verdict == PlanVerdict::Block).collect();
        if blocks.is_empty() {
            return None;
        }
        let what = match &self.act {
            Action::Failover => format!("{} is not failed over", self.path()),
            Action::Undo(id) => format!("{id} of {} is not undone", self.path()),
        };
        let mut error = Error::refused(what);
        for check in &blocks {
            error = error.because(check.reason.clone());
            let next = check.next.as_ref().map(|next| match next {
                Resolution::Retry => again.to_owned(),
                next => next.to_string(),
            });
            if let Some(next) = next.filter(|next| !error.hints.contains(next)) {
                error = error.hint(next);
            }
        }
        Some(error)
    }

    /// Whether there is nothing to compare with, however often it is asked.
    pub fn lacks_baseline(&self) -> bool {
        matches!(self.baseline, ComparedWith::Nothing { .. })
            && !matches!(self.proof, Proof::Skipped { .. })
            && !matches!(self.before, Before::LoginRefused { .. })
    }

    /// Whether anything will be deleted.
    pub fn deletes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::DeleteClaim { .. } | Step::DeletePod { .. }))
    }

    /// `namespace/pod`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.target.namespace, self.target.pod)
    }
}
