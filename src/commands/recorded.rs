//! What an act is compared with that goes on with an earlier one, takes it back, or follows one that did not recover: the
//! baseline on record. One that is lost or damaged is not known, and is never replaced by the state that is there now.

use super::baseline::{Stored, compared};
use super::findings::{answered, before};
use crate::plan::{Before, ComparedWith, Outcome, Record};
use crate::recovery::prover::NoEvidence;
use crate::verify::stored::is_possible;
use crate::verify::{Evidence, difference};
use jiff::Timestamp;

/// What the component says, what it is compared with, and how the plan tells that.
pub(super) type Basis = (Before, Option<Evidence>, ComparedWith);

/// What is stored of whoever answers, and what time it is.
pub(super) type Besides = (Stored, Timestamp);

/// What the first run of a failover compared with.
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

/// What must be there after an undo: what the act was compared with, if it did not find all of it again; otherwise what is
/// there now, or else what is stored.
pub(super) fn of_undo(
    of: &Record,
    unfinished: Option<&Record>,
    said: Result<Evidence, NoEvidence>,
    (stored, now): Besides,
) -> Basis {
    if let Err(NoEvidence::NotAsked) = said {
        return (Before::NotAsked, None, ComparedWith::Nothing { reason: "it is not to be asked".into() });
    }
    let from = match unfinished {
        Some(record) => record,
        None if of.outcome != Outcome::Recovered => of,
        None => return compared(before(said), stored, now),
    };
    match recorded_baseline(from) {
        Ok(Some(evidence)) => match kept(from, &evidence) {
            with @ ComparedWith::Fresh { .. } => {
                let summary = format!("{}, as {} found it", evidence.summary(), of.id);
                (Before::Answered { summary, lacks: evidence.lacks() }, Some(evidence), with)
            }
            with => (Before::NotAsked, Some(evidence), with),
        },
        // What is there now is what is left of it, and no measure of what was there.
        Ok(None) => without(from, None, (stored, now)),
        Err(why) => without(from, Some(why), (stored, now)),
    }
}

/// What a new failover is compared with if earlier acts of the pod did not recover: the baseline of the first of them,
/// unless the component answers and has all of it.
pub(super) fn taken_over(first: &Record, said: &Result<Evidence, NoEvidence>, besides: Besides) -> TakenOver {
    if let Err(NoEvidence::NotAsked) = said {
        return TakenOver::Nothing(besides);
    }
    let evidence = match recorded_baseline(first) {
        Ok(Some(evidence)) => evidence,
        Ok(None) => return TakenOver::Nothing(besides),
        // What was there is not known; what is there now is no measure of it.
        Err(why) => {
            let (_, evidence, with) = without(first, Some(why), besides);
            return TakenOver::Is(Box::new(evidence), with);
        }
    };
    if let Ok(now) = said {
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
    /// Nothing: it is compared as if it was the first.
    Nothing(Besides),
    /// This baseline, or that there is none that is known.
    Is(Box<Option<Evidence>>, ComparedWith),
}

/// Where the baseline on record came from.
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

/// Without a baseline on record there is only what was stored before the act began; and that the record had one is said.
fn without(record: &Record, lost: Option<String>, (stored, now): Besides) -> Basis {
    let (evidence, mut with) = match &record.stored_baseline {
        Some(taken) => stored.of(taken),
        None => stored.compared(Some(record.started.parse().unwrap_or(Timestamp::MIN)), now),
    };
    if let ComparedWith::Nothing { reason } = &mut with {
        let why = lost.unwrap_or_else(|| format!("none is on record of {}", record.id));
        *reason = format!("{why}; {reason}");
    }
    (Before::NotAsked, evidence, with)
}

/// A baseline that an earlier run left on record; `None` if it had none. Whoever may annotate a volume may have written it.
///
/// # Errors
/// Why it cannot be had although there was one, in words.
fn recorded_baseline(record: &Record) -> std::result::Result<Option<Evidence>, String> {
    let unusable = |why: String| format!("its baseline is on record and cannot be used: {why}");
    let Some(value) = record.kept_baseline()? else { return Ok(None) };
    let evidence: Evidence = serde_json::from_value(value).map_err(|error| unusable(error.to_string()))?;
    if !is_possible(&evidence) {
        return Err(unusable("it has numbers that cannot be".to_owned()));
    }
    Ok(Some(evidence))
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod tests;
