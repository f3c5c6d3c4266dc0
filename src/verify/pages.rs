//! What status pages and their metrics mean. Pure.

use super::check::Judgement;
use crate::probe::Answer;
use crate::probe::compare::{counted, escaped};
use crate::probe::http::{Metrics, StatusPage, Wal};
use crate::topology::health;
use std::collections::BTreeMap;

/// A log sequence number as PostgreSQL writes it: `0/2A55E98`.
pub fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

/// A page alone: served, or not.
pub fn page(answer: &Answer<StatusPage>) -> Judgement {
    match answer {
        Answer::Yes(page) => Judgement::passed(match &page.metrics {
            Answer::Yes(metrics) => format!("answers 200: {}", in_words(metrics)),
            Answer::No(_) | Answer::Unknown(_) => "answers 200".to_owned(),
        }),
        Answer::No(reason) => Judgement::failed(reason.clone()),
        Answer::Unknown(reason) => Judgement::unknown(reason.clone()),
    }
}

/// Whether more than half of the safekeepers that there should be answer: a commit needs that many.
pub fn majority(answers: &[(String, Answer<StatusPage>)]) -> Judgement {
    let all = answers.len();
    let needed = health::majority(all);
    let number = |which: fn(&Answer<StatusPage>) -> bool| answers.iter().filter(|(_, answer)| which(answer)).count();
    let answering = number(|answer| matches!(answer, Answer::Yes(_)));
    let unknown = number(|answer| matches!(answer, Answer::Unknown(_)));
    let reason = format!("{answering} of {all} answer, a majority is {needed}");
    if answering >= needed {
        Judgement::passed(reason)
    } else if answering + unknown >= needed {
        Judgement::unknown(format!("{reason}; of {unknown} it is not known"))
    } else {
        Judgement::failed(reason)
    }
}

/// Whether more than half of the safekeepers have flushed what is committed, of each timeline that one of them knows.
pub fn wal(answers: &[(String, Answer<StatusPage>)]) -> Judgement {
    let positions: Vec<(&str, &BTreeMap<String, Wal>)> = answers
        .iter()
        .filter_map(|(member, answer)| match answer {
            Answer::Yes(StatusPage { metrics: Answer::Yes(Metrics::Safekeeper(timelines)), .. }) => {
                Some((member.as_str(), timelines))
            }
            _ => None,
        })
        .collect();
    let committed = committed(&positions);
    if committed.is_empty() {
        return Judgement::skipped("no safekeeper's metrics give positions");
    }
    let all = answers.len();
    let needed = health::majority(all);
    let (mut short, mut open, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    for (timeline, committed) in &committed {
        let flushed = |timelines: &BTreeMap<String, Wal>| timelines.get(*timeline).and_then(|wal| wal.flush_lsn);
        let have = positions.iter().filter(|(_, timelines)| flushed(timelines) >= Some(*committed)).count();
        // One that gives no position may have it.
        let silent = all - positions.len();
        let line = format!("timeline {timeline}: {have} of {all} have flushed {}", lsn(*committed));
        if have + silent < needed {
            short.push(line);
        } else if have < needed {
            open.push(line);
        }
        behind.extend(positions.iter().filter_map(|(member, timelines)| {
            let lag = committed.saturating_sub(flushed(timelines).unwrap_or(0));
            (lag > 0).then(|| format!("{member} is {lag} bytes behind"))
        }));
    }
    let lines = |judgement: Judgement, lines| Judgement { lines, ..judgement };
    if !short.is_empty() {
        lines(Judgement::failed(format!("no majority has flushed what is committed; {needed} are needed")), short)
    } else if !open.is_empty() {
        lines(
            Judgement::unknown(format!("whether a majority has flushed what is committed; {needed} are needed")),
            open,
        )
    } else {
        let to = committed.values().max().copied().map(lsn).unwrap_or_default();
        let timelines = counted(committed.len() as u64, "timeline");
        lines(Judgement::passed(format!("{timelines} flushed by a majority, up to {to}")), behind)
    }
}

/// How far each timeline is committed, by the furthest that any safekeeper says.
fn committed<'p>(positions: &[(&str, &'p BTreeMap<String, Wal>)]) -> BTreeMap<&'p str, u64> {
    let mut committed: BTreeMap<&str, u64> = BTreeMap::new();
    for (timeline, wal) in positions.iter().flat_map(|(_, timelines)| timelines.iter()) {
        if let Some(position) = wal.commit_lsn {
            let furthest = committed.entry(timeline).or_default();
            *furthest = position.max(*furthest);
        }
    }
    committed
}

