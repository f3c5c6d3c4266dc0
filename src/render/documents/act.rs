//! What a failover or an undo tells while it runs, and how it ended. Its plan is `plan::Plan` itself.

use super::availability::Reachability;
use super::millis;
use crate::plan::{ComparedWith, Plan};
use crate::recovery::{ClaimChange, Ending, Event as Happened, Outcome, Phase, PhaseEnd};
use crate::topology::Role;
use serde::Serialize;

/// Something that happened in a failover or an undo.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("allOf" = [
    {
        "if": {"properties": {"state": {"enum": ["notice", "dry-run"]}}},
        "then": {"properties": {"phase": false}},
        "else": {"required": ["phase"]}
    },
    {
        "if": {"properties": {"state": {"const": "done"}}},
        "then": {"required": ["milliseconds"]},
        "else": {"properties": {"milliseconds": false}}
    },
    {
        "if": {"properties": {"state": {"const": "started"}}},
        "then": {"properties": {"detail": false}},
        "else": {"required": ["detail"]}
    }
])))]
pub struct Event<'a> {
    /// The phase that it belongs to. Absent of a notice and of a dry run, which belong to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What happened.
    pub state: EventState,
    /// How long the phase took, in milliseconds. Absent unless it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// What was done, what is waited for, or why, in words. Absent where a phase was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum EventState {
    /// A phase began.
    Started,
    /// What a phase waits for, or has just done.
    Waiting,
    /// A phase is done.
    Done,
    /// In a phase there was nothing to do.
    Skipped,
    /// A phase was not reached.
    Failed,
    /// Something the user should know, whatever the phase.
    Notice,
    /// The server was asked about a step, and did not carry it out.
    DryRun,
}

/// How a failover or an undo ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ActResult<'a> {
    /// Its name, for `undo` and `history`.
    pub id: &'a str,
    /// How it ended, in one word.
    pub verdict: Verdict,
    /// Why, in words, a line each; empty where nothing is to be said.
    pub reasons: &'a [String],
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The pod that was replaced.
    pub pod: &'a str,
    /// What the pod does.
    pub component: Role,
    /// From the first change to the end, in milliseconds.
    pub milliseconds: u64,
    /// New pods that waited for a claim that was gone, and were deleted once more.
    pub healed: u32,
    /// Restarts of the new pod's containers.
    pub restarts: u32,
    /// UID of the pod that went; empty where it was gone before.
    pub old_uid: &'a str,
    /// UID of the pod that came. Null where none did.
    pub new_uid: Option<&'a str>,
    /// Name of the pod that came. Null where none did.
    pub new_pod: Option<&'a str>,
    /// The claims that were replaced.
    pub claims: &'a [ClaimChange],
    /// What it was compared with.
    pub baseline: &'a ComparedWith,
    /// What was found as it was before, in words. Null where nothing was proven.
    pub proof: Option<&'a str>,
    /// What was changed, in words, in order.
    pub done: &'a [String],
    /// What should be known and is not, a line each.
    pub notices: &'a [String],
    /// How each phase ended, in order; one that was not begun is not listed.
    pub phases: Vec<PhaseResult<'a>>,
    /// How long each database that depends on the pod was away.
    pub reachability: Vec<Reachability<'a>>,
    /// The command that finishes what is unfinished, or waits until a safekeeper has the WAL that it lacks. Null where there
    /// is nothing to wait for.
    pub resume: Option<&'a str>,
    /// The command that accepts what is missing since a stored baseline, and proves the rest. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<&'a str>,
    /// The command that puts back what was set aside, where the new pod does not come up on what it has now, or lacks data
    /// that may be there. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<&'a str>,
}

/// How a failover or an undo ended, in one word.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// The pod is new and Ready, its claims are Bound, it answers, and what was there before is there.
    Recovered,
    /// The pod is new and Ready; the component was not to be asked.
    NotVerified,
    /// The pod is new and Ready; whether the component and its data are back is not known.
    Unproven,
    /// Something that was there before is missing.
    DataMissing,
    /// The pod is new and Ready, and its component was still fetching data when the time was up.
    CatchingUp,
    /// It was not back in the time given.
    TimedOut,
    /// The cluster was not as planned; nothing further was changed.
    Changed,
    /// A request failed for good.
    Failed,
    /// The user ended it.
    Interrupted,
}

