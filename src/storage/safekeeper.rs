//! Checks whether a safekeeper that came back holds what it should: what it held before, and what the others hold.

use super::facts::{PageFacts, SafekeeperFacts, TimelineId};
use super::found::{Count, Found, Item, Wanted};
use super::peers::MEMBERS;
use super::reading::Reading;
use super::readings::{Furthest, committed, computes, most_timelines, terms};
use crate::text::counted;
use std::collections::BTreeMap;

/// Compares a safekeeper with what it reported before, if that is known, and with the other safekeepers.
///
/// A timeline that it does not list is idle if it has as many as it should, and missing otherwise.
pub(crate) fn compare(before: Option<&PageFacts>, after: &PageFacts, others: &[&Reading]) -> Found {
    let mut found = Found { beside: beside(others), ..Found::default() };
    identity(before, after, others, &mut found);
    let Some(facts) = after.safekeeper() else {
        found.there = "it serves no comparable metrics".to_owned();
        match before.and_then(|before| before.metrics.as_ref()) {
            Some(_) if after.metrics.is_some() => found.lacks(Item::Metrics, "metrics of the same kind as before"),
            Some(_) => found.lacks(Item::Metrics, "its metrics, which it served before"),
            None => found.nothing = Some(unread(after)),
        }
        return found;
    };
    let then = before.and_then(PageFacts::safekeeper);
    if before.is_some_and(|before| before.metrics.is_some()) && then.is_none() {
        found.lacks(Item::Metrics, "metrics of the same kind as before");
    }
    let needed = number(then, facts, others, &mut found);
    let idle = positions(then, (facts, needed), others, &mut found);
    found.there = there(facts, idle);
    left_out(then, facts, &mut found);
    found.unknown.extend(facts.idle_unread());
    let named = then.is_some_and(|then| then.total.is_some_and(|total| total > 0) || !then.timelines.is_empty());
    let beside = others.iter().filter_map(|other| other.safekeeper());
    let beside =
        beside.into_iter().any(|(_, facts)| facts.total.is_some_and(|total| total > 0) || !facts.timelines.is_empty());
    if !named && !beside {
        found.nothing = Some(nothing(before, others));
    }
    found
}

/// Its identity must be as before, and no other one may have it.
pub(super) fn identity(before: Option<&PageFacts>, after: &PageFacts, others: &[&Reading], found: &mut Found) {
    let Some(id) = after.id else {
        if before.is_some_and(|before| before.id.is_some()) {
            found.unknown.push("it no longer reports its id".to_owned());
        }
        return;
    };
    if let Some(then) = before.and_then(|before| before.id).filter(|then| *then != id) {
        found.lacks(Item::Identity, format!("its identity: its id is {id}, but was {then}"));
    }
    let twin = others.iter().find(|other| other.said.as_ref().is_ok_and(|said| said.id == Some(id)));
    if let Some(twin) = twin {
        found.lacks(Item::Identity, format!("an identity of its own: {} also has id {id}", twin.pod));
    }
}

/// Returns how many timelines it should have: as many as the others, if all of them report it, and as before otherwise.
fn number(
    then: Option<&SafekeeperFacts>,
    facts: &SafekeeperFacts,
    others: &[&Reading],
    found: &mut Found,
) -> Option<u64> {
    let most = most_timelines(others);
    let all_say =
        !others.is_empty() && others.iter().all(|other| other.safekeeper().is_some_and(|it| it.1.total.is_some()));
    let before =
        then.and_then(|then| then.total.or_else(|| u64::try_from(then.timelines.len()).ok().filter(|n| *n > 0)));
    let (needed, whose) = match (most, before) {
        // A timeline that all others have lost, too, was deleted.
        (Some((most, pod)), _) if all_say => (most, format!("{pod} has {most}")),
        (Some((most, pod)), before) if before.is_none_or(|before| most > before) => (most, format!("{pod} has {most}")),
        (_, Some(before)) => (before, format!("it had {before}")),
        (_, None) => return None,
    };
    match facts.total {
        Some(has) if has < needed => {
            found.timelines = Some(Count { has, needs: needed });
            found.lacks(Item::Timelines, format!("{}: {whose}", counted(has, "timeline")));
        }
        Some(_) => {}
        None if found.beside.is_some() || then.is_some_and(|then| then.total.is_some()) => {
            found.unknown.push("it does not report how many timelines it has".to_owned());
        }
        None => {}
    }
    Some(needed)
}

