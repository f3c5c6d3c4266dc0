//! Checks that safekeepers with the same WAL positions have the same bytes: positions alone do not show that.
//!
//! A safekeeper returns the digest of a stretch of WAL to a client with a token. It has to read the stretch, so only
//! the end of each timeline is compared, and of a limited number of timelines.

use super::facts::TimelineId;
use super::found::{Found, Item};
use super::reading::Reading;
use super::words::{bytes, lsn};
use crate::text::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longest stretch of a timeline that is compared, in bytes.
pub(crate) const LONGEST: u64 = 1 << 20;
/// Most timelines whose bytes are compared.
pub(crate) const MOST: usize = 100;

/// The WAL of a timeline that a safekeeper has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where it begins: on this safekeeper's disk, or the timeline itself.
    pub start: u64,
    /// Up to where it is flushed.
    pub flush: u64,
    /// Up to where it is committed, as far as this safekeeper knows.
    pub commit: u64,
}

/// A stretch of a timeline's WAL that several safekeepers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The timeline.
    pub timeline: TimelineId,
    /// Where it begins.
    pub from: u64,
    /// Where it ends; this byte is not part of it.
    pub until: u64,
    /// The pods that have it.
    pub on: BTreeSet<String>,
}

/// A safekeeper's response to the request for a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// This one (SHA-256 in hexadecimal digits).
    Is(String),
    /// It serves no digests: an older release.
    NotServed,
    /// It is unknown, for this reason.
    Unknown(String),
}

/// The digests of stretches of WAL, by the safekeepers' pods. Empty if none was queried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// The responses, by stretch.
    pub answers: Vec<(Stretch, BTreeMap<String, Digest>)>,
    /// What could not be requested and should be, one line each, by pod.
    pub unknown: Vec<(String, String)>,
    /// How many timelines were excluded, because there are more than [`MOST`].
    pub left_out: u64,
}

/// A stretch of which a safekeeper has different bytes than others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherBytes {
    /// The timeline.
    pub timeline: TimelineId,
    /// Where the stretch begins.
    pub from: u64,
    /// Where it ends.
    pub until: u64,
    /// The pods that have other bytes.
    pub than: Vec<String>,
}

/// `other bytes of timeline aa/11 from 0/10 to 0/20 than safekeeper-1, safekeeper-2`
impl fmt::Display for OtherBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (lsn(self.from), lsn(self.until));
        write!(f, "different bytes of timeline {} from {from} to {until} than {}", self.timeline, self.than.join(", "))
    }
}

/// Returns the timelines that at least two of these safekeepers report, those that a compute writes first, and how many
/// more there are.
pub(crate) fn timelines(safekeepers: &[&Reading]) -> (Vec<TimelineId>, u64) {
    let mut known: BTreeMap<&TimelineId, (u64, bool)> = BTreeMap::new();
    for facts in safekeepers.iter().filter_map(|reading| Some(reading.safekeeper()?.1)) {
        for (id, wal) in facts.timelines.iter().filter(|(_, wal)| wal.flush_lsn.is_some()) {
            let (number, written) = known.entry(id).or_default();
            *number += 1;
            *written |= wal.computes.is_some_and(|computes| computes > 0);
        }
    }
    let mut several: Vec<(&TimelineId, bool)> =
        known.into_iter().filter(|(_, (number, _))| *number > 1).map(|(id, (_, written))| (id, written)).collect();
    several.sort_by_key(|(_, written)| !written);
    let left_out = several.len().saturating_sub(MOST) as u64;
    (several.into_iter().take(MOST).map(|(id, _)| id.clone()).collect(), left_out)
}

/// Returns the end of a timeline that as many safekeepers as possible have committed; `None` if no two have anything in
/// common.
pub(crate) fn stretch(timeline: &TimelineId, extents: &BTreeMap<String, Extent>) -> Option<Stretch> {
    let committed = extents.values().map(|extent| extent.commit).max()?;
    let mut furthest: Vec<(&String, &Extent)> = extents.iter().collect();
    furthest.sort_by_key(|(_, extent)| std::cmp::Reverse(extent.flush));
    // One that is far behind does not affect the others.
    while furthest.len() > 1 {
        // Uncommitted WAL may differ.
        let until = furthest.iter().map(|(_, extent)| extent.flush).fold(committed, u64::min);
        let start = furthest.iter().map(|(_, extent)| extent.start).max().unwrap_or(0);
        let from = start.max(until.saturating_sub(LONGEST));
        if from < until {
            let on = furthest.into_iter().map(|(pod, _)| pod.clone()).collect();
            return Some(Stretch { timeline: timeline.clone(), from, until, on });
        }
        furthest.pop();
    }
    None
}

