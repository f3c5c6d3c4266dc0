//! Which disk an undo of a pod brings back: the last one that is known to have held what its component was compared with.
//! A failover that is begun again sets aside the disk that the first one brought; that may be empty, and it never answered.

use super::{Action, Outcome, Record, newest};
use crate::topology::{Member, Topology};
use jiff::Timestamp;

/// What is taken back if only the pod is named.
#[derive(Clone, Debug, PartialEq)]
pub struct WayBack<'r> {
    /// The act.
    pub of: &'r Record,
    /// Newer acts that set something aside, and why each is not the one, in words; the newest first.
    pub passed_over: Vec<String>,
}

/// Chooses it; `None` if no act of the member set anything aside. An unfinished undo is finished first.
pub fn way_back<'r>(topology: &Topology, records: &'r [Record], member: &Member) -> Option<WayBack<'r>> {
    if let Some(Record { act: Action::Undo(of), outcome, .. }) = newest(records, topology, member)
        && outcome.is_unfinished()
        && let Some(of) = records.iter().find(|record| record.id == *of)
    {
        return Some(WayBack { of, passed_over: Vec::new() });
    }
    let of_it: Vec<&Record> = records.iter().filter(|record| record.is_of_member(topology, member)).collect();
    let aside = |record: &&Record| record.claims.iter().any(|claim| claim.volume.is_some());
    let mut passed_over = Vec::new();
    for record in of_it.iter().rev().copied().filter(aside) {
        match doubt(&of_it, record) {
            None => return Some(WayBack { of: record, passed_over }),
            Some(why) => passed_over.push(format!("{}, which {} set aside, {why}", volumes(record), record.id)),
        }
    }
    // Of nothing is known what it held: the newest, as it is the nearest to what there was.
    of_it.into_iter().rev().find(aside).map(|of| WayBack { of, passed_over: Vec::new() })
}

/// Why the disk that an act set aside is not known to have held what was there before, in words; `None` if nothing speaks
/// against it. `records` are those of the same pod, the oldest first.
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
    // It was set aside before, and came back: what was known of it then still is.
    if let Some(then) = before.iter().rposition(sets_aside) {
        return doubt_at(records, then);
    }
    // Without an earlier act it is the disk that was always there.
    let brought = before.iter().rev().find(|record| !record.keep_claims)?;
    let how = match brought.outcome {
        Outcome::Recovered => return None,
        Outcome::InProgress => "did not finish",
        Outcome::CatchingUp => "was still catching up",
        Outcome::DataMissing => "ended with data missing",
        Outcome::Unverified => "was not proven",
    };
    let since = |taken: &String| taken.parse::<Timestamp>().ok() >= brought.begun();
    if of.stored_baseline.as_ref().is_some_and(since) {
        return None;
    }
    Some(format!("came with {}, which {how}, and is not known to have held what was there before", brought.id))
}

/// Whether the component answered for itself right before a failover: then the disk held what it was compared with. An undo
/// is compared with what the disk that comes back held.
fn answered(record: &Record) -> bool {
    let itself = record.act == Action::Failover && record.stored_baseline.is_none() && record.inherited.is_none();
    itself && (record.outcome == Outcome::Recovered || record.has_baseline() || record.baseline_lost.is_some())
}

fn volumes(record: &Record) -> String {
    let names: Vec<&str> = record.claims.iter().filter_map(|claim| claim.volume.as_deref()).collect();
    format!("volume{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// The act whose baseline still is what must be there: the first of those that did not recover since the pod was last
/// proven to be whole. `None` if the newest one recovered, or none of them had a baseline. That an unfinished one had a
/// baseline that is lost is known, too.
pub fn not_found_again<'r>(topology: &Topology, records: &'r [Record], member: &Member) -> Option<&'r Record> {
    let of_it = records.iter().rev().filter(|record| record.is_of_member(topology, member));
    let open: Vec<&Record> = of_it.take_while(|record| !record.is_settled()).collect();
    let lost = || open.first().copied().filter(|newest| newest.unfinished() && newest.baseline_lost.is_some());
    open.iter().rev().copied().find(|record| record.has_baseline()).or_else(lost)
}

#[cfg(test)]
#[path = "way_back_tests.rs"]
mod tests;
