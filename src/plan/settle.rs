//! How long a new pod must stay Ready, without a restart, before it counts as recovered. Pure.

use crate::topology::{Component, PodFacts};
use std::time::Duration;

/// Periods of the readiness probe during which a pod must stay Ready.
const PROBES: u32 = 2;

/// Returns how long this pod must stay Ready: the requested time, but long enough for its readiness probe to notice a problem;
/// and in any case until Kubernetes calls it available (`minReadySeconds`). Zero turns off the first, never the second.
pub fn settle_time(asked: Duration, component: Option<&Component>, pod: Option<&PodFacts>) -> Duration {
    let seconds = |seconds: i32| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let available = component.and_then(Component::set).map_or(Duration::ZERO, |set| seconds(set.min_ready_seconds));
    if asked.is_zero() {
        return available;
    }
    let probed = pod
        .and_then(|pod| pod.readiness.period_seconds)
        .map_or(Duration::ZERO, |period| seconds(period).saturating_mul(PROBES));
    asked.max(probed).max(available)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::topology::{Layout, build};

    #[test]
    fn the_longest_of_requested_probed_and_available_counts() {
        for (asked, min_ready, period, expected) in [
            (5, 0, 1, 5),
            (5, 0, 10, 20),
            (5, 30, 10, 30),
            (60, 30, 10, 60),
            // Turned off: what Kubernetes itself asks for stays.
            (0, 0, 10, 0),
            (0, 30, 10, 30),
        ] {
            let yaml = format!(
                "namespace: a\nsets: [{{name: wh9527, replicas: 1, minReady: {min_ready}}}]\n\
                 pods: [{{name: wh9527-0, set: wh9527, ready: true, period: {period}}}]"
            );
            let topology = build(&snapshot(&[&yaml]), &Layout::shipped().unwrap());
            let member = topology.member("a", "wh9527-0").unwrap();
            let (component, pod) = (topology.component_of(member), member.pod.as_ref());
            let found = settle_time(Duration::from_secs(asked), component, pod);
            assert_eq!(found.as_secs(), expected, "{asked} {min_ready} {period}");
        }
    }
}
