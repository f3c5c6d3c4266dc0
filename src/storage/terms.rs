//! Checks whether a safekeeper's old disk could vote twice in one term if it is restored.
//!
//! A safekeeper votes once in each term, and stores that on its disk. An old disk does not contain the votes since it
//! was retained.

use super::facts::TimelineId;
use super::reading::Reading;
use super::readings::terms;
use std::collections::BTreeMap;

/// Most timelines whose terms are kept: the volumes' annotations have to hold them.
const MOST: usize = 100;

/// Terms by timeline.
pub(crate) type Terms = BTreeMap<TimelineId, u64>;

/// The votes since a disk was retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// None: each timeline is in the same term.
    Nothing,
    /// These timelines are in a higher term.
    Voted(Vec<Vote>),
    /// Unknown, for this reason.
    Unknown(String),
}

/// A timeline whose term is higher than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    /// The timeline.
    pub timeline: TimelineId,
    /// Its term when the disk was retained; `None` if it was not active then.
    pub then: Option<u64>,
    /// Its term now.
    pub now: u64,
    /// The pod that reports it.
    pub on: String,
}

/// Returns the highest term of each timeline that these safekeepers report, to be stored in the record of an operation;
/// `None` if one of them does not report it, or if there are too many.
pub(crate) fn now(safekeepers: &[Reading]) -> Option<Terms> {
    let all: Vec<&Reading> = safekeepers.iter().filter(|reading| reading.safekeeper().is_some()).collect();
    let complete = |reading: &&Reading| {
        let (_, facts) = reading.safekeeper()?;
        (facts.left_out == 0 && facts.timelines.values().all(|wal| wal.term.is_some())).then_some(())
    };
    let known = !all.is_empty() && all.iter().all(|reading| complete(reading).is_some());
    let terms: Terms = terms(&all).into_iter().map(|(id, (term, _))| (id.clone(), term)).collect();
    (known && terms.len() <= MOST).then_some(terms)
}

/// Compares the recorded terms with the current ones of the other safekeepers.
pub(crate) fn since(recorded: Option<&Terms>, others: &[&Reading]) -> Since {
    let Some(recorded) = recorded else {
        return Since::Unknown("the terms of that time were not recorded".to_owned());
    };
    let now = terms(others);
    let raised = |(id, (term, pod)): (&&TimelineId, &(u64, &str))| {
        let then = recorded.iter().find(|(known, _)| known.is_same(id)).map(|(_, term)| *term);
        then.is_none_or(|then| *term > then).then(|| Vote {
            timeline: (*id).clone(),
            then,
            now: *term,
            on: (*pod).to_owned(),
        })
    };
    let voted: Vec<Vote> = now.iter().filter_map(raised).collect();
    if !voted.is_empty() {
        return Since::Voted(voted);
    }
    if let Some((other, why)) = others.iter().find_map(|other| Some((other, other.unread()?))) {
        return Since::Unknown(format!("{} does not report its terms: {why}", other.pod));
    }
    // An idle timeline reports no term: a compute may have connected and left.
    let idle = |id: &&TimelineId| !now.keys().any(|known| known.is_same(id));
    let all = others.iter().filter_map(|other| other.safekeeper()?.1.total).max();
    match recorded.keys().find(idle) {
        Some(id) => Since::Unknown(format!("timeline {id} is idle, and its term is unknown")),
        None if others.is_empty() => Since::Unknown("there is no other safekeeper".to_owned()),
        None if all.is_none_or(|all| all > now.len() as u64) => {
            Since::Unknown("idle timelines do not report their terms".to_owned())
        }
        None => Since::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::examples::{Sk, sk};

    fn level(term: u64) -> Sk {
        sk(1).timeline("aa/11", 100, 100, term)
    }

    fn recorded(term: u64) -> Option<Terms> {
        Some([(TimelineId::new("aa", "11"), term)].into())
    }

    #[test]
    fn an_old_disk_may_vote_twice_if_the_term_rose_since() {
        let vote = |then, now| Vote { timeline: TimelineId::new("aa", "11"), then, now, on: "safekeeper-0".into() };
        let unknown = |why: &str| Since::Unknown(why.to_owned());
        for (then, others, expected) in [
            (recorded(3), vec![level(3), level(3)], Since::Nothing),
            (recorded(3), vec![level(4)], Since::Voted(vec![vote(Some(3), 4)])),
            // One higher term is enough, whatever the other safekeeper reports.
            (recorded(3), vec![level(4), sk(2).down()], Since::Voted(vec![vote(Some(3), 4)])),
            (Some(Terms::new()), vec![level(1)], Since::Voted(vec![vote(None, 1)])),
            (None, vec![level(3)], unknown("the terms of that time were not recorded")),
            (
                recorded(3),
                vec![level(3), sk(2).down()],
                unknown("safekeeper-1 does not report its terms: connection refused"),
            ),
            (recorded(3), vec![level(3).without("aa/11")], unknown("timeline aa/11 is idle, and its term is unknown")),
            (recorded(3), vec![level(3).total(2)], unknown("idle timelines do not report their terms")),
            (recorded(3), vec![], unknown("timeline aa/11 is idle, and its term is unknown")),
            (Some(Terms::new()), vec![sk(1)], Since::Nothing),
        ] {
            let readings: Vec<Reading> = others.into_iter().map(Sk::reading).collect();
            let found = since(then.as_ref(), &readings.iter().collect::<Vec<_>>());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn terms_are_kept_as_a_whole_or_not_at_all() {
        let of = |all: Vec<Sk>| now(&all.into_iter().map(Sk::reading).collect::<Vec<_>>());
        assert_eq!(of(vec![level(3), level(4), sk(3).down()]), recorded(4));
        assert_eq!(of(vec![level(3), level(4).forget("aa/11", |wal| wal.term = None)]), None);
        assert_eq!(of(vec![sk(1).down()]), None);
        let many = (0..=MOST).fold(sk(1), |sk, number| sk.timeline(&format!("aa/{number}"), 1, 1, 1));
        assert_eq!(of(vec![many]), None);
    }
}
