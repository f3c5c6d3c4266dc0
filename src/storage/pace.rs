//! Measures how fast a component catches up. The caller counts times from any moment of its choice.

use super::found::{Count, Found};
use super::words::rate;
use crate::duration::format_seconds;
use crate::text::{counted, first_few};
use std::time::Duration;

/// What was observed of a component that catches up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    first: Option<Duration>,
    last: Option<Found>,
    progressed: Option<Duration>,
    moved: bool,
    fetched: u64,
}

impl Pace {
    /// Records what was found at `at`.
    pub(crate) fn observe(&mut self, found: &Found, at: Duration) {
        self.first.get_or_insert(at);
        let fetched = self.last.as_ref().map_or(0, |last| fetched(last, found));
        let moved = self.last.as_ref().is_some_and(|last| {
            fetched > 0
                || came(last.timelines, found.timelines)
                || came(last.tenants, found.tenants)
                || found.short.len() < last.short.len()
        });
        self.fetched = self.fetched.saturating_add(fetched);
        if moved || self.progressed.is_none() {
            self.progressed = Some(at);
        }
        self.moved |= moved;
        self.last = Some(found.clone());
    }

    /// Returns how long nothing has arrived: since the first response, or since the last progress.
    pub(crate) fn still_for(&self, at: Duration) -> Duration {
        at.saturating_sub(self.progressed.unwrap_or(at))
    }

    /// Returns whether any progress was observed.
    pub(crate) fn moved(&self) -> bool {
        self.moved
    }

    /// Returns what is left, and how long it will take at the current rate: `5,308,416 bytes of 1 timeline left (1.4
    /// MB/s, about 4 s)`, `1 of 3 timelines`.
    pub(crate) fn words(&self, at: Duration) -> String {
        let Some(found) = &self.last else { return "no response yet".to_owned() };
        let left = found.left();
        let of = |count: Option<Count>, thing: &str| {
            count.map(|Count { has, needs }| format!("{has} of {} present", counted(needs, thing)))
        };
        let counts: Vec<String> =
            [of(found.tenants, "tenant"), of(found.timelines, "timeline")].into_iter().flatten().collect();
        let mut text = if left.is_nothing() {
            first_few(&found.short.iter().map(|short| short.line.clone()).collect::<Vec<_>>())
        } else {
            format!("{} left", left.words())
        };
        let spent = at.saturating_sub(self.first.unwrap_or(at)).as_secs_f64();
        let pace = if spent > 0.0 { self.fetched as f64 / spent } else { 0.0 };
        let mut more = counts;
        if pace >= 1.0 {
            more.push(rate(pace as u64));
            if left.bytes > 0 {
                more.push(format!("about {}", format_seconds((left.bytes as f64 / pace).ceil() as i64)));
            }
        }
        if !more.is_empty() {
            text.push_str(&format!(" ({})", more.join(", ")));
        }
        text
    }
}

/// Returns the bytes of WAL that arrived since: of timelines that lacked some, not of those that a compute still
/// writes.
fn fetched(before: &Found, now: &Found) -> u64 {
    let of_one = |(id, then): (&super::TimelineId, &super::found::Reach)| match now.behind.get(id) {
        Some(now) => now.has.saturating_sub(then.has),
        // It is level, or it is gone; then it is counted among the missing ones.
        None if came_less(before.timelines, now.timelines) => 0,
        None => then.needs.saturating_sub(then.has),
    };
    before.behind.iter().map(of_one).sum()
}

/// Returns whether more are present than before; that none is missing any more is progress, too.
fn came(before: Option<Count>, now: Option<Count>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => now.has > before.has,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn came_less(before: Option<Count>, now: Option<Count>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => now.has < before.has,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::TimelineId;
    use crate::storage::found::{Item, Reach};

    fn behind(has: u64) -> Found {
        let id = TimelineId::new("aa", "11");
        let mut found = Found { behind: [(id.clone(), Reach { has, needs: 100 })].into(), ..Found::default() };
        found.lacks(Item::Timeline(id), "WAL");
        found
    }

    fn counts(timelines: u64) -> Found {
        let mut found = Found { timelines: Some(Count { has: timelines, needs: 3 }), ..Found::default() };
        found.lacks(Item::Timelines, "timelines");
        found
    }

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// What was observed at each second, and how long nothing had arrived by the last one.
    fn still(seen: &[(u64, Found)]) -> (u64, bool) {
        let mut pace = Pace::default();
        for (at, found) in seen {
            pace.observe(found, second(*at));
        }
        (pace.still_for(second(seen.last().unwrap().0)).as_secs(), pace.moved())
    }

    #[test]
    fn progress_is_what_was_lacking_and_comes() {
        for (seen, expected) in [
            (vec![(0, behind(10))], (0, false)),
            (vec![(0, behind(10)), (9, behind(10))], (9, false)),
            (vec![(0, behind(10)), (9, behind(11))], (0, true)),
            (vec![(0, behind(10)), (4, behind(11)), (9, behind(11))], (5, true)),
            // Less than before is not progress.
            (vec![(0, behind(10)), (9, behind(9))], (9, false)),
            (vec![(0, counts(0)), (9, counts(0))], (9, false)),
            (vec![(0, counts(0)), (9, counts(1))], (0, true)),
            (vec![(0, counts(1)), (9, counts(0))], (9, false)),
            // A timeline that is level no longer lacks anything.
            (vec![(0, behind(10)), (9, Found::default())], (0, true)),
        ] {
            assert_eq!(still(&seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn what_is_left_is_told_with_the_rate_and_the_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.words(second(0)), "no response yet");
        pace.observe(&behind(10), second(1));
        assert_eq!(pace.words(second(1)), "90 bytes of 1 timeline left");
        pace.observe(&behind(40), second(4));
        assert_eq!(pace.words(second(4)), "60 bytes of 1 timeline left (10 B/s, about 6 s)");
        let mut pace = Pace::default();
        pace.observe(&counts(1), second(1));
        assert_eq!(pace.words(second(1)), "2 timelines left (1 of 3 timelines present)");
        let mut found = Found::default();
        found.lacks(Item::Identity, "its id is 2, and was 1");
        let mut pace = Pace::default();
        pace.observe(&found, second(1));
        assert_eq!(pace.words(second(1)), "its id is 2, and was 1");
    }
}
