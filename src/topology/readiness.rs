//! How a pod came to be Ready, and for how long it may be trusted to be: its condition, its probes, its restarts.

use super::words::condition_since;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Periods of a readiness probe that does not say (Kubernetes' default), in seconds.
const DEFAULT_PERIOD: i32 = 10;

/// A pod's readiness beyond the condition itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// When its Ready condition last changed, by the clock of who wrote it: to be compared with nothing but itself.
    pub since: Option<Timestamp>,
    /// The longest period of its containers' readiness probes, in seconds; `None` where it has none.
    pub period_seconds: Option<i32>,
    /// How the container that was restarted last ended before, in words.
    pub last_end: Option<String>,
}

pub(super) fn readiness(pod: &Pod) -> Readiness {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let probes = containers.filter_map(|container| container.readiness_probe.as_ref());
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let ended = statuses
        .filter(|status| status.restart_count > 0)
        .filter_map(|status| Some((status, status.last_state.as_ref()?.terminated.as_ref()?)))
        .max_by_key(|(_, ended)| ended.finished_at.as_ref().map(|time| time.0));
    Readiness {
        since: condition_since(pod, "Ready"),
        period_seconds: probes.map(|probe| probe.period_seconds.unwrap_or(DEFAULT_PERIOD).max(1)).max(),
        last_end: ended.map(|(status, ended)| {
            let reason = ended.reason.as_deref().unwrap_or("Error");
            format!("container {} ended with exit code {} ({reason})", status.name, ended.exit_code)
        }),
    }
}