impl Digests {
    /// Returns the stretches of which a safekeeper has different bytes. If more than half of those that responded
    /// agree, they are right; otherwise it is unknown which one is.
    pub fn others_than(&self, pod: &str) -> Vec<OtherBytes> {
        let differs = |(stretch, digests): &(Stretch, BTreeMap<String, Digest>)| {
            let told: BTreeMap<&str, &str> = digests
                .iter()
                .filter_map(|(pod, digest)| if let Digest::Is(it) = digest { Some((&**pod, &**it)) } else { None })
                .collect();
            let own = *told.get(pod)?;
            let agree = told.values().filter(|digest| **digest == own).count();
            if agree * 2 > told.len() {
                return None;
            }
            let than = told.iter().filter(|(_, digest)| **digest != own).map(|(pod, _)| (*pod).to_owned()).collect();
            let Stretch { timeline, from, until, .. } = stretch.clone();
            Some(OtherBytes { timeline, from, until, than })
        };
        self.answers.iter().filter_map(differs).collect()
    }

    /// Returns why it is unknown whether a safekeeper has the same bytes as others, one line each.
    pub fn unknown_of(&self, pod: &str) -> Vec<String> {
        let mut lines: Vec<String> =
            self.unknown.iter().filter(|(of, _)| of == pod).map(|(_, why)| why.clone()).collect();
        for (stretch, digests) in &self.answers {
            if let Some(Digest::Unknown(why)) = digests.get(pod) {
                lines.push(format!("whether its bytes of timeline {} match the others: {why}", stretch.timeline));
            }
        }
        lines
    }

    /// Returns how much of a safekeeper's WAL is the same as on another one; `None` if nothing was compared.
    pub fn same_on(&self, pod: &str) -> Option<String> {
        let told = |digests: &BTreeMap<String, Digest>, pod: &str| match digests.get(pod) {
            Some(Digest::Is(it)) => Some(it.clone()),
            Some(Digest::NotServed | Digest::Unknown(_)) | None => None,
        };
        let (mut timelines, mut length, mut on) = (0, 0, BTreeSet::new());
        for (stretch, digests) in &self.answers {
            let Some(own) = told(digests, pod) else { continue };
            let same: Vec<&String> =
                digests.keys().filter(|other| *other != pod && told(digests, other).as_ref() == Some(&own)).collect();
            if !same.is_empty() {
                timelines += 1;
                length += stretch.until - stretch.from;
                on.extend(same);
            }
        }
        let on = on.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        (timelines > 0).then(|| format!("the last {} of {} match {on}", bytes(length), self.of(timelines)))
    }

    /// Returns how much of the WAL is the same on all that were queried; `None` if nothing was compared.
    pub fn same(&self) -> Option<String> {
        let several = |digests: &&BTreeMap<String, Digest>| {
            digests.values().filter(|digest| matches!(digest, Digest::Is(_))).count() > 1
        };
        let compared = self.answers.iter().filter(|(_, digests)| several(&digests));
        let (timelines, length) =
            compared.fold((0, 0), |(number, length), (stretch, _)| (number + 1, length + stretch.until - stretch.from));
        (timelines > 0)
            .then(|| format!("the last {} of {} are identical everywhere", bytes(length), self.of(timelines)))
    }

    /// Returns whether a safekeeper was queried and serves no digests.
    pub fn not_served(&self) -> bool {
        self.answers.iter().any(|(_, digests)| digests.values().any(|digest| *digest == Digest::NotServed))
    }

    fn of(&self, timelines: u64) -> String {
        match self.left_out {
            0 => counted(timelines, "timeline"),
            more => format!("{timelines} of {}", counted(timelines + more, "timeline")),
        }
    }
}

impl Found {
    /// Adds the result of the digests for a safekeeper.
    pub(crate) fn compare_bytes(&mut self, pod: &str, digests: &Digests) {
        for other in digests.others_than(pod) {
            self.lacks(Item::Bytes(other.timeline.clone()), format!("WAL identical to the others': it has {other}"));
        }
        self.unknown.extend(digests.unknown_of(pod));
        if let Some(same) = digests.same_on(pod) {
            self.there.push_str(&format!("; {same}"));
        }
    }
}

#[cfg(test)]
#[path = "digests_tests.rs"]
mod tests;
