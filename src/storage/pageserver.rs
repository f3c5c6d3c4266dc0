//! Checks whether a pageserver holds what it should: before its disk is replaced, what only it and the safekeepers
//! hold; afterwards, what it held before, and what the safekeepers have.

use super::facts::{ACTIVE, Listed, PageFacts, PageserverFacts, TimelineId};
use super::found::{Count, Found, Item, Short, Wanted};
use super::reading::Reading;
use super::readings::most_timelines;
use super::safekeeper::{identity, unread};
use super::words::bytes;
use crate::text::counted;
use std::collections::BTreeSet;

/// The message if it started without data.
const SUSPECTED: &str = "it may have lost its data: it started empty, although it had tenants";

/// WAL of a timeline that is not in remote storage yet: only safekeepers hold it once the pageserver's disk is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OnlyWal {
    /// The timeline.
    pub timeline: TimelineId,
    /// Bytes of it.
    pub bytes: u64,
    /// Up to where the pageserver has ingested it.
    pub last_record: u64,
    /// Safekeepers that are known to have all of it.
    pub held_by: u64,
    /// Safekeepers for which that is unknown: they did not respond, or do not list the timeline.
    pub unknown: u64,
}

/// Returns the WAL that only safekeepers hold, by timeline; `None` if the pageserver reports no positions.
pub(crate) fn only_wal(pageserver: &PageserverFacts, safekeepers: &[Reading]) -> Option<Vec<OnlyWal>> {
    let mut only = Vec::new();
    for (id, layers) in &pageserver.timelines {
        let (last_record, remote) = layers.last_record_lsn.zip(layers.remote_consistent_lsn)?;
        if last_record <= remote {
            continue;
        }
        let flushed = |reading: &Reading| reading.safekeeper().and_then(|(_, facts)| facts.wal(id)?.flush_lsn);
        let held_by =
            safekeepers.iter().filter(|reading| flushed(reading).is_some_and(|lsn| lsn >= last_record)).count();
        let unknown = safekeepers.iter().filter(|reading| flushed(reading).is_none()).count();
        only.push(OnlyWal {
            timeline: id.clone(),
            bytes: last_record - remote,
            last_record,
            held_by: held_by as u64,
            unknown: unknown as u64,
        });
    }
    Some(only)
}

/// Compares a pageserver with what it reported before, if that is known, and with what the safekeepers have. No active
/// tenant is never a pass.
pub(crate) fn compare(before: Option<&PageFacts>, after: &PageFacts, safekeepers: &[&Reading]) -> Found {
    let mut found = Found::default();
    identity(before, after, &[], &mut found);
    let Some(facts) = after.pageserver() else {
        found.there = "it serves no comparable metrics".to_owned();
        match before.and_then(|before| before.metrics.as_ref()) {
            Some(_) if after.metrics.is_some() => found.lacks(Item::Metrics, "metrics of the same kind as before"),
            Some(_) => found.lacks(Item::Metrics, "its metrics, which it served before"),
            None => found.nothing = Some(unread(after)),
        }
        return found;
    };
    found.there = there(facts);
    let then = before.and_then(PageFacts::pageserver);
    if before.is_some_and(|before| before.metrics.is_some()) && then.is_none() {
        found.lacks(Item::Metrics, "metrics of the same kind as before");
    }
    start_up(facts, &mut found);
    tenants(then, facts, &mut found);
    if let Some(then) = then {
        as_before(then, facts, &mut found);
    }
    let known = beside(facts, safekeepers, &mut found);
    let named = then.is_some_and(|then| then.active() > 0 || !then.timelines.is_empty());
    if !named {
        without_baseline(before, facts, (safekeepers, known), &mut found);
    }
    if facts.data_loss_suspected == Some(true) {
        // The suspicion remains after everything is attached again.
        let all = most_timelines(safekeepers).zip(facts.active_timelines);
        let all = named || all.is_some_and(|((most, _), active)| most > 0 && active >= most);
        match found.short.first_mut() {
            Some(short) => short.line.push_str(&format!("; {SUSPECTED}")),
            None if all => {}
            None => found.unknown.push(SUSPECTED.to_owned()),
        }
    }
    if facts.active() == 0 {
        found.if_accepted = why_not_empty(facts, safekeepers);
    }
    if facts.left_out > 0 {
        let left_out = counted(facts.left_out, "timeline");
        found.unknown.push(format!("{left_out} were not checked: too many"));
    }
    found
}

