//! The recorded baseline, for an operation that resumes or undoes an earlier one, or follows one that did not recover. A lost
//! or damaged baseline is unknown, and never replaced by the current state.

use super::baseline::{Stored, compared};
use super::findings::{answered, before};
use crate::plan::{Before, ComparedWith, Record, RecordedOutcome};
use crate::recovery::prover::NoEvidence;
use crate::verify::stored::is_possible;
use crate::verify::{Evidence, difference};
use jiff::Timestamp;

/// What the component reported, the baseline, and where that is from.
pub(super) type Basis = (Before, Option<Evidence>, ComparedWith);

/// The stored baseline of the pod that answers, and the current time.
pub(super) type Besides = (Stored, Timestamp);

/// Returns the baseline of a failover's first run.
pub(super) fn of_first_run(record: &Record, (stored, now): Besides) -> Basis {
    match recorded_baseline(record) {
        Ok(Some(evidence)) => {
            let with = kept(record, &evidence);
            match with {
                ComparedWith::Fresh { .. } => (answered(&evidence), Some(evidence), with),
                _ => (Before::NotAsked, Some(evidence), with),
            }
        }
        Ok(None) => without(record, None, (stored, now)),
        Err(why) => without(record, Some(why), (stored, now)),
    }
}

/// Returns the baseline of an undo: that of the operation, if it did not find all of it again; otherwise the current state, or
/// else the stored baseline.
pub(super) fn of_undo(
    of: &Record,
    unfinished: Option<&Record>,
    reported: Result<Evidence, NoEvidence>,
    (stored, now): Besides,
) -> Basis {
    if let Err(NoEvidence::NotAsked) = reported {
        return (Before::NotAsked, None, ComparedWith::Nothing { reason: "verification is skipped".into() });
    }
    let from = match unfinished {
        Some(record) => record,
        None if of.outcome != RecordedOutcome::Recovered => of,
        None => return compared(before(reported), stored, now),
    };
    match recorded_baseline(from) {
        Ok(Some(evidence)) => match kept(from, &evidence) {
            with @ ComparedWith::Fresh { .. } => {
                let summary = format!("{}, as recorded by {}", evidence.summary(), of.id);
                (Before::Answered { summary, lacks: evidence.lacks() }, Some(evidence), with)
            }
            with => (Before::NotAsked, Some(evidence), with),
        },
        // The current state is only what is left, and not a baseline.
        Ok(None) => without(from, None, (stored, now)),
        Err(why) => without(from, Some(why), (stored, now)),
    }
}

/// Returns the baseline of a new failover if earlier operations on the pod did not recover: that of the first of them, unless
/// the component responds and has all of it.
pub(super) fn taken_over(first: &Record, reported: &Result<Evidence, NoEvidence>, besides: Besides) -> TakenOver {
    if let Err(NoEvidence::NotAsked) = reported {
        return TakenOver::Nothing(besides);
    }
    let evidence = match recorded_baseline(first) {
        Ok(Some(evidence)) => evidence,
        Ok(None) => return TakenOver::Nothing(besides),
        // The original data is unknown; the current state is not a baseline for it.
        Err(why) => {
            let (_, evidence, with) = without(first, Some(why), besides);
            return TakenOver::Is(Box::new(evidence), with);
        }
    };
    if let Ok(now) = reported {
        let difference = difference(&evidence, now);
        if difference.missing.is_empty() && difference.unknown.is_empty() {
            return TakenOver::Nothing(besides);
        }
    }
    let (from, taken) = match &first.inherited {
        Some(inherited) => (inherited.from.clone(), inherited.taken.clone()),
        None => (first.id.clone(), first.stored_baseline.clone().unwrap_or_else(|| taken(first, &evidence))),
    };
    let with = ComparedWith::Inherited { from, taken, summary: evidence.summary() };
    TakenOver::Is(Box::new(Some(evidence)), with)
}

/// What a new failover takes over from earlier ones.
pub(super) enum TakenOver {
    /// Nothing: it gets its own baseline.
    Nothing(Besides),
    /// This baseline, or none with the reason.
    Is(Box<Option<Evidence>>, ComparedWith),
}

/// Returns where the recorded baseline came from.
fn kept(record: &Record, evidence: &Evidence) -> ComparedWith {
    let summary = evidence.summary();
    match (&record.inherited, &record.stored_baseline) {
        (Some(it), _) => ComparedWith::Inherited { from: it.from.clone(), taken: it.taken.clone(), summary },
        (None, Some(taken)) => ComparedWith::Stored { taken: taken.clone(), summary },
        (None, None) => ComparedWith::Fresh { taken: record.started.clone() },
    }
}

fn taken(record: &Record, evidence: &Evidence) -> String {
    evidence.taken().map_or_else(|| record.started.clone(), str::to_owned)
}

/// Returns the baseline without a recorded one: what was stored before the operation began; or none, with the reason.
fn without(record: &Record, lost: Option<String>, (stored, now): Besides) -> Basis {
    let (evidence, mut with) = match &record.stored_baseline {
        Some(taken) => stored.of(taken),
        None => stored.compared(Some(record.started.parse().unwrap_or(Timestamp::MIN)), now),
    };
    if let ComparedWith::Nothing { reason } = &mut with {
        let why = lost.unwrap_or_else(|| format!("{} has no recorded baseline", record.id));
        *reason = format!("{why}; {reason}");
    }
    (Before::NotAsked, evidence, with)
}

/// Returns the baseline that an earlier run recorded; `None` if it had none. A user who may annotate a volume may have written
/// it.
///
/// # Errors
/// The reason why a baseline that existed is not available.
fn recorded_baseline(record: &Record) -> std::result::Result<Option<Evidence>, String> {
    let unusable = |why: String| format!("its recorded baseline cannot be used: {why}");
    let Some(value) = record.kept_baseline()? else { return Ok(None) };
    let evidence: Evidence = serde_json::from_value(value).map_err(|error| unusable(error.to_string()))?;
    if !is_possible(&evidence) {
        return Err(unusable("it has impossible numbers".to_owned()));
    }
    Ok(Some(evidence))
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod tests;