/// How a phase ended.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("if" = {"properties": {"state": {"const": "done"}}})))]
#[cfg_attr(test, schemars(extend("then" = {"required": ["milliseconds"]})))]
#[cfg_attr(test, schemars(extend("else" = {"properties": {"milliseconds": false}})))]
pub struct PhaseResult<'a> {
    /// The phase.
    pub phase: Phase,
    /// How it ended.
    pub state: PhaseState,
    /// How long it took, in milliseconds. Absent unless it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// What was done, or why it was not, in words.
    pub detail: &'a str,
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
    /// It was not reached.
    Failed,
}

impl<'a> Event<'a> {
    /// A step that the server was asked about and did not carry out.
    pub fn rehearsed(what: &'a str) -> Self {
        Self { phase: None, state: EventState::DryRun, milliseconds: None, detail: Some(what) }
    }
}

impl<'a> From<&'a Happened> for Event<'a> {
    fn from(event: &'a Happened) -> Self {
        let of = |phase: &Phase, state, detail| Self { phase: Some(*phase), state, milliseconds: None, detail };
        match event {
            Happened::Started(phase) => of(phase, EventState::Started, None),
            Happened::Detail(phase, text) => of(phase, EventState::Waiting, Some(text)),
            Happened::Done(phase, end) => {
                let PhaseResult { state, milliseconds, detail, .. } = PhaseResult::of(*phase, end);
                Self { milliseconds, ..of(phase, EventState::from(state), Some(detail)) }
            }
            Happened::Notice(text) => {
                Self { phase: None, state: EventState::Notice, milliseconds: None, detail: Some(text) }
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
        let (state, milliseconds, detail) = match end {
            PhaseEnd::After(time, detail) => (PhaseState::Done, Some(millis(*time)), detail),
            PhaseEnd::Skipped(why) => (PhaseState::Skipped, None, why),
            PhaseEnd::Failed(why) => (PhaseState::Failed, None, why),
        };
        Self { phase, state, milliseconds, detail }
    }
}

impl<'a> ActResult<'a> {
    /// Of a plan and how it ended. `resume` is the command that goes on, where there is something to go on with.
    pub fn new(plan: &'a Plan, outcome: &'a Outcome, reasons: &'a [String], resume: Option<&'a str>) -> Self {
        Self {
            id: &plan.id,
            verdict: Verdict::from(&outcome.ending),
            reasons,
            namespace: &plan.target.namespace,
            pod: &plan.target.pod,
            component: plan.target.role,
            milliseconds: millis(outcome.total),
            healed: outcome.healed,
            restarts: outcome.restarts,
            old_uid: &outcome.old_uid,
            new_uid: outcome.new_pod.as_ref().map(|(_, uid)| uid.as_str()),
            new_pod: outcome.new_pod.as_ref().map(|(name, _)| name.as_str()),
            claims: &outcome.claims,
            baseline: &plan.baseline,
            proof: outcome.proof.as_deref(),
            done: &outcome.done,
            notices: &outcome.notices,
            phases: outcome.phases.iter().map(|(phase, end)| PhaseResult::of(*phase, end)).collect(),
            reachability: outcome.reachability.iter().map(Reachability::from).collect(),
            resume,
            accept: outcome.accept.as_deref(),
            undo: outcome.undo.as_deref(),
        }
    }
}

impl From<&Ending> for Verdict {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Recovered => Self::Recovered,
            Ending::NotVerified => Self::NotVerified,
            Ending::Unproven(_) => Self::Unproven,
            Ending::DataMissing(_) => Self::DataMissing,
            Ending::CatchingUp(_) => Self::CatchingUp,
            Ending::TimedOut(_) => Self::TimedOut,
            Ending::Changed(_) => Self::Changed,
            Ending::Failed(_) => Self::Failed,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}
