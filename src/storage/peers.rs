//! Checks whether the other safekeepers hold all committed WAL, before one of them loses its disk.
//!
//! WAL is durable once a quorum of a timeline's safekeepers has flushed it. One that lost its disk and one that lags
//! are together a quorum without committed WAL: a compute that is elected by these two overwrites what the third has.

use super::digests::OtherBytes;
use super::facts::TimelineId;
use super::reading::Reading;
use super::readings::{Readings, committed, computes, most_timelines, terms};
use super::words::{bytes, lsn};
use crate::text::counted;
use std::fmt;

/// Members of a timeline: if there are no more safekeepers than these, each timeline is on all of them.
pub(super) const MEMBERS: usize = 3;

/// The state of one of the other safekeepers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its pod.
    pub pod: String,
    /// Whether it holds the committed WAL.
    pub standing: PeerState,
}

/// Whether a safekeeper holds the committed WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// All of it: in how many active timelines.
    Level(u64),
    /// Not all of it, or it cannot be relied on.
    Short(Vec<Shortfall>),
    /// Unknown, for this reason.
    Unknown(String),
}

/// What a safekeeper lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shortfall {
    /// It has not flushed the committed WAL.
    Behind {
        /// Of this timeline.
        timeline: TimelineId,
        /// The position that it has flushed.
        flushed: u64,
        /// The committed position.
        committed: u64,
        /// The pod that reports it.
        on: String,
    },
    /// Computes write a timeline in which it does not participate.
    Absent {
        /// The timeline.
        timeline: TimelineId,
        /// The committed position.
        committed: u64,
        /// The pod that reports it.
        on: String,
    },
    /// It lists all its timelines, and this one is missing.
    Lacks {
        /// The timeline.
        timeline: TimelineId,
        /// The committed position.
        committed: u64,
        /// The pod that reports it.
        on: String,
    },
    /// It has fewer timelines than another one.
    FewerTimelines {
        /// How many it has.
        has: u64,
        /// How many the other one has.
        other: u64,
        /// That pod.
        on: String,
    },
    /// It did not vote in the last term.
    EarlierTerm {
        /// Of this timeline.
        timeline: TimelineId,
        /// The last term that it voted in.
        term: u64,
        /// The highest term.
        highest: u64,
        /// The pod that reports it.
        on: String,
    },
    /// It has different bytes of the same WAL.
    OtherBytes(OtherBytes),
    /// It has the identity of another one, so that the two count as one.
    SameIdentity {
        /// The identity.
        id: u64,
        /// The other pod.
        on: String,
    },
}

/// `it is 5,308,416 bytes behind on timeline aa/11 (0/2A5, 0/7B1 is committed)`
impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind { timeline, flushed, committed, on } => {
                let (lag, flushed, committed) =
                    (bytes(committed.saturating_sub(*flushed)), lsn(*flushed), lsn(*committed));
                write!(f, "{lag} behind on timeline {timeline} (at {flushed}; {on} has {committed} committed)")
            }
            Self::Absent { timeline, committed, on } => write!(
                f,
                "does not participate in timeline {timeline}, which a compute writes ({on} has {} committed)",
                lsn(*committed)
            ),
            Self::Lacks { timeline, committed, on } => {
                write!(f, "has no timeline {timeline} ({on} has {} committed)", lsn(*committed))
            }
            Self::FewerTimelines { has, other, on } => {
                write!(f, "has {}, and {on} has {other}", counted(*has, "timeline"))
            }
            Self::EarlierTerm { timeline, term, highest, on } => {
                write!(f, "in term {term} of timeline {timeline}, and {on} is in term {highest}")
            }
            Self::OtherBytes(other) => write!(f, "has {other}"),
            Self::SameIdentity { id, on } => write!(f, "has the same id as {on} ({id})"),
        }
    }
}

/// Returns the state of each safekeeper other than this one, from the reports of all.
pub(crate) fn peers(target: &str, readings: &Readings) -> Vec<Peer> {
    let others = readings.safekeepers.iter().filter(|reading| reading.pod != target);
    others.map(|other| Peer { pod: other.pod.clone(), standing: standing(other, readings) }).collect()
}