/// Compares each timeline that it, or another one, has committed. Returns how many it has idle.
fn positions(
    then: Option<&SafekeeperFacts>,
    (facts, needed): (&SafekeeperFacts, Option<u64>),
    others: &[&Reading],
    found: &mut Found,
) -> u64 {
    let mut wanted: BTreeMap<&TimelineId, Furthest<'_>> = committed(others);
    for (id, wal) in then.iter().flat_map(|then| &then.timelines) {
        let Some(lsn) = wal.commit_lsn else { continue };
        // A timeline of an older baseline has no tenant.
        let same = match &id.tenant {
            Some(_) => None,
            None => wanted.keys().copied().find(|known| known.is_same(id)),
        };
        let furthest = wanted.entry(same.unwrap_or(id)).or_insert(Furthest { lsn, pod: "" });
        if lsn > furthest.lsn {
            *furthest = Furthest { lsn, pod: "" };
        }
    }
    let mut idle = facts.total.unwrap_or(0).saturating_sub(facts.timelines.len() as u64);
    for (id, Furthest { lsn: needs, pod }) in wanted {
        let whose = if pod.is_empty() { "committed before".to_owned() } else { format!("committed on {pod}") };
        let wanted = Wanted { id, needs, of: "WAL of ", whose: &whose, verb: "flushed" };
        match facts.wal(id) {
            Some(wal) => found.reaches(&wanted, wal.flush_lsn),
            // Those that list all of their timelines do not have it either: it was deleted.
            None if !others.is_empty() && others.iter().all(|other| lists_all_without(other, id)) => {}
            // With more safekeepers than a timeline has members, what others have need not be here.
            None if facts.lists_all()
                && (others.len() < MEMBERS || then.is_some_and(|then| then.wal(id).is_some())) =>
            {
                found.lacks(Item::Timeline(id.clone()), format!("{wanted}; it has none"));
            }
            // If it has as many as it should, an unlisted one is idle; unless a compute writes it.
            None if computes(others, id).is_some_and(|computes| computes > 0) && others.len() < MEMBERS => {
                found.lacks(Item::Timeline(id.clone()), format!("{wanted}; it does not participate in it yet"));
            }
            None if facts.total.is_some() && facts.total >= needed => {}
            None if facts.total.is_some() => {
                found.lacks(Item::Timeline(id.clone()), format!("{wanted}; it has none"));
            }
            None => {
                found.timelines.get_or_insert(Count { has: facts.timelines.len() as u64, needs: 0 });
                found.lacks(Item::Timeline(id.clone()), format!("{wanted}; it has none"));
            }
        }
    }
    // Without the total, only the listed ones count.
    if let (None, Some(count)) = (facts.total, &mut found.timelines) {
        let short = found.short.iter().filter(|short| matches!(short.item, Item::Timeline(_))).count() as u64;
        count.needs = count.has.saturating_add(short.saturating_sub(found.behind.len() as u64));
    }
    for (id, (highest, pod)) in terms(others) {
        match facts.wal(id).map(|wal| wal.term) {
            Some(Some(term)) if term < highest => {
                let line =
                    format!("the vote in term {highest} of timeline {id}, which {pod} has; its last term is {term}");
                found.lacks(Item::Timeline(id.clone()), line);
            }
            Some(None) => found.unknown.push(format!("it does not report its term of timeline {id}")),
            Some(Some(_)) | None => {}
        }
    }
    if facts.total.is_none() {
        idle = 0;
    }
    idle
}

fn lists_all_without(reading: &Reading, id: &TimelineId) -> bool {
    reading.safekeeper().is_some_and(|(_, facts)| facts.lists_all() && facts.wal(id).is_none())
}

fn left_out(then: Option<&SafekeeperFacts>, facts: &SafekeeperFacts, found: &mut Found) {
    let left_out = facts.left_out.max(then.map_or(0, |then| then.left_out));
    if left_out > 0 {
        found.unknown.push(format!("{} were not checked: too many", counted(left_out, "timeline")));
    }
}

/// Formats `WAL of 2 timelines`, `WAL of 1 timeline, 2 more idle`, `3 timelines, all idle`.
pub(crate) fn there(facts: &SafekeeperFacts, idle: u64) -> String {
    let listed = facts.timelines.len() as u64;
    match (listed, idle) {
        (0, 1..) => format!("{}, all idle", counted(idle, "timeline")),
        (_, 0) => format!("WAL of {}", counted(listed, "timeline")),
        _ => format!("WAL of {}, {idle} more idle", counted(listed, "timeline")),
    }
}

/// Returns the others that can be compared with.
fn beside(others: &[&Reading]) -> Option<String> {
    let names: Vec<&str> =
        others.iter().filter(|other| other.safekeeper().is_some()).map(|other| other.pod.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Returns why its metrics are missing, for the end of a sentence.
pub(super) fn unread(after: &PageFacts) -> String {
    match &after.unread {
        _ if after.metrics.is_some() => "its metrics belong to another component".to_owned(),
        Some(why) => format!("its metrics could not be read: {why}"),
        None => "it serves no metrics".to_owned(),
    }
}

/// Returns why nothing could be compared.
fn nothing(before: Option<&PageFacts>, others: &[&Reading]) -> String {
    let before = match before {
        None => "there is no baseline".to_owned(),
        Some(PageFacts { metrics: None, unread: Some(why), .. }) => {
            format!("its metrics could not be read before: {why}")
        }
        Some(PageFacts { metrics: None, .. }) => "its status endpoint served no metrics before".to_owned(),
        Some(_) => "its metrics named no timeline before".to_owned(),
    };
    match others.iter().find_map(|other| Some((other, other.unread()?))) {
        Some((other, why)) => format!("{before}, and {} reports nothing: {why}", other.pod),
        None if others.is_empty() => format!("{before}, and there is no other safekeeper"),
        None => format!("{before}, and the other safekeepers report no timeline"),
    }
}

#[cfg(test)]
#[path = "safekeeper_tests.rs"]
mod tests;