/// Returns why no tenant at all cannot be right, even if a user says that the last one was deleted; `None` if nothing
/// speaks against it: it does not suspect a loss, and each safekeeper reports that it has no timeline either.
fn why_not_empty(facts: &PageserverFacts, safekeepers: &[&Reading]) -> Option<String> {
    if facts.data_loss_suspected == Some(true) {
        return Some(format!("no tenant is active, and {SUSPECTED}"));
    }
    if let Some((most @ 1.., pod)) = most_timelines(safekeepers) {
        return Some(format!("no tenant is active, and {pod} has {}", counted(most, "timeline")));
    }
    let all_say = safekeepers.iter().all(|one| one.safekeeper().is_some_and(|(_, facts)| facts.total == Some(0)));
    let unknown = "no tenant is active, and whether the safekeepers have timelines is unknown";
    (safekeepers.is_empty() || !all_say).then(|| unknown.to_owned())
}

fn start_up(facts: &PageserverFacts, found: &mut Found) {
    let left = facts.starting();
    if left > 0 {
        let scheduled = facts.startup_scheduled.unwrap_or(0);
        found.lacks(Item::StartUp, format!("its start-up: {left} of {} still starting", counted(scheduled, "tenant")));
    } else if facts.loading == Some(true) {
        found.lacks(Item::StartUp, "its start-up: it is still loading");
    }
}

fn tenants(then: Option<&PageserverFacts>, facts: &PageserverFacts, found: &mut Found) {
    let (has, had) = (facts.active(), then.map_or(0, PageserverFacts::active));
    let others = others(facts);
    let others = if others.is_empty() { String::new() } else { format!("; {others}") };
    if has < had {
        found.tenants = Some(Count { has, needs: had });
        found.lacks(Item::ActiveTenants, format!("active tenants: {has} of {had} before{others}"));
    } else if has == 0 && (then.is_none() || !others.is_empty() || facts.starting() > 0) {
        found.lacks(Item::ActiveTenants, format!("tenants: none is active{others}"));
    }
    let broke = then.map_or(0, PageserverFacts::broken);
    if facts.broken() > broke {
        let before = then.map_or_else(String::new, |_| format!(", {broke} before"));
        found.lacks(Item::BrokenTenants, format!("{} broken tenants{before}", facts.broken()));
    }
}

/// Formats tenants that are neither active nor broken, by the names of their states: `1 attaching, 2 stopping`.
pub(crate) fn others(facts: &PageserverFacts) -> String {
    let others = facts
        .tenants
        .iter()
        .filter(|(state, number)| **number > 0 && state.as_str() != ACTIVE && state.as_str() != super::facts::BROKEN);
    others.map(|(state, number)| format!("{number} {}", state.to_lowercase())).collect::<Vec<_>>().join(", ")
}

/// Compares with what it served, had ingested and had in remote storage before.
fn as_before(then: &PageserverFacts, facts: &PageserverFacts, found: &mut Found) {
    match (then.active_timelines, facts.active_timelines) {
        (Some(had), Some(has)) if has < had => {
            found.timelines = Some(Count { has, needs: had });
            found.lacks(Item::ActiveTimelines, format!("active timelines: {has} of {had} before"));
        }
        (Some(_), None) => found.unknown.push("it no longer reports how many timelines are active".to_owned()),
        _ => {}
    }
    by_name(&then.listed, &facts.listed, found);
    for (id, layers) in &then.timelines {
        let Some(needs) = layers.last_record_lsn else { continue };
        let wanted = Wanted { id, needs, of: "", whose: "ingested before", verb: "ingested" };
        match facts.layers(id) {
            Some(layers) => found.reaches(&wanted, layers.last_record_lsn),
            None => found.lacks(Item::Timeline(id.clone()), format!("timeline {id}, which it served before")),
        }
    }
    match (then.remote_bytes, facts.remote_bytes) {
        (Some(had @ 1..), Some(0)) => {
            found.lacks(Item::RemoteStorage, format!("remote storage: it has nothing there, but had {}", bytes(had)));
        }
        (Some(1..), None) => found.unknown.push("it no longer reports what it has in remote storage".to_owned()),
        _ => {}
    }
    if then.left_out > 0 && facts.left_out == 0 {
        let left_out = counted(then.left_out, "timeline");
        found.unknown.push(format!("{left_out} were not checked before: too many"));
    }
}

