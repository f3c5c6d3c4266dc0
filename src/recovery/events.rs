//! Events of a running failover, and its result. Values only; `render` formats them.

use super::availability::Availability;
use crate::outcome::Outcome;
use crate::suggestion::SuggestedCommand;
use serde::Serialize;
use std::time::Duration;

/// The six phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Volumes are retained and carry the record.
    Retain,
    /// Claims are deleted.
    Claim,
    /// The pod is deleted.
    Pod,
    /// New pod, new claims, Bound.
    Recreate,
    /// The new pod is Ready.
    Ready,
    /// The component responds, and its data is intact.
    Verify,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 6] = [Self::Retain, Self::Claim, Self::Pod, Self::Recreate, Self::Ready, Self::Verify];

    /// Returns its name in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Claim => "claim",
            Self::Pod => "pod",
            Self::Recreate => "recreate",
            Self::Ready => "ready",
            Self::Verify => "verify",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase began.
    Started(Phase),
    /// What a phase waits for, or has just done.
    Detail(Phase, String),
    /// A phase is done.
    Done(Phase, PhaseEnd),
    /// Something the user should know, whatever the phase.
    Notice(String),
}

/// How a phase ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhaseEnd {
    /// Reached, after this time.
    After(Duration, String),
    /// There was nothing to do, for this reason.
    Skipped(String),
    /// Not reached, for this reason.
    Failed(String),
}

/// How a failover ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As defined: all four conditions hold.
    Recovered,
    /// The pod is new and Ready; verification was switched off (`--no-verify`).
    Replaced,
    /// The pod is new and Ready; whether the component and its data are back is unknown.
    Unverified(String),
    /// Data that was present before is missing: one line each.
    DataMissing(Vec<String>),
    /// The pod is new and Ready, and its component was still fetching data when the time was up: what is left.
    CatchingUp(String),
    /// Not within the time given: what was waited for.
    TimedOut(String),
    /// The cluster was not as planned; nothing further was changed.
    ClusterChanged(String),
    /// A request failed permanently.
    Failed(crate::error::Error),
    /// Interrupted by the user.
    Interrupted,
}

impl Ending {
    /// Returns how it ended, without the reasons.
    pub fn kind(&self) -> Outcome {
        match self {
            Self::Recovered => Outcome::Recovered,
            Self::Replaced => Outcome::Replaced,
            Self::Unverified(_) => Outcome::Unverified,
            Self::DataMissing(_) => Outcome::DataMissing,
            Self::CatchingUp(_) => Outcome::CatchingUp,
            Self::TimedOut(_) => Outcome::TimedOut,
            Self::ClusterChanged(_) => Outcome::ClusterChanged,
            Self::Failed(_) => Outcome::Failed,
            Self::Interrupted => Outcome::Interrupted,
        }
    }
}

/// A claim before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimChange {
    /// Its name.
    pub name: String,
    /// UID of the old claim; empty if there was none.
    pub old_uid: String,
    /// UID of the new claim. Null if there is none.
    pub new_uid: Option<String>,
    /// Volume that is retained. Null if there is none.
    pub retained_volume: Option<String>,
    /// Of an undo: the volume that was restored, once the new claim is bound to it. Absent otherwise.
    #[serde(rename = "restoredVolume", skip_serializing_if = "Option::is_none")]
    pub returned_volume: Option<String>,
    /// Of an undo that is not verified: the reclaim policy that this volume had before it was retained, and does not get
    /// again. It stays on Retain. Absent otherwise.
    #[serde(rename = "originalReclaimPolicy", skip_serializing_if = "Option::is_none")]
    pub earlier_policy: Option<String>,
}

/// The complete result of a failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// How it ended.
    pub ending: Ending,
    /// How long each phase took, and whether it was reached.
    pub phases: Vec<(Phase, PhaseEnd)>,
    /// From the first change to the end.
    pub total: Duration,
    /// The old pod's UID; empty if it was already gone.
    pub old_uid: String,
    /// The new pod's name and UID, once there is one.
    pub new_pod: Option<(String, String)>,
    /// The claims.
    pub claims: Vec<ClaimChange>,
    /// Pending pods that were deleted again.
    pub healed: u32,
    /// Restarts of the new pod's containers.
    pub restarts: u32,
    /// The restarts in words, with the cause of the last one; `None` if there were none.
    pub restarted: Option<String>,
    /// What was compared: `2 databases, 3 tables (rows counted), canary table intact`.
    pub proof: Option<String>,
    /// When the baseline of the comparison was taken, RFC 3339. None if nothing was compared, or the time was not
    /// recorded.
    pub compared_with: Option<String>,
    /// What was changed, in order: for the user after an interruption.
    pub done: Vec<String>,
    /// What the user should know although it does not change the result.
    pub notices: Vec<String>,
    /// How long the databases that depend on the component were unavailable.
    pub reachability: Vec<Availability>,
    /// The command that accepts what is missing since a stored baseline, and verifies the rest; it deletes nothing.
    pub accept: Option<SuggestedCommand>,
    /// The command that restores the retained volumes, if the new pod does not start on its new ones.
    pub undo: Option<SuggestedCommand>,
}