/// Whether a pageserver's tenants are attached, and none is broken.
pub fn tenants(answer: &Answer<StatusPage>) -> Judgement {
    let metrics = match answer {
        Answer::Yes(page) => &page.metrics,
        Answer::No(_) | Answer::Unknown(_) => return Judgement::unknown("its status page does not answer"),
    };
    match metrics {
        Answer::Yes(Metrics::Pageserver { tenants, broken }) => {
            let of = |state: &str| tenants.get(state).copied().unwrap_or(0);
            let broken = broken.unwrap_or(0).max(of("Broken"));
            let others: u64 = tenants.values().sum::<u64>() - of("Active") - of("Broken");
            let active = counted(of("Active"), "tenant");
            match (broken, of("Active")) {
                (1.., _) => Judgement::failed(format!("{active} active, {broken} broken")),
                // One that is still attaching will hold what it does not yet.
                (0, 0) if others > 0 => Judgement::unknown(format!("no tenant is active yet, {others} are attaching")),
                (0, 0) => Judgement::failed("no tenant is attached"),
                _ if others > 0 => Judgement::passed(format!("{active} active, {others} attaching, none broken")),
                _ => Judgement::passed(format!("{active} active, none broken")),
            }
        }
        Answer::Yes(Metrics::Safekeeper(_)) => Judgement::unknown("its metrics are a safekeeper's"),
        Answer::No(reason) | Answer::Unknown(reason) => Judgement::unknown(reason.clone()),
    }
}

/// What metrics say less than they did: a line each, and the name that `--accept-missing` takes for it.
pub fn less_than(before: &Metrics, after: &Metrics) -> Vec<(String, String)> {
    match (before, after) {
        (Metrics::Safekeeper(before), Metrics::Safekeeper(after)) => before
            .iter()
            .filter_map(|(timeline, wal)| {
                let committed = wal.commit_lsn?;
                let flushed = after.get(timeline).and_then(|wal| wal.flush_lsn).unwrap_or(0);
                (flushed < committed).then(|| {
                    let (committed, flushed) = (lsn(committed), lsn(flushed));
                    let line =
                        format!("WAL of timeline {timeline} up to {committed}, committed before; it has {flushed}");
                    (line, format!("timeline/{}", escaped(timeline)))
                })
            })
            .collect(),
        (Metrics::Pageserver { tenants: before, broken: b }, Metrics::Pageserver { tenants: after, broken: a }) => {
            let active = |tenants: &BTreeMap<String, u64>| tenants.get("Active").copied().unwrap_or(0);
            let mut less = Vec::new();
            if active(after) < active(before) {
                let line = format!("active tenants: {} of {} before", active(after), active(before));
                less.push((line, "active-tenants".to_owned()));
            }
            if a.unwrap_or(0) > b.unwrap_or(0) {
                let line = format!("{} broken tenants, {} before", a.unwrap_or(0), b.unwrap_or(0));
                less.push((line, "broken-tenants".to_owned()));
            }
            less
        }
        _ => vec![("metrics of the same kind as before".into(), "metrics".into())],
    }
}

/// Whether metrics name something that [`less_than`] could find missing afterwards.
pub fn names_anything(metrics: &Metrics) -> bool {
    match metrics {
        Metrics::Safekeeper(timelines) => timelines.values().any(|wal| wal.commit_lsn.is_some()),
        Metrics::Pageserver { tenants, .. } => tenants.get("Active").is_some_and(|active| *active > 0),
    }
}

