//! What a running failover tells, and how it ended. Values only; `render` words them.

use super::availability::Availability;
use crate::outcome::OutcomeKind;
use serde::Serialize;
use std::time::Duration;

/// The six phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Volumes are retained and recorded on.
    Retain,
    /// Claims are deleted.
    Claim,
    /// The pod is deleted.
    Pod,
    /// New pod, new claims, Bound.
    #[serde(rename = "recreate")]
    Replaced,
    /// The new pod is Ready.
    Ready,
    /// The component answers, and what was there is there.
    #[serde(rename = "verify")]
    Answers,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [Self::Retain, Self::Claim, Self::Pod, Self::Replaced, Self::Ready, Self::Answers];

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Claim => "claim",
            Self::Pod => "pod",
            Self::Replaced => "recreate",
            Self::Ready => "ready",
            Self::Answers => "verify",
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
    /// By the definition: all four conditions.
    Recovered,
    /// The pod is new and Ready; verification was switched off (`--no-verify`).
    Replaced,
    /// The pod is new and Ready; whether the component and its data are back is unknown.
    Unverified(String),
    /// Something that was there before is missing: one line each.
    DataMissing(Vec<String>),
    /// The pod is back and Ready, and its component was still fetching data when the time was up: what is left, in words.
    CatchingUp(String),
    /// Not within the time given: what was waited for.
    TimedOut(String),
    /// The cluster was not as planned; nothing further was changed.
    ClusterChanged(String),
    /// A request failed for good.
    Failed(crate::error::Error),
    /// Ended by the user.
    Interrupted,
}

impl Ending {
    /// Returns how it ended, without the reasons.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Recovered => OutcomeKind::Recovered,
            Self::Replaced => OutcomeKind::Replaced,
            Self::Unverified(_) => OutcomeKind::Unverified,
            Self::DataMissing(_) => OutcomeKind::DataMissing,
            Self::CatchingUp(_) => OutcomeKind::CatchingUp,
            Self::TimedOut(_) => OutcomeKind::TimedOut,
            Self::ClusterChanged(_) => OutcomeKind::ClusterChanged,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Interrupted => OutcomeKind::Interrupted,
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
    /// Old UID; empty if there was none.
    pub old_uid: String,
    /// New UID. Null if there is none.
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

/// The whole account of a failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// How long each phase took, and whether it was reached.
    pub phases: Vec<(Phase, PhaseEnd)>,
    /// From the first change to the end.
    pub total: Duration,
    /// The old pod's UID; empty if it was gone before.
    pub old_uid: String,
    /// The new pod's name and UID, once there is one.
    pub new_pod: Option<(String, String)>,
    /// The claims.
    pub claims: Vec<ClaimChange>,
    /// Pending pods that were deleted once more.
    pub healed: u32,
    /// Restarts of the new pod's containers.
    pub restarts: u32,
    /// The same in words, with how the last one came about; `None` where there was none.
    pub restarted: Option<String>,
    /// What was compared, in words: `2 databases, 3 tables, 12 rows, the canary table`.
    pub proof: Option<String>,
    /// When the baseline was taken that it was compared with, RFC 3339. None where nothing was compared, or that is not on
    /// record.
    pub compared_with: Option<String>,
    /// What was changed, in words, in order: for the one who was interrupted.
    pub done: Vec<String>,
    /// What should be known and is not.
    pub notices: Vec<String>,
    /// How long the databases that depend on the component were away.
    pub reachability: Vec<Availability>,
    /// The command that accepts what is missing since a stored baseline, and proves the rest; nothing is deleted by it.
    pub accept: Option<String>,
    /// The command that puts back what was set aside, where the new pod does not come up on what it has now.
    pub undo: Option<String>,
}