/// Another tenant makes up for the lost one in the count.
fn by_name(then: &Listed, now: &Listed, found: &mut Found) {
    match (then, now) {
        (Listed::Tenants(then), Listed::Tenants(now)) => {
            for name in then.difference(now) {
                found.lacks(Item::Tenant(name.clone()), format!("tenant {name}, which it had before"));
            }
        }
        (_, Listed::Unread(why)) => found.unknown.push(format!("the names of its tenants are unknown: {why}")),
        // Without a token the list is not requested.
        (Listed::Unasked | Listed::Unread(_), _) | (Listed::Tenants(_), Listed::Unasked) => {}
    }
}

/// Compares with each timeline that a safekeeper lists: it must serve it, and must have ingested what it told
/// safekeepers to be in remote storage. Returns how many these are.
fn beside(facts: &PageserverFacts, safekeepers: &[&Reading], found: &mut Found) -> usize {
    let mut known: BTreeSet<&TimelineId> = BTreeSet::new();
    let item = |short: &Short| if let Item::Timeline(id) = &short.item { Some(id.clone()) } else { None };
    let short: BTreeSet<TimelineId> = found.short.iter().filter_map(item).collect();
    for reading in safekeepers {
        let Some((_, safekeeper)) = reading.safekeeper() else { continue };
        for (id, wal) in &safekeeper.timelines {
            if known.contains(id) || short.contains(id) {
                continue;
            }
            // A pageserver that reports no positions at all cannot be compared with them.
            if facts.timelines.is_empty() && facts.active_timelines != Some(0) {
                continue;
            }
            known.insert(id);
            let pod = &reading.pod;
            match (facts.layers(id), wal.remote_consistent_lsn) {
                (None, _) => {
                    found.lacks(Item::Timeline(id.clone()), format!("timeline {id}, of which {pod} has WAL"));
                }
                (Some(layers), Some(needs)) => {
                    let whose = format!("which {pod} reports in remote storage");
                    let wanted = Wanted { id, needs, of: "", whose: &whose, verb: "ingested" };
                    found.reaches(&wanted, layers.last_record_lsn);
                }
                (Some(_), None) => {}
            }
        }
    }
    if !known.is_empty() {
        found.beside = Some("the safekeepers".to_owned());
    }
    known.len()
}

/// It was down: only the safekeepers and its own report are left to judge by.
fn without_baseline(
    before: Option<&PageFacts>,
    facts: &PageserverFacts,
    (safekeepers, known): (&[&Reading], usize),
    found: &mut Found,
) {
    let total = most_timelines(safekeepers);
    match (total, facts.active_timelines) {
        (Some((total, pod)), Some(active)) if active < total => found.unknown.push(format!(
            "{pod} has {}, and {active} are active here: whether it should serve all of them is unknown",
            counted(total, "timeline")
        )),
        _ => {}
    }
    if facts.remote_bytes == Some(0) {
        found.unknown.push("it has nothing in remote storage".to_owned());
    }
    let compared = known > 0 || total.is_some_and(|(total, _)| total > 0) && facts.active_timelines.is_some();
    if !compared {
        let before = match before {
            None => "there is no baseline".to_owned(),
            Some(PageFacts { metrics: None, unread: Some(why), .. }) => {
                format!("its metrics could not be read before: {why}")
            }
            Some(PageFacts { metrics: None, .. }) => "its status endpoint served no metrics before".to_owned(),
            Some(_) => "its metrics named no active tenant before".to_owned(),
        };
        found.nothing = Some(match safekeepers.iter().find_map(|other| Some((other, other.unread()?))) {
            Some((other, why)) => format!("{before}, and {} reports nothing: {why}", other.pod),
            None => format!("{before}, and no safekeeper reports a timeline to compare it with"),
        });
    }
}

/// `2 active tenants`, `2 active tenants, 3 timelines`.
pub(crate) fn there(facts: &PageserverFacts) -> String {
    let tenants = counted(facts.active(), "active tenant");
    match facts.active_timelines {
        Some(timelines) => format!("{tenants}, {}", counted(timelines, "timeline")),
        None => tenants,
    }
}

#[cfg(test)]
#[path = "pageserver_tests.rs"]
mod tests;