/// `WAL of 1 timeline`, `2 active tenants`.
pub fn in_words(metrics: &Metrics) -> String {
    match metrics {
        Metrics::Safekeeper(timelines) => format!("WAL of {}", counted(timelines.len() as u64, "timeline")),
        Metrics::Pageserver { tenants, .. } => counted(tenants.get("Active").copied().unwrap_or(0), "active tenant"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::check::Verdict;

    fn served(metrics: Answer<Metrics>) -> Answer<StatusPage> {
        Answer::Yes(StatusPage { status: 200, body: "{}".to_owned(), metrics })
    }

    fn safekeeper(flushed: u64, committed: u64) -> Answer<StatusPage> {
        let wal = Wal { flush_lsn: Some(flushed), commit_lsn: Some(committed), backup_lsn: None };
        served(Answer::Yes(Metrics::Safekeeper(BTreeMap::from([("t".to_owned(), wal)]))))
    }

    fn silent() -> Answer<StatusPage> {
        served(Answer::Unknown("/metrics answers 404".to_owned()))
    }

    fn down() -> Answer<StatusPage> {
        Answer::No("connection refused".to_owned())
    }

    fn unknown() -> Answer<StatusPage> {
        Answer::Unknown("no answer within 5 s".to_owned())
    }

    fn three(answers: [Answer<StatusPage>; 3]) -> Vec<(String, Answer<StatusPage>)> {
        answers.into_iter().enumerate().map(|(n, answer)| (format!("safekeeper-{n}"), answer)).collect()
    }

    #[test]
    fn a_majority_that_may_be_there_is_unknown() {
        for (answers, expected) in [
            ([silent(), silent(), down()], Verdict::Passed),
            ([silent(), unknown(), down()], Verdict::Unknown),
            ([silent(), unknown(), unknown()], Verdict::Unknown),
            ([silent(), down(), down()], Verdict::Failed),
            ([unknown(), down(), down()], Verdict::Failed),
        ] {
            let answers = three(answers);
            assert_eq!(majority(&answers).verdict, expected, "{answers:?}");
        }
    }

    #[test]
    fn what_is_committed_must_be_flushed_by_a_majority() {
        for (answers, verdict, lines) in [
            ([safekeeper(9, 9), safekeeper(9, 9), safekeeper(9, 9)], Verdict::Passed, ""),
            ([safekeeper(9, 9), safekeeper(9, 7), safekeeper(5, 5)], Verdict::Passed, "safekeeper-2 is 4 bytes behind"),
            ([safekeeper(9, 9), silent(), safekeeper(5, 5)], Verdict::Unknown, "timeline t: 1 of 3 have flushed 0/9"),
            ([safekeeper(9, 9), down(), safekeeper(5, 5)], Verdict::Unknown, "timeline t: 1 of 3 have flushed 0/9"),
            (
                [safekeeper(9, 9), safekeeper(4, 4), safekeeper(5, 5)],
                Verdict::Failed,
                "timeline t: 1 of 3 have flushed 0/9",
            ),
            ([silent(), silent(), silent()], Verdict::Skipped, ""),
        ] {
            let answers = three(answers);
            let judged = wal(&answers);
            assert_eq!((judged.verdict, judged.lines.join("; ").as_str()), (verdict, lines), "{answers:?}");
        }
    }

    #[test]
    fn a_pageserver_without_tenants_or_with_a_broken_one_fails() {
        let metrics = |states: &[(&str, u64)], broken| {
            let tenants = states.iter().map(|(state, number)| ((*state).to_owned(), *number)).collect();
            served(Answer::Yes(Metrics::Pageserver { tenants, broken }))
        };
        for (answer, verdict, reason) in [
            (metrics(&[("Active", 3)], Some(0)), Verdict::Passed, "3 tenants active, none broken"),
            (
                metrics(&[("Active", 3), ("Attaching", 1)], None),
                Verdict::Passed,
                "3 tenants active, 1 attaching, none broken",
            ),
            (metrics(&[("Active", 3), ("Broken", 1)], None), Verdict::Failed, "3 tenants active, 1 broken"),
            (metrics(&[("Active", 3)], Some(2)), Verdict::Failed, "3 tenants active, 2 broken"),
            (metrics(&[("Active", 0)], None), Verdict::Failed, "no tenant is attached"),
            (metrics(&[("Loading", 2)], None), Verdict::Unknown, "no tenant is active yet, 2 are attaching"),
            (safekeeper(1, 1), Verdict::Unknown, "its metrics are a safekeeper's"),
            (silent(), Verdict::Unknown, "/metrics answers 404"),
            (unknown(), Verdict::Unknown, "its status page does not answer"),
        ] {
            let judged = tenants(&answer);
            assert_eq!((judged.verdict, judged.reason.as_str()), (verdict, reason));
        }
    }

    #[test]
    fn positions_are_written_as_postgresql_does() {
        assert_eq!((lsn(0x2A5_5E98), lsn((7 << 32) + 1)), ("0/2A55E98".to_owned(), "7/1".to_owned()));
    }
}
