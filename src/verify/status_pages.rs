//! Judges status endpoints and their metrics for an installation as a whole. Pure.

use super::check::Judgement;
use crate::probe::no_page::{NoPage, NoPageKind};
use crate::storage::facts::{Listed, Metrics, PageFacts, PageserverFacts, SafekeeperFacts, TimelineId};
use crate::storage::readings::{Furthest, Readings, committed, computes, most_timelines};
use crate::storage::words::{bytes, lsn};
use crate::storage::{Digests, Reading, pageserver, safekeeper};
use crate::text::counted;
use crate::topology::health;

/// Members of a timeline if there are more safekeepers than these: by default each timeline is on three of them.
const MEMBERS: usize = 3;

/// The result of querying a status endpoint.
pub(crate) type Answered = Result<PageFacts, NoPage>;

/// Converts it to a reading of this pod.
pub(crate) fn reading(pod: &str, answered: &Answered) -> Reading {
    Reading { pod: pod.to_owned(), said: answered.clone().map_err(|no| no.reason) }
}

/// Judges a single status endpoint.
pub(crate) fn page(answered: &Answered) -> Judgement {
    match answered {
        Ok(facts @ PageFacts { metrics: Some(metrics), .. }) => {
            let unread = facts.safekeeper().and_then(SafekeeperFacts::idle_unread);
            let but = unread.map(|why| format!(", but {why}")).unwrap_or_default();
            Judgement::passed(format!("returned 200: {}{but}", summary(metrics)))
        }
        Ok(PageFacts { unread: Some(why), .. }) => Judgement::passed(format!("returned 200, but {why}")),
        Ok(_) => Judgement::passed("returned 200"),
        Err(no) if no.kind == NoPageKind::Refused => Judgement::failed(no.reason.clone()),
        Err(no) => Judgement::unknown(no.reason.clone()),
    }
}

/// Judges whether a quorum of the expected safekeepers responds, each with a unique identity: a commit needs that many.
pub(crate) fn majority(answers: &[(String, Answered)]) -> Judgement {
    let all = answers.len();
    let needed = health::majority(all);
    let twins: Vec<String> = answers
        .iter()
        .enumerate()
        .filter_map(|(at, (pod, answered))| {
            let id = answered.as_ref().ok()?.id?;
            let (twin, _) =
                answers[..at].iter().find(|(_, other)| other.as_ref().is_ok_and(|other| other.id == Some(id)))?;
            Some(format!("{pod} has the same id as {twin} ({id})"))
        })
        .collect();
    let answering = answers.iter().filter(|(_, answered)| answered.is_ok()).count();
    let is_open = |answered: &Answered| answered.as_ref().is_err_and(|no| no.kind != NoPageKind::Refused);
    let open = answers.iter().filter(|(_, answered)| is_open(answered)).count();
    let reason = format!("{answering} of {all} respond (quorum is {needed})");
    if !twins.is_empty() {
        let why = format!("{reason}; those with the same id count once");
        Judgement { lines: twins, ..Judgement::failed(why) }
    } else if answering >= needed {
        Judgement::passed(reason)
    } else if answering + open >= needed {
        Judgement::unknown(format!("{reason}; {open} unknown"))
    } else {
        Judgement::failed(reason)
    }
}

/// Judges whether a quorum of the safekeepers has flushed the committed WAL, for each timeline that one of them lists,
/// and whether all have as many timelines. A timeline that one does not list while it has as many as the others is idle
/// there.
pub(crate) fn wal(readings: &Readings) -> Judgement {
    let all: Vec<&Reading> = readings.safekeepers.iter().collect();
    let reading: Vec<&Reading> = all.iter().copied().filter(|one| one.safekeeper().is_some()).collect();
    if reading.is_empty() {
        let why = all.iter().find_map(|one| one.unread()).unwrap_or_else(|| "there are none".to_owned());
        return Judgement::unknown(format!("no safekeeper's metrics can be read: {why}"));
    }
    let most = most_timelines(&reading);
    let positions = committed(&reading);
    if positions.is_empty() && most.is_none_or(|(most, _)| most == 0) {
        return empty(readings, most.is_some() && reading.len() == all.len());
    }
    let mut found = Positions::default();
    for (id, furthest) in &positions {
        found.observe(id, *furthest, (&all, &reading), most);
    }
    found.open.extend(fewer(&all, &reading, most));
    let (other, unknown) = bytes_of(&reading, &readings.digests);
    found.open.extend(unknown);
    found.open.extend(reading.iter().filter_map(|one| {
        let why = one.safekeeper()?.1.idle_unread()?;
        Some(format!("{}: {why}", one.pod))
    }));
    let left_out = reading.iter().filter_map(|one| Some(one.safekeeper()?.1.left_out)).max().unwrap_or(0);
    if left_out > 0 {
        found.open.push(format!("{} were not checked: too many", counted(left_out, "timeline")));
    }
    let lines = |judgement: Judgement, lines| Judgement { lines, ..judgement };
    if !found.short.is_empty() {
        return lines(Judgement::failed("no quorum has flushed the committed WAL"), found.short);
    }
    if !other.is_empty() {
        return lines(Judgement::failed("safekeepers have different bytes of the same WAL"), other);
    }
    if !found.open.is_empty() {
        let why = "not every safekeeper is known to have the committed WAL yet";
        return lines(Judgement::unknown(why), found.open);
    }
    let listed = counted(positions.len() as u64, "timeline");
    let idle = most.map_or(0, |(most, _)| most.saturating_sub(positions.len() as u64));
    let to = positions.values().map(|furthest| furthest.lsn).max().map(lsn);
    let reason = match (to, idle) {
        (Some(to), 0) => format!("{listed} flushed by a quorum, up to {to}"),
        (Some(to), idle) => format!("{listed} flushed by a quorum, up to {to}; {idle} more idle"),
        (None, idle) => format!("{}, all idle", counted(idle, "timeline")),
    };
    let same = readings.digests.same().map(|same| format!("; {same}")).unwrap_or_default();
    let mut told = found.behind;
    if readings.digests.not_served() {
        told.push("whether they have the same bytes is unknown: this release serves no digests".to_owned());
    }
    lines(Judgement::passed(format!("{reason}{same}")), told)
}

