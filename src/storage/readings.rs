//! What all storage components of a namespace reported about themselves, and what follows from all of it.

use super::digests::Digests;
use super::facts::{Metrics, PageFacts, TimelineId};
use super::reading::Reading;
use std::collections::BTreeMap;

/// What all safekeepers and pageservers of a namespace reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Every safekeeper that there should be.
    pub safekeepers: Vec<Reading>,
    /// Every pageserver that there should be.
    pub pageservers: Vec<Reading>,
    /// What safekeepers reported about the bytes that they have.
    pub digests: Digests,
}

/// The furthest position that any component reports, and which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Furthest<'r> {
    /// The position, in bytes of WAL.
    pub lsn: u64,
    /// The pod that reports it.
    pub pod: &'r str,
}

impl Readings {
    /// Returns the safekeepers besides this pod.
    pub fn other_safekeepers<'r>(&'r self, pod: &str) -> Vec<&'r Reading> {
        self.safekeepers.iter().filter(|reading| reading.pod != pod).collect()
    }

    /// Returns what a pod reported; `None` if it is none of these.
    pub fn of(&self, pod: &str) -> Option<&Reading> {
        self.safekeepers.iter().chain(&self.pageservers).find(|reading| reading.pod == pod)
    }
}

/// Returns the committed position of each active timeline, by the furthest that any of these safekeepers reports.
pub(crate) fn committed<'r>(safekeepers: &[&'r Reading]) -> BTreeMap<&'r TimelineId, Furthest<'r>> {
    let mut committed: BTreeMap<&TimelineId, Furthest<'_>> = BTreeMap::new();
    for reading in safekeepers {
        let Some((_, facts)) = reading.safekeeper() else { continue };
        for (id, wal) in &facts.timelines {
            let Some(lsn) = wal.commit_lsn else { continue };
            let furthest = committed.entry(id).or_insert(Furthest { lsn, pod: &reading.pod });
            if lsn > furthest.lsn {
                *furthest = Furthest { lsn, pod: &reading.pod };
            }
        }
    }
    committed
}

/// Returns the highest term of each active timeline that any of these safekeepers voted in.
pub(crate) fn terms<'r>(safekeepers: &[&'r Reading]) -> BTreeMap<&'r TimelineId, (u64, &'r str)> {
    let mut terms: BTreeMap<&TimelineId, (u64, &str)> = BTreeMap::new();
    for reading in safekeepers {
        let Some((_, facts)) = reading.safekeeper() else { continue };
        for (id, wal) in &facts.timelines {
            let Some(term) = wal.term else { continue };
            let highest = terms.entry(id).or_insert((term, &reading.pod));
            if term > highest.0 {
                *highest = (term, &reading.pod);
            }
        }
    }
    terms
}

/// Returns the largest number of timelines, including idle ones, that any of these safekeepers has; `None` if none
/// reports it.
pub(crate) fn most_timelines<'r>(safekeepers: &[&'r Reading]) -> Option<(u64, &'r str)> {
    let totals = safekeepers.iter().filter_map(|reading| Some((reading.safekeeper()?.1.total?, reading.pod.as_str())));
    totals.reduce(|most, one| if one.0 > most.0 { one } else { most })
}

/// Returns how many computes are connected to any of these safekeepers for a timeline; `None` if none reports it.
pub(crate) fn computes(safekeepers: &[&Reading], id: &TimelineId) -> Option<u64> {
    safekeepers.iter().filter_map(|reading| reading.safekeeper()?.1.wal(id)?.computes).max()
}

impl Readings {
    /// Joins two readings, one taken after the other: what was committed at the first must be flushed by the second. In
    /// a single reading, a safekeeper would seem to be behind whenever a compute writes.
    pub fn then(&self, later: Self) -> Self {
        let joined = |reading: Reading| {
            let Some(first) = self.of(&reading.pod).and_then(Reading::safekeeper).map(|(_, facts)| facts.clone())
            else {
                return reading;
            };
            let mut reading = reading;
            if let Ok(PageFacts { metrics: Some(Metrics::Safekeeper(facts)), .. }) = &mut reading.said {
                for (id, wal) in &mut facts.timelines {
                    wal.commit_lsn = first.wal(id).and_then(|wal| wal.commit_lsn);
                }
            }
            reading
        };
        Self { safekeepers: later.safekeepers.into_iter().map(joined).collect(), ..later }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::examples::{readings, sk};
    use crate::storage::peers::{PeerState, peers};

    /// A compute keeps writing: later readings are further.
    #[test]
    fn what_was_committed_first_must_be_flushed_later() {
        let at = |positions: [u64; 3]| {
            readings(positions.into_iter().zip(1..).map(|(at, id)| sk(id).timeline("aa/11", at, at, 1)))
        };
        let level = |readings: &Readings| {
            peers("safekeeper-0", readings).iter().all(|peer| matches!(peer.standing, PeerState::Level(_)))
        };
        let first = at([100, 90, 110]);
        assert!(!level(&first));
        assert!(level(&first.then(at([150, 140, 160]))));
        // A safekeeper that really is behind stays behind.
        assert!(!level(&first.then(at([150, 100, 160]))));
        let lost = readings([sk(1).timeline("aa/11", 150, 150, 1), sk(2), sk(3).timeline("aa/11", 150, 150, 1)]);
        assert!(!level(&first.then(lost)));
    }
}
