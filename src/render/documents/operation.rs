//! What a failover or an undo reports while it runs, and how it ended. Its plan is `plan::Plan` itself.

use super::availability::Availability;
use super::millis;
use crate::outcome::Outcome;
use crate::plan::{ComparedWith, Plan};
use crate::recovery::{ClaimChange, Event as Happened, Phase, PhaseEnd, RunResult};
use crate::suggestion::{SuggestedCommand, Suggestion};
use crate::topology::Role;
use serde::Serialize;

/// Something that happened in a failover or an undo.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("allOf" = [
    {
        "if": {"properties": {"state": {"enum": ["notice", "dryRun"]}}},
        "then": {"properties": {"phase": false}},
        "else": {"required": ["phase"]}
    },
    {
        "if": {"properties": {"state": {"const": "done"}}},
        "then": {"required": ["durationMs"]},
        "else": {"properties": {"durationMs": false}}
    },
    {
        "if": {"properties": {"state": {"const": "started"}}},
        "then": {"properties": {"message": false}},
        "else": {"required": ["message"]}
    }
])))]
pub struct Event<'a> {
    /// The phase that it belongs to. Absent from a notice and a dry run, which belong to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What happened.
    pub state: EventState,
    /// How long the phase took, in milliseconds. Absent unless it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What was done, what is waited for, or why, in words. Absent if a phase has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum EventState {
    /// A phase started.
    Started,
    /// A phase is in progress: what it waits for, or has just done.
    InProgress,
    /// A phase is done.
    Done,
    /// There was nothing to do in a phase.
    Skipped,
    /// A phase was not completed.
    Failed,
    /// Something the user should know, whatever the phase.
    Notice,
    /// The server validated a step, and did not carry it out.
    DryRun,
}

/// How a failover or an undo ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperationResult<'a> {
    /// Its name, for `undo` and `history`.
    pub id: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in words, a line each; empty if there is nothing to add.
    pub reasons: &'a [String],
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The pod that was replaced.
    pub pod: &'a str,
    /// The kind of component.
    pub component: Role,
    /// Name of its workload: the StatefulSet, or another controller.
    pub workload: &'a str,
    /// From the first change to the end, in milliseconds.
    pub duration_ms: u64,
    /// New pods that were stuck on a deleted claim, and were deleted again.
    pub stuck_pods_deleted: u32,
    /// Restarts of the new pod's containers.
    pub restarts: u32,
    /// UID of the old pod; empty if it was gone before.
    pub old_uid: &'a str,
    /// UID of the new pod. Null if there is none.
    pub new_uid: Option<&'a str>,
    /// Name of the new pod. Null if there is none.
    pub new_pod: Option<&'a str>,
    /// The claims that were replaced.
    pub claims: &'a [ClaimChange],
    /// What it was compared with.
    pub baseline: &'a ComparedWith,
    /// What was verified to be there as before, in words. Null if nothing was.
    pub verified: Option<&'a str>,
    /// What was changed, in words, in order.
    pub changes: &'a [String],
    /// What should be known and is not, a line each.
    pub notices: &'a [String],
    /// How each phase ended, in order; one that did not start is not listed.
    pub phases: Vec<PhaseResult<'a>>,
    /// How long each database that depends on the pod was unavailable.
    pub availability: Vec<Availability<'a>>,
    /// The command that resumes what is unfinished, or waits until a safekeeper has the WAL that it lacks. Null if there is
    /// nothing to wait for.
    pub resume: Option<String>,
    /// The command that accepts what is missing since a stored baseline, and verifies the rest. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The command that restores the retained volumes, if the new pod does not become Ready on what it has now, or lacks data
    /// that may be on them. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

/// How a phase ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("if" = {"properties": {"state": {"const": "done"}}})))]
#[cfg_attr(test, schemars(extend("then" = {"required": ["durationMs"]})))]
#[cfg_attr(test, schemars(extend("else" = {"properties": {"durationMs": false}})))]
pub struct PhaseResult<'a> {
    /// The phase.
    pub phase: Phase,
    /// How it ended.
    pub state: PhaseState,
    /// How long it took, in milliseconds. Absent unless it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What was done, or why it was not, in words.
    pub message: &'a str,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PhaseState {
    /// It is done.
    Done,
    /// There was nothing to do.
    Skipped,
    /// It was not completed.
    Failed,
}

impl<'a> Event<'a> {
    /// A step that the server was asked about and did not carry out.
    pub fn rehearsed(what: &'a str) -> Self {
        Self { phase: None, state: EventState::DryRun, duration_ms: None, message: Some(what) }
    }
}

impl<'a> From<&'a Happened> for Event<'a> {
    fn from(event: &'a Happened) -> Self {
        let of = |phase: &Phase, state, message| Self { phase: Some(*phase), state, duration_ms: None, message };
        match event {
            Happened::Started(phase) => of(phase, EventState::Started, None),
            Happened::Detail(phase, text) => of(phase, EventState::InProgress, Some(text)),
            Happened::Done(phase, end) => {
                let PhaseResult { state, duration_ms, message, .. } = PhaseResult::of(*phase, end);
                Self { duration_ms, ..of(phase, EventState::from(state), Some(message)) }
            }
            Happened::Notice(text) => {
                Self { phase: None, state: EventState::Notice, duration_ms: None, message: Some(text) }
            }
        }
    }
}

impl From<PhaseState> for EventState {
    fn from(state: PhaseState) -> Self {
        match state {
            PhaseState::Done => Self::Done,
            PhaseState::Skipped => Self::Skipped,
            PhaseState::Failed => Self::Failed,
        }
    }
}

impl<'a> PhaseResult<'a> {
    fn of(phase: Phase, end: &'a PhaseEnd) -> Self {
        let (state, duration_ms, message) = match end {
            PhaseEnd::After(time, detail) => (PhaseState::Done, Some(millis(*time)), detail),
            PhaseEnd::Skipped(why) => (PhaseState::Skipped, None, why),
            PhaseEnd::Failed(why) => (PhaseState::Failed, None, why),
        };
        Self { phase, state, duration_ms, message }
    }
}

impl<'a> OperationResult<'a> {
    /// Of a plan and how it ended. `resume` is the command that resumes it, if there is anything to resume.
    pub fn new(plan: &'a Plan, outcome: &'a RunResult, reasons: &'a [String], resume: Option<&Suggestion>) -> Self {
        Self {
            id: &plan.id,
            outcome: outcome.ending.kind(),
            reasons,
            namespace: &plan.target.namespace,
            pod: &plan.target.pod,
            component: plan.target.role,
            workload: &plan.target.component,
            duration_ms: millis(outcome.total),
            stuck_pods_deleted: outcome.healed,
            restarts: outcome.restarts,
            old_uid: &outcome.old_uid,
            new_uid: outcome.new_pod.as_ref().map(|(_, uid)| uid.as_str()),
            new_pod: outcome.new_pod.as_ref().map(|(name, _)| name.as_str()),
            claims: &outcome.claims,
            baseline: &plan.baseline,
            verified: outcome.proof.as_deref(),
            changes: &outcome.done,
            notices: &outcome.notices,
            phases: outcome.phases.iter().map(|(phase, end)| PhaseResult::of(*phase, end)).collect(),
            availability: outcome.reachability.iter().map(Availability::from).collect(),
            resume: resume.map(Suggestion::to_string),
            accept: outcome.accept.as_ref().map(SuggestedCommand::to_string),
            undo: outcome.undo.as_ref().map(SuggestedCommand::to_string),
        }
    }
}