/// Returns which safekeepers have different bytes of the same WAL than others, and for which that is unknown, one line
/// each.
fn bytes_of(reading: &[&Reading], digests: &Digests) -> (Vec<String>, Vec<String>) {
    let (mut other, mut unknown) = (Vec::new(), Vec::new());
    for one in reading {
        let pod = &one.pod;
        other.extend(digests.others_than(pod).iter().map(|other| format!("{pod} has {other}")));
        unknown.extend(digests.unknown_of(pod).iter().map(|why| format!("{pod}: {why}")));
    }
    (other, unknown)
}

/// What the positions show, by timeline.
#[derive(Default)]
struct Positions {
    /// No quorum has it.
    short: Vec<String>,
    /// Whether a quorum has it is unknown.
    open: Vec<String>,
    /// Safekeepers that are behind.
    behind: Vec<String>,
}

impl Positions {
    fn observe(
        &mut self,
        id: &TimelineId,
        furthest: Furthest<'_>,
        (all, reading): (&[&Reading], &[&Reading]),
        most: Option<(u64, &str)>,
    ) {
        let written = computes(reading, id).is_some_and(|computes| computes > 0);
        let (mut have, mut lists, mut mute) = (0, 0, 0);
        for one in reading {
            let Some((_, facts)) = one.safekeeper() else { continue };
            match facts.wal(id).map(|wal| wal.flush_lsn) {
                Some(Some(flushed)) => {
                    lists += 1;
                    let lag = furthest.lsn.saturating_sub(flushed);
                    if lag == 0 {
                        have += 1;
                    } else {
                        self.behind.push(format!("{} is {} behind on timeline {id}", one.pod, bytes(lag)));
                    }
                }
                Some(None) => mute += 1,
                // It reports itself that it has none.
                None if facts.lists_all() => {
                    if all.len() <= MEMBERS {
                        let (pod, on, to) = (&one.pod, furthest.pod, lsn(furthest.lsn));
                        self.open.push(format!("{pod} has no timeline {id} ({on} has {to} committed)"));
                    }
                }
                None => {
                    let as_many = facts.total.zip(most).is_some_and(|(total, (most, _))| total >= most);
                    have += usize::from(as_many && !written && all.len() <= MEMBERS);
                }
            }
        }
        // With more safekeepers, a timeline has its own members, and those that list it are all that is known.
        let members = if all.len() > MEMBERS { lists.max(MEMBERS) } else { all.len() };
        let needed = health::majority(members);
        // One that reports no position may have it.
        let silent = all.len() - reading.len() + mute;
        let line =
            format!("timeline {id}: {have} of {members} have flushed {}; {needed} are needed", lsn(furthest.lsn));
        if have + silent < needed {
            self.short.push(line);
        } else if have < needed {
            self.open.push(line);
        }
    }
}

/// Returns those that have fewer timelines than another: they are catching up, or lost some.
fn fewer(all: &[&Reading], reading: &[&Reading], most: Option<(u64, &str)>) -> Vec<String> {
    let Some((most, on)) = most else { return Vec::new() };
    let total = |one: &&&Reading| one.safekeeper().and_then(|(_, facts)| facts.total);
    // With more safekeepers than a timeline has members, each has its own.
    let is_short = |one: &&&Reading| total(one).is_some_and(|has| has < most && (all.len() <= MEMBERS || has == 0));
    let line = |one: &&Reading| {
        let has = total(&one).unwrap_or(0);
        format!("{} has {has} of {}, by what {on} has", one.pod, counted(most, "timeline"))
    };
    reading.iter().filter(is_short).map(line).collect()
}

