//! One check: what it looks at, and what it comes to.

use crate::cli::Allow;
use crate::suggestion::{SuggestedCommand, Suggestion};
use crate::topology::Gap;
use serde::Serialize;
use std::fmt;

/// What came of a check before the first change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PlanVerdict {
    /// Nothing against it.
    #[serde(rename = "passed")]
    Pass,
    /// Something the user should know.
    #[serde(rename = "warning")]
    Warn,
    /// It is refused.
    #[serde(rename = "blocked")]
    Block,
}

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PlanCheckId {
    /// What the user may do.
    Permission,
    /// Who re-creates the pod and its claims.
    Controller,
    /// Whether the controller would re-create the pod now.
    Order,
    /// Whether the new pod would be made from the template that the old one was made from.
    Revision,
    /// Whether the pod is being deleted already, or was created a moment ago.
    Pod,
    /// PodDisruptionBudgets.
    Budget,
    /// Whether a foreign finalizer would keep the pod or its claims Terminating.
    Finalizers,
    /// Safekeepers' majority.
    Quorum,
    /// Whether the old volumes are retained.
    Retention,
    /// Where the new volumes come from.
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
    /// What the component holds before.
    Baseline,
    /// How it will be verified.
    #[serde(rename = "verification")]
    Proof,
    /// Other operations in progress.
    Lease,
    /// What was done to the member before.
    #[serde(rename = "priorOperations")]
    Earlier,
    /// Whether the retained volumes can be restored.
    #[serde(rename = "restore")]
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
    /// Another command.
    Command(SuggestedCommand),
    /// Something else, in words.
    Advice(String),
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
                f.write_str("--keep-pvc --allow unmanaged-pod deletes the pod alone, for something else to recreate")
            }
            Self::Override(allow) => write!(f, "--allow {} overrides this check", allow.flag()),
            Self::Retry => f.write_str("rerun the command: it reads the cluster again"),
            Self::Command(command) => command.fmt(f),
            Self::Advice(words) => f.write_str(words),
        }
    }
}

impl Resolution {
    /// Returns it as a suggestion; `again` is the command to retry.
    pub fn suggestion(&self, again: &Suggestion) -> Suggestion {
        match self {
            Self::Retry => again.clone(),
            Self::Command(command) => command.clone().into(),
            words => words.to_string().into(),
        }
    }
}

impl Serialize for Resolution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<SuggestedCommand> for Resolution {
    fn from(command: SuggestedCommand) -> Self {
        Self::Command(command)
    }
}

impl From<String> for Resolution {
    fn from(words: String) -> Self {
        Self::Advice(words)
    }
}

impl From<&str> for Resolution {
    fn from(words: &str) -> Self {
        Self::Advice(words.to_owned())
    }
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanCheck {
    /// Which check.
    #[serde(rename = "check")]
    pub id: PlanCheckId,
    /// What came of it.
    #[serde(rename = "result")]
    pub verdict: PlanVerdict,
    /// Why, with numbers.
    pub reason: String,
    /// For a block: what to do about it, or the one flag that overrides it. Absent if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub next: Option<Resolution>,
    /// The one override, given or not, of what is blocked. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// Whether this would block and the user overrode it.
    pub overridden: bool,
}

pub(crate) fn pass(id: PlanCheckId, reason: impl Into<String>) -> PlanCheck {
    PlanCheck { id, verdict: PlanVerdict::Pass, reason: reason.into(), next: None, allow: None, overridden: false }
}

pub(crate) fn warn(id: PlanCheckId, reason: impl Into<String>) -> PlanCheck {
    PlanCheck { verdict: PlanVerdict::Warn, ..pass(id, reason) }
}

pub(crate) fn block(id: PlanCheckId, reason: impl Into<String>, next: impl Into<Resolution>) -> PlanCheck {
    PlanCheck { verdict: PlanVerdict::Block, next: Some(next.into()), ..pass(id, reason) }
}

/// The same check if it comes of something that could not be read: what the next attempt may well read is no reason to
/// override anything.
pub(crate) fn unread(check: PlanCheck, gap: Option<&Gap>) -> PlanCheck {
    let retry = check.verdict == PlanVerdict::Block && gap.is_some_and(|gap| gap.transient);
    if retry { PlanCheck { next: Some(Resolution::Retry), ..check } } else { check }
}
