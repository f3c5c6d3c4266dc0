//! Tracks whether the new pod stays: one that is Ready for a few seconds and then crashes, again and again, is not
//! recovered. Pure; the times are this machine's, counted from when a state was seen: the server's clock is not
//! compared with it.

use crate::duration::after;
use crate::topology::PodFacts;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// One uninterrupted period of being Ready. Two observations belong to the same period only if nothing changed: the pod
/// may have been unready in between, unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spell {
    uid: String,
    restarts: i32,
    /// The Ready condition's `lastTransitionTime`, compared only with itself.
    since: Option<jiff::Timestamp>,
}

/// What was observed of the new pod so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settling {
    spell: Option<(Spell, Instant)>,
    /// By the pod's UID: a new pod may itself be replaced.
    restarts: BTreeMap<String, i32>,
    /// How a container that was restarted ended last.
    last_end: Option<String>,
}

impl Settling {
    /// Records the current state of the new pod; `None` if there is none.
    pub(crate) fn observe(&mut self, pod: Option<&PodFacts>, now: Instant) {
        if let Some(pod) = pod {
            self.restarts.insert(pod.uid.clone(), pod.restarts);
            if pod.restarts > 0 && pod.readiness.last_end.is_some() {
                self.last_end.clone_from(&pod.readiness.last_end);
            }
        }
        let ready = pod.filter(|pod| pod.ready && pod.terminating.is_none());
        let spell = ready.map(|pod| Spell { uid: pod.uid.clone(), restarts: pod.restarts, since: pod.readiness.since });
        let same = |known: &(Spell, Instant)| Some(&known.0) == spell.as_ref();
        if !self.spell.as_ref().is_some_and(same) {
            self.spell = spell.map(|spell| (spell, now));
        }
    }

    /// Returns how long the pod has been Ready without interruption, as far as observed; `None` while it is not.
    pub(crate) fn ready_for(&self, now: Instant) -> Option<Duration> {
        self.spell.as_ref().map(|(_, since)| now.duration_since(*since))
    }

    /// Returns when it will have been Ready for that long, unless it is interrupted.
    pub(crate) fn ripe(&self, needed: Duration) -> Option<Instant> {
        self.spell.as_ref().map(|(_, since)| after(*since, needed))
    }

    /// Returns the restarts of the new pod's containers.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.values().fold(0, |all: u32, times| all.saturating_add(u32::try_from(*times).unwrap_or(0)))
    }

    /// Returns the restarts as text, with the cause of the last one: `containers restarted 2 times (container pg ended
    /// with exit code 1 (Error))`; `None` if there were none.
    pub(crate) fn restarted(&self) -> Option<String> {
        let times = self.restarts();
        let how = self.last_end.as_ref().map(|end| format!(" ({end})")).unwrap_or_default();
        match times {
            0 => None,
            1 => Some(format!("one of its containers restarted once{how}")),
            times => Some(format!("its containers restarted {times} times{how}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};

    fn pod(fields: &str) -> PodFacts {
        let yaml = format!(
            "namespace: a\npods: [{{name: wh9527-0, set: wh9527, {fields}}}]\nsets: [{{name: wh9527, replicas: 1}}]"
        );
        let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
        topology.member("a", "wh9527-0").unwrap().pod.clone().unwrap()
    }

    /// Returns the seconds that it counts as Ready at the end of these observations, each at its second.
    fn after(observed: &[(u64, Option<&str>)], at: u64) -> (Option<u64>, u32) {
        let begun = Instant::now();
        let second = |number: u64| begun + Duration::from_secs(number);
        let mut settling = Settling::default();
        for (when, fields) in observed {
            settling.observe(fields.map(pod).as_ref(), second(*when));
        }
        (settling.ready_for(second(at)).map(|time| time.as_secs()), settling.restarts())
    }

    #[test]
    fn any_interruption_begins_the_time_again() {
        let ready = "uid: n, ready: true, readySince: 10";
        let unready = "uid: n, ready: false";
        for (observed, at, expected) in [
            (vec![(0, Some(ready))], 4, (Some(4), 0)),
            (vec![(0, Some(ready)), (3, Some(ready))], 4, (Some(4), 0)),
            (vec![(0, Some(ready)), (3, Some(unready))], 4, (None, 0)),
            (vec![(0, Some(ready)), (3, None)], 4, (None, 0)),
            (vec![(0, Some(ready)), (2, Some(unready)), (3, Some(ready))], 4, (Some(1), 0)),
            // It was unready or restarted in between, unseen.
            (vec![(0, Some(ready)), (3, Some("uid: n, ready: true, readySince: 8"))], 4, (Some(1), 0)),
            (vec![(0, Some(ready)), (3, Some("uid: n, ready: true, readySince: 10, restarts: 1"))], 4, (Some(1), 1)),
            (vec![(0, Some(ready)), (3, Some("uid: m, ready: true, readySince: 10"))], 4, (Some(1), 0)),
            (vec![(0, Some(ready)), (3, Some("uid: n, ready: true, terminating: true"))], 4, (None, 0)),
            // With two new pods, one after the other, both count.
            (
                vec![
                    (0, Some("uid: n, restarts: 2")),
                    (1, Some("uid: m, restarts: 1")),
                    (2, Some("uid: m, restarts: 3")),
                ],
                4,
                (None, 5),
            ),
        ] {
            assert_eq!(after(&observed, at), expected, "{observed:?}");
        }
    }

    #[test]
    fn restarts_are_told_with_how_the_last_one_came_about() {
        let mut settling = Settling::default();
        settling.observe(Some(&pod("uid: n, ready: true")), Instant::now());
        assert_eq!(settling.restarted(), None);
        settling.observe(Some(&pod("uid: n, restarts: 1, ended: 137")), Instant::now());
        let once = "one of its containers restarted once (container main ended with exit code 137 (Error))";
        assert_eq!(settling.restarted().as_deref(), Some(once));
        settling.observe(Some(&pod("uid: n, ready: true, restarts: 2")), Instant::now());
        let twice = "its containers restarted 2 times (container main ended with exit code 137 (Error))";
        assert_eq!(settling.restarted().as_deref(), Some(twice));
    }
}