/// Judges that no safekeeper has a timeline: right if no account was ever created, and the loss of all otherwise.
fn empty(readings: &Readings, known: bool) -> Judgement {
    let serves = |one: &Reading| {
        let facts = one.pageserver()?;
        let timelines = facts.active_timelines.unwrap_or(0).max(facts.timelines.len() as u64);
        Some((timelines, one.pod.clone()))
    };
    let served = readings.pageservers.iter().filter_map(serves).max();
    match served {
        Some((timelines @ 1.., pod)) if known => {
            let why = format!("no safekeeper has a timeline, and {pod} serves {}", counted(timelines, "timeline"));
            Judgement::failed(why)
        }
        Some((0, _)) if known => Judgement::skipped("there is no timeline yet"),
        _ => Judgement::unknown("no safekeeper reports a timeline, and whether there should be one is unknown"),
    }
}

/// Judges whether a pageserver serves its tenants, none is broken, and each timeline that a safekeeper has is served.
/// `remote_storage` is the layout's setting.
pub(crate) fn tenants(one: &Reading, readings: &Readings, remote_storage: Option<bool>) -> Judgement {
    let page = match &one.said {
        Ok(page) => page,
        Err(_) => return Judgement::unknown("its status endpoint does not respond"),
    };
    let Some(facts) = page.pageserver() else {
        return Judgement::unknown(match &page.metrics {
            Some(_) => "its metrics are a safekeeper's".to_owned(),
            None => page.unread.clone().unwrap_or_else(|| "it serves no metrics".to_owned()),
        });
    };
    let others = pageserver::others(facts);
    let with = |others: &str| if others.is_empty() { String::new() } else { format!(", {others}") };
    let active = counted(facts.active(), "tenant");
    let suspected = if facts.data_loss_suspected == Some(true) {
        "; it may have lost its data: it started empty, although it had tenants"
    } else {
        ""
    };
    match (facts.broken(), facts.active()) {
        (broken @ 1.., _) => return Judgement::failed(format!("{active} active{}, {broken} broken", with(&others))),
        // A pageserver that is still attaching will hold the rest later.
        (0, 0) if !others.is_empty() => {
            return Judgement::unknown(format!("no tenant is active yet: {others}{suspected}"));
        }
        (0, 0) if facts.starting() > 0 || facts.loading == Some(true) => {
            return Judgement::unknown(format!("no tenant is active yet: it is starting{suspected}"));
        }
        (0, 0) => return Judgement::failed(format!("no tenant is attached{suspected}")),
        (0, _) => {}
    }
    let safekeepers: Vec<&Reading> = readings.safekeepers.iter().collect();
    let found = pageserver::compare(None, page, &safekeepers);
    let coming = !others.is_empty() || facts.starting() > 0 || facts.loading == Some(true);
    let short: Vec<String> = found.short.into_iter().map(|short| format!("missing: {}", short.line)).collect();
    let reason = format!("{active} active{}, none broken", with(&others));
    if !short.is_empty() {
        let why = format!("{reason}; {} not served{suspected}", counted(short.len() as u64, "thing"));
        let judged = if coming { Judgement::unknown(why) } else { Judgement::failed(why) };
        return Judgement { lines: short, ..judged };
    }
    if facts.active_timelines == Some(0) {
        return Judgement::failed(format!("{active} active, and none of them has a timeline{suspected}"));
    }
    match unknown(facts, &safekeepers, remote_storage) {
        lines if lines.is_empty() => Judgement::passed(reason),
        lines => Judgement { lines, ..Judgement::unknown(format!("{reason}; whether that is all is unknown")) },
    }
}

/// Returns what speaks against everything being served, one line each.
fn unknown(facts: &PageserverFacts, safekeepers: &[&Reading], remote_storage: Option<bool>) -> Vec<String> {
    let mut lines = Vec::new();
    let most = most_timelines(safekeepers);
    let fewer = most.zip(facts.active_timelines).filter(|((most, _), active)| active < most);
    if let Some(((most, pod), active)) = fewer {
        lines.push(format!("{pod} has {}, and {active} are active here", counted(most, "timeline")));
    }
    // The suspicion remains after everything is attached again.
    if facts.data_loss_suspected == Some(true)
        && (fewer.is_some() || most.is_none() || facts.active_timelines.is_none())
    {
        lines.push("it may have lost its data: it started empty, although it had tenants".to_owned());
    }
    if facts.remote_bytes == Some(0) && remote_storage != Some(false) {
        lines.push("it has nothing in remote storage".to_owned());
    }
    if let Listed::Unread(why) = &facts.listed {
        lines.push(format!("the names of its tenants are unknown: {why}"));
    }
    if facts.left_out > 0 {
        lines.push(format!("{} were not checked: too many", counted(facts.left_out, "timeline")));
    }
    lines
}

/// Formats `WAL of 1 timeline`, `2 active tenants, 3 timelines`.
pub(crate) fn summary(metrics: &Metrics) -> String {
    match metrics {
        Metrics::Safekeeper(facts) => {
            let idle = facts.total.map_or(0, |total| total.saturating_sub(facts.timelines.len() as u64));
            safekeeper::there(facts, idle)
        }
        Metrics::Pageserver(facts) => pageserver::there(facts),
    }
}

#[cfg(test)]
#[path = "status_pages_tests.rs"]
mod tests;