fn standing(peer: &Reading, readings: &Readings) -> PeerState {
    let unknown = |why: &str| PeerState::Unknown(why.to_owned());
    if let Some(why) = peer.unread() {
        return PeerState::Unknown(why);
    }
    let Some((page, facts)) = peer.safekeeper() else { return unknown("its metrics are not a safekeeper's") };
    let all: Vec<&Reading> = readings.safekeepers.iter().collect();
    let others = readings.other_safekeepers(&peer.pod);
    let (mut short, mut open) = (Vec::new(), Vec::new());

    match page.id {
        None => open.push("it does not report its id".to_owned()),
        Some(id) => short.extend(
            others
                .iter()
                .filter(|other| other.said.as_ref().is_ok_and(|said| said.id == Some(id)))
                .map(|other| Shortfall::SameIdentity { id, on: other.pod.clone() }),
        ),
    }
    let most = most_timelines(&all);
    match (facts.total, most) {
        (None, _) | (_, None) => open.push("it does not report how many timelines it has".to_owned()),
        (Some(has), Some((other, on))) if has < other => {
            short.push(Shortfall::FewerTimelines { has, other, on: on.to_owned() });
        }
        (Some(_), Some(_)) => {}
    }
    for (id, furthest) in committed(&all) {
        let (timeline, on, committed) = (|| id.clone(), || furthest.pod.to_owned(), furthest.lsn);
        match facts.wal(id).map(|wal| wal.flush_lsn) {
            Some(Some(flushed)) if flushed >= committed => {}
            Some(Some(flushed)) => {
                short.push(Shortfall::Behind { timeline: timeline(), flushed, committed, on: on() });
            }
            Some(None) => open.push(format!("it does not report how far it has flushed timeline {id}")),
            // Each timeline has its own members, three of them by default.
            None if all.len() > MEMBERS => open.push(format!("whether it is a member of timeline {id} is unknown")),
            None if facts.lists_all() => {
                short.push(Shortfall::Lacks { timeline: timeline(), committed, on: on() });
            }
            // A timeline that it does not list is idle, if it has as many as the others; unless a compute writes it.
            None if computes(&others, id).is_some_and(|computes| computes > 0) => {
                short.push(Shortfall::Absent { timeline: timeline(), committed, on: on() });
            }
            None => {}
        }
    }
    open.extend(facts.idle_unread());
    short.extend(readings.digests.others_than(&peer.pod).into_iter().map(Shortfall::OtherBytes));
    open.extend(readings.digests.unknown_of(&peer.pod));
    for (id, (highest, on)) in terms(&all) {
        match facts.wal(id).map(|wal| wal.term) {
            Some(Some(term)) if term < highest => {
                short.push(Shortfall::EarlierTerm { timeline: id.clone(), term, highest, on: on.to_owned() });
            }
            Some(Some(_)) | None => {}
            Some(None) => open.push(format!("it does not report its term of timeline {id}")),
        }
    }
    if facts.timelines.values().any(|wal| wal.term.is_none()) && open.is_empty() {
        open.push("it does not report its terms".to_owned());
    }
    let left_out = all.iter().filter_map(|reading| Some(reading.safekeeper()?.1.left_out)).max().unwrap_or(0);
    if left_out > 0 {
        open.push(format!("{} were not checked", counted(left_out, "timeline")));
    }
    if !short.is_empty() {
        return PeerState::Short(short);
    }
    match open.into_iter().next() {
        Some(why) => PeerState::Unknown(why),
        None => PeerState::Level(facts.timelines.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Idle;
    use crate::storage::examples::{Sk, readings, sk};

    fn level() -> Sk {
        sk(1).timeline("aa/11", 100, 100, 3)
    }

    /// The first is the target; the text is about the second.
    fn text_of(target: Sk, second: Sk, third: Sk) -> String {
        let readings = readings([target.id(1), second, third]);
        match peers("safekeeper-0", &readings).remove(0).standing {
            PeerState::Level(number) => format!("level {number}"),
            PeerState::Short(short) => short.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            PeerState::Unknown(why) => format!("unknown: {why}"),
        }
    }

    #[test]
    fn each_way_in_which_another_one_is_short() {
        let second = || level().id(2);
        let third = || level().id(3);
        for (target, second, third, expected) in [
            (level(), second(), third(), "level 1"),
            // A safekeeper that is ahead is not short.
            (level(), second().timeline("aa/11", 110, 100, 3), third(), "level 1"),
            (
                level(),
                second().timeline("aa/11", 92, 90, 3),
                third(),
                "8 bytes behind on timeline aa/11 (at 0/5C; safekeeper-0 has 0/64 committed)",
            ),
            // Whichever reports it, including the target, and also if only the target has it.
            (
                level(),
                second(),
                third().timeline("aa/11", 5_308_516, 5_308_516, 3),
                "5,308,416 bytes behind on timeline aa/11 (at 0/64; safekeeper-2 has 0/510064 committed)",
            ),
            // The target is down: the others are compared with each other.
            (
                sk(1).down(),
                second(),
                third().timeline("aa/11", 101, 101, 3),
                "1 byte behind on timeline aa/11 (at 0/64; safekeeper-2 has 0/65 committed)",
            ),
            (sk(1).down(), second(), third(), "level 1"),
            (level(), second().total(0).without("aa/11"), third(), "has 0 timelines, and safekeeper-0 has 1"),
            (level().total(3), second().total(2), third().total(3), "has 2 timelines, and safekeeper-0 has 3"),
            (
                level().timeline("aa/11", 100, 100, 4),
                second(),
                third().timeline("aa/11", 100, 100, 4),
                "in term 3 of timeline aa/11, and safekeeper-0 is in term 4",
            ),
            (level(), level().id(3), third(), "has the same id as safekeeper-2 (3)"),
            // Idle with as many: uploaded; but not while a compute writes it.
            (level(), second().without("aa/11"), third(), "level 0"),
            (
                level().computes("aa/11", 1),
                second().without("aa/11"),
                third(),
                "does not participate in timeline aa/11, which a compute writes (safekeeper-0 has 0/64 committed)",
            ),
            (level().without("aa/11"), second().without("aa/11"), third().without("aa/11"), "level 0"),
        ] {
            assert_eq!(text_of(target, second, third), expected);
        }
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        let third = || level().id(3);
        for (second, expected) in [
            (sk(2).down(), "unknown: connection refused"),
            (sk(2).unread(), "unknown: /metrics returned 401 Unauthorized"),
            (level().without_id(), "unknown: it does not report its id"),
            (level().id(2).without_total(), "unknown: it does not report how many timelines it has"),
            (
                level().id(2).forget("aa/11", |wal| wal.flush_lsn = None),
                "unknown: it does not report how far it has flushed timeline aa/11",
            ),
            (
                level().id(2).forget("aa/11", |wal| wal.term = None),
                "unknown: it does not report its term of timeline aa/11",
            ),
            (level().id(2).left_out(7), "unknown: 7 timelines were not checked"),
            (
                level().id(2).idle(Idle::Unread("the token is refused".into())),
                "unknown: its idle timelines are unknown: the token is refused",
            ),
        ] {
            assert_eq!(text_of(level(), second, third()), expected);
        }
        // Terms that none reports are not equal.
        let mute = |sk: Sk| sk.forget("aa/11", |wal| wal.term = None);
        assert_eq!(text_of(mute(level()), mute(level().id(2)), mute(third())), "unknown: it does not report its terms");
        // Short in one way and unknown in another is short.
        assert!(text_of(level(), level().without_id().timeline("aa/11", 1, 1, 3), third()).contains("99 bytes behind"));
    }

    /// A safekeeper that lists all of its timelines has no other, whatever the number; and an idle one has a position
    /// and a term.
    #[test]
    fn idle_timelines_are_compared_if_they_are_listed() {
        let listed = |sk: Sk| sk.timeline("bb/22", 50, 50, 2).idle(Idle::Listed);
        let other = level().id(2).timeline("cc/33", 50, 50, 2).idle(Idle::Listed);
        let third = || listed(level().id(3));
        for (second, expected) in [
            (listed(level().id(2)), "level 2"),
            (other, "has no timeline bb/22 (safekeeper-0 has 0/32 committed)"),
            (
                listed(level().id(2)).timeline("bb/22", 40, 40, 2),
                "10 bytes behind on timeline bb/22 (at 0/28; safekeeper-0 has 0/32 committed)",
            ),
            (
                listed(level().id(2)).timeline("bb/22", 50, 50, 1),
                "in term 1 of timeline bb/22, and safekeeper-0 is in term 2",
            ),
        ] {
            assert_eq!(text_of(listed(level()), second, third()), expected);
        }
    }

    /// With more than three safekeepers, a timeline need not be on all of them.
    #[test]
    fn of_five_which_ones_hold_a_timeline_is_unknown() {
        let all = [level(), level().id(2).without("aa/11"), level().id(3), level().id(4), level().id(5)];
        let found = peers("safekeeper-0", &readings(all));
        let why = "whether it is a member of timeline aa/11 is unknown";
        assert_eq!(found[0].standing, PeerState::Unknown(why.into()));
        assert_eq!(found[1].standing, PeerState::Level(1));
    }
}
