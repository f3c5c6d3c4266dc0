//! How a pod became Ready, and how far that can be trusted: its condition, its probes, its restarts.

use super::pod_status::condition_since;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Default period of a readiness probe (Kubernetes), in seconds.
const DEFAULT_PERIOD: i32 = 10;

/// A pod's readiness beyond the condition itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// When its Ready condition last changed, by its writer's clock: to be compared only with itself.
    pub since: Option<Timestamp>,
    /// The longest period of its containers' readiness probes, in seconds; `None` if it has none.
    pub period_seconds: Option<i32>,
    /// How the container that was restarted last ended before.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Only an end before a restart explains a restart, and of several containers the last one.
    #[test]
    fn how_the_container_ended_that_was_restarted_last() {
        let container = |name: &str, restarts: i32, code: i32, at: &str| {
            json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": restarts,
                "lastState": {"terminated": {"exitCode": code, "finishedAt": at}}})
        };
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z");
        let first = "container main ended with exit code 137 (Error)";
        for (statuses, expected) in [
            (vec![], None),
            (vec![container("main", 1, 137, early)], Some(first)),
            (vec![container("main", 0, 137, early)], None),
            (vec![container("main", 1, 137, late), container("side", 3, 1, early)], Some(first)),
            (vec![container("side", 3, 1, early), container("main", 1, 137, late)], Some(first)),
            (vec![container("side", 0, 1, late), container("main", 1, 137, early)], Some(first)),
        ] {
            let pod: Value = json!({"status": {"containerStatuses": statuses}});
            let found = readiness(&serde_json::from_value(pod).unwrap()).last_end;
            assert_eq!(found.as_deref(), expected, "{statuses:?}");
        }
    }
}
