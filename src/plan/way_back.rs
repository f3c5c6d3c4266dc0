//! Which volume an undo of a pod restores: the last one that is known to have held the baseline's data. A repeated failover
//! retains the volume that the first one created; that one may be empty, and its component never responded.

use super::{Action, Record, RecordedOutcome, newest};
use crate::text::noun;
use crate::topology::{Member, Topology};
use jiff::Timestamp;

/// The operation to undo if only the pod is named.
#[derive(Clone, Debug, PartialEq)]
pub struct WayBack<'r> {
    /// The operation.
    pub of: &'r Record,
    /// Newer operations that retained volumes, and why each was skipped; the newest first.
    pub passed_over: Vec<String>,
}

/// Chooses the operation to undo; `None` if no operation on the pod retained a volume. An unfinished undo is resumed first.
pub fn way_back<'r>(topology: &Topology, records: &'r [Record], member: &Member) -> Option<WayBack<'r>> {
    if let Some(Record { act: Action::Undo(of), outcome, .. }) = newest(records, topology, member)
        && outcome.is_unfinished()
        && let Some(of) = records.iter().find(|record| record.id == *of)
    {
        return Some(WayBack { of, passed_over: Vec::new() });
    }
    let of_it: Vec<&Record> = records.iter().filter(|record| record.is_of_member(topology, member)).collect();
    let retained = |record: &&Record| record.claims.iter().any(|claim| claim.volume.is_some());
    let mut passed_over = Vec::new();
    for record in of_it.iter().rev().copied().filter(retained) {
        match doubt(&of_it, record) {
            None => return Some(WayBack { of: record, passed_over }),
            Some(why) => passed_over.push(format!("{}, which {} retained, {why}", volumes(record), record.id)),
        }
    }
    // The contents of all of them are unknown: the newest is the closest to the original.
    of_it.into_iter().rev().find(retained).map(|of| WayBack { of, passed_over: Vec::new() })
}

/// Returns why the volume that an operation retained may not have held the original data; `None` if nothing indicates that.
/// `records` are those of the same pod, the oldest first.
pub(super) fn doubt(records: &[&Record], of: &Record) -> Option<String> {
    let at = records.iter().position(|record| record.id == of.id)?;
    doubt_at(records, at)
}

fn doubt_at(records: &[&Record], at: usize) -> Option<String> {
    let (of, before) = (records[at], &records[..at]);
    if answered(of) {
        return None;
    }
    let sets_aside = |record: &&Record| {
        let mut of_both = record.claims.iter().filter_map(|claim| claim.volume.as_ref());
        of_both.any(|volume| of.claims.iter().any(|claim| claim.volume.as_ref() == Some(volume)))
    };
    // It was retained before, and restored: what was known of it then still holds.
    if let Some(then) = before.iter().rposition(sets_aside) {
        return doubt_at(records, then);
    }
    // Without an earlier operation it is the original volume.
    let brought = before.iter().rev().find(|record| !record.keep_claims)?;
    let how = match brought.outcome {
        RecordedOutcome::Recovered => return None,
        RecordedOutcome::Unfinished => "did not finish",
        RecordedOutcome::CatchingUp => "was still catching up",
        RecordedOutcome::DataMissing => "ended with data missing",
        RecordedOutcome::Unverified => "is unverified",
    };
    let since = |taken: &String| taken.parse::<Timestamp>().ok() >= brought.begun();
    if of.stored_baseline.as_ref().is_some_and(since) {
        return None;
    }
    Some(format!("was created by {}, which {how}, and may not hold the original data", brought.id))
}

/// Returns whether the component responded right before a failover: then the volume held the baseline's data. An undo is
/// compared with what the restored volume held.
fn answered(record: &Record) -> bool {
    let itself = record.act == Action::Failover && record.stored_baseline.is_none() && record.inherited.is_none();
    itself && (record.outcome == RecordedOutcome::Recovered || record.has_baseline() || record.baseline_lost.is_some())
}

fn volumes(record: &Record) -> String {
    let names: Vec<&str> = record.claims.iter().filter_map(|claim| claim.volume.as_deref()).collect();
    format!("{} {}", noun(names.len(), "volume"), names.join(", "))
}

/// Returns the operation whose baseline must still be found: the first of those that did not recover since the pod was last
/// verified. `None` if the newest one recovered, or none of them had a baseline. An unfinished one whose baseline was lost
/// counts, too.
pub fn not_found_again<'r>(topology: &Topology, records: &'r [Record], member: &Member) -> Option<&'r Record> {
    let of_it = records.iter().rev().filter(|record| record.is_of_member(topology, member));
    let open: Vec<&Record> = of_it.take_while(|record| !record.is_settled()).collect();
    let lost = || open.first().copied().filter(|newest| newest.unfinished() && newest.baseline_lost.is_some());
    open.iter().rev().copied().find(|record| record.has_baseline()).or_else(lost)
}

#[cfg(test)]
#[path = "way_back_tests.rs"]
mod tests;
