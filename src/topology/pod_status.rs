//! A pod's state in kubectl's words, by the rules of `kubectl get pods`' STATUS column (Kubernetes' `printPod`), so
//! that both tools agree.

use crate::cluster::cut;
use crate::text;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Returns the STATUS column of `kubectl get pods` for this pod.
pub(crate) fn status(pod: &Pod) -> String {
    let empty = Vec::new();
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.clone()).unwrap_or_else(|| "Unknown".into());
    let reason = status.and_then(|s| s.reason.clone()).filter(|reason| !reason.is_empty());
    let init = status.and_then(|s| s.init_container_statuses.as_ref()).unwrap_or(&empty);
    let containers = status.and_then(|s| s.container_statuses.as_ref()).unwrap_or(&empty);

    let mut word = reason.clone().unwrap_or_else(|| phase.clone());
    let scheduling_gated = condition(pod, "PodScheduled").is_some_and(|c| c.1 == Some("SchedulingGated"));
    if scheduling_gated {
        word = "SchedulingGated".into();
    }
    let initializing = init_word(pod, init);
    if let Some(init_word) = &initializing {
        word.clone_from(init_word);
    } else {
        let mut running = false;
        for container in containers.iter().rev() {
            match container_word(container.state.as_ref()) {
                Some(container_word) => word = container_word,
                None => running |= container.ready && is_running(container),
            }
        }
        if word == "Completed" && running {
            let ready = condition(pod, "Ready").is_some_and(|c| c.0 == "True");
            word = if ready { "Running".into() } else { "NotReady".into() };
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if reason.as_deref() == Some("NodeLost") {
            return "Unknown".into();
        }
        if !matches!(phase.as_str(), "Succeeded" | "Failed") {
            return "Terminating".into();
        }
    }
    word
}

/// Returns why a pod is not Ready: what a container waits for, why it ended, or the condition that is not met. `None`
/// for a Ready pod, and if the pod tells nothing.
pub(crate) fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if condition(pod, "Ready").is_some_and(|c| c.0 == "True") {
        return None;
    }
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    for container in containers {
        let Some(state) = &container.state else { continue };
        if let Some(waiting) = &state.waiting {
            let reason = waiting.reason.as_deref().unwrap_or("Waiting");
            // These two are part of a normal start.
            if matches!(reason, "ContainerCreating" | "PodInitializing") {
                continue;
            }
            let before = container
                .last_state
                .as_ref()
                .and_then(|last| last.terminated.as_ref())
                .map(|ended| format!(" (it ended with exit code {})", ended.exit_code))
                .unwrap_or_default();
            return Some(match waiting.message.as_deref() {
                Some(message) => format!("container {} is in {reason}: {}{before}", container.name, one_line(message)),
                None => format!("container {} is in {reason}{before}", container.name),
            });
        }
        if let Some(ended) = state.terminated.as_ref().filter(|ended| ended.exit_code != 0) {
            let reason = ended.reason.as_deref().unwrap_or("Error");
            return Some(format!("container {} ended with exit code {} ({reason})", container.name, ended.exit_code));
        }
    }
    for name in ["PodScheduled", "Initialized", "ContainersReady", "Ready"] {
        if let Some((value, reason, message)) = condition(pod, name)
            && value != "True"
        {
            let what = if (name, value) == ("Ready", "False") {
                "not Ready".to_owned()
            } else {
                format!("condition {name} is {value}")
            };
            return match (reason, message) {
                (_, Some(message)) if !message.is_empty() => Some(without_preemption(&one_line(message)).to_owned()),
                (Some(reason), _) => Some(format!("{what} ({reason})")),
                _ => Some(what),
            };
        }
    }
    status.message.as_deref().map(one_line)
}

/// Returns value, reason and message of a condition.
pub(crate) fn condition<'p>(pod: &'p Pod, name: &str) -> Option<(&'p str, Option<&'p str>, Option<&'p str>)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == name)?;
    Some((found.status.as_str(), found.reason.as_deref(), found.message.as_deref()))
}

/// Returns when a condition last changed, by its writer's clock.
pub(crate) fn condition_since(pod: &Pod, name: &str) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == name)?;
    found.last_transition_time.as_ref().map(|time| time.0)
}

/// Returns finalizers that none of Kubernetes' own controllers removes.
pub(crate) fn foreign_finalizers(metadata: &ObjectMeta) -> Vec<String> {
    let own = |name: &str| {
        let domain = name.split_once('/').map(|(domain, _)| domain);
        let of = |domain: &str, parent: &str| {
            domain.strip_suffix(parent).is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        matches!(name, "foregroundDeletion" | "orphan")
            || domain.is_some_and(|domain| of(domain, "kubernetes.io") || of(domain, "k8s.io"))
    };
    metadata.finalizers.iter().flatten().filter(|name| !own(name)).cloned().collect()
}

/// Returns a server's text on one line, without control characters and with a limit: it may come from anywhere.
pub(crate) fn one_line(text: &str) -> String {
    cut(text::one_line(&text.replace(char::is_control, " ")).trim_end_matches('.'))
}

/// Returns a scheduler's reason without its part about preemption, which explains nothing to a reader.
pub(crate) fn without_preemption(text: &str) -> &str {
    let at = [" preemption: ", " no new claims to deallocate"].into_iter().filter_map(|word| text.find(word)).min();
    at.map_or(text, |at| text[..at].trim_end_matches(['.', ',', ' ']))
}

fn is_running(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.running.is_some())
}

fn container_word(state: Option<&ContainerState>) -> Option<String> {
    let state = state?;
    if let Some(reason) = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone()).filter(|r| !r.is_empty()) {
        return Some(reason);
    }
    let ended = state.terminated.as_ref()?;
    Some(match ended.reason.as_deref().filter(|reason| !reason.is_empty()) {
        Some(reason) => reason.to_owned(),
        None => match ended.signal {
            Some(signal) if signal != 0 => format!("Signal:{signal}"),
            _ => format!("ExitCode:{}", ended.exit_code),
        },
    })
}

/// Returns `Init:…` until the init containers are done; a restartable one (sidecar) is done once started.
fn init_word(pod: &Pod, statuses: &[ContainerStatus]) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let sidecar = |name: &str| init.iter().any(|c| c.name == name && c.restart_policy.as_deref() == Some("Always"));
    for (index, container) in statuses.iter().enumerate() {
        let state = container.state.as_ref();
        let ended = state.and_then(|state| state.terminated.as_ref());
        if ended.is_some_and(|ended| ended.exit_code == 0) {
            continue;
        }
        if sidecar(&container.name) && container.started == Some(true) {
            continue;
        }
        if ended.is_some() {
            return container_word(state).map(|word| format!("Init:{word}"));
        }
        let waiting = state.and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.as_deref());
        return Some(match waiting {
            Some(reason) if !reason.is_empty() && reason != "PodInitializing" => format!("Init:{reason}"),
            _ => format!("Init:{index}/{}", init.len()),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(yaml: &str) -> Pod {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn status_is_what_kubectl_prints() {
        for (yaml, expected) in [
            ("status: {phase: Pending}", "Pending"),
            (
                "status: {phase: Running, containerStatuses: [{name: a, image: i, imageID: '', ready: true, restartCount: 0, state: {running: {}}}]}",
                "Running",
            ),
            (
                "status: {phase: Pending, containerStatuses: [{name: a, image: i, imageID: '', ready: false, restartCount: 0, state: {waiting: {reason: ContainerCreating}}}]}",
                "ContainerCreating",
            ),
            (
                "status: {phase: Running, containerStatuses: [{name: a, image: i, imageID: '', ready: false, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}}]}",
                "CrashLoopBackOff",
            ),
            (
                "status: {phase: Failed, containerStatuses: [{name: a, image: i, imageID: '', ready: false, restartCount: 0, state: {terminated: {exitCode: 1, reason: Error}}}]}",
                "Error",
            ),
            (
                "status: {phase: Failed, containerStatuses: [{name: a, image: i, imageID: '', ready: false, restartCount: 0, state: {terminated: {exitCode: 137, signal: 9}}}]}",
                "Signal:9",
            ),
            ("{metadata: {deletionTimestamp: 2026-01-01T00:00:00Z}, status: {phase: Running}}", "Terminating"),
            (
                "{metadata: {deletionTimestamp: 2026-01-01T00:00:00Z}, status: {phase: Running, reason: NodeLost}}",
                "Unknown",
            ),
            ("status: {phase: Failed, reason: Evicted}", "Evicted"),
            (
                "{spec: {containers: [], initContainers: [{name: i}, {name: j}]}, status: {phase: Pending, initContainerStatuses: [{name: i, image: i, imageID: '', ready: true, restartCount: 0, state: {terminated: {exitCode: 0}}}, {name: j, image: i, imageID: '', ready: false, restartCount: 0, state: {waiting: {reason: PodInitializing}}}]}}",
                "Init:1/2",
            ),
        ] {
            assert_eq!(status(&pod(yaml)), expected, "{yaml}");
        }
    }

    /// A container by its name, readiness and state.
    fn container(name: &str, ready: bool, state: serde_json::Value) -> serde_json::Value {
        serde_json::json!({"name": name, "image": "", "imageID": "", "ready": ready, "restartCount": 0, "state": state})
    }

    /// Of several containers a running one decides, as in `printPod`: a completed one beside it does not.
    #[test]
    fn a_pod_runs_while_one_of_its_containers_does() {
        use serde_json::json;
        let done = || container("a", false, json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
        let runs = |ready: bool| container("b", ready, json!({"running": {}}));
        let unsaid = |ready: bool| container("c", ready, json!({}));
        let killed = |signal: i32| container("d", false, json!({"terminated": {"exitCode": 3, "signal": signal}}));
        for (containers, ready, expected) in [
            (vec![done(), runs(true)], "True", "Running"),
            (vec![runs(true), done()], "True", "Running"),
            (vec![done(), runs(true)], "False", "NotReady"),
            (vec![done(), runs(false)], "True", "Completed"),
            (vec![done(), unsaid(true)], "True", "Completed"),
            (vec![done(), runs(true), runs(false)], "True", "Running"),
            (vec![done(), runs(false), runs(true)], "True", "Running"),
            (vec![done()], "True", "Completed"),
            (vec![killed(0)], "False", "ExitCode:3"),
            (vec![killed(9)], "False", "Signal:9"),
        ] {
            let pod = json!({"status": {"phase": "Running", "containerStatuses": containers,
                "conditions": [{"type": "Ready", "status": ready}]}});
            assert_eq!(status(&serde_json::from_value(pod.clone()).unwrap()), expected, "{pod}");
        }
    }

    /// `Init:` with the state of the first one that is not done; a sidecar is done once it has started.
    #[test]
    fn init_containers_are_told_until_they_are_through() {
        use serde_json::{Value, json};
        let through = || container("i", true, json!({"terminated": {"exitCode": 0}}));
        let failed = || container("i", false, json!({"terminated": {"exitCode": 1, "reason": "Error"}}));
        let waits = |reason: &str| container("i", false, json!({"waiting": {"reason": reason}}));
        let runs = |name: &str, started: bool| {
            let mut runs = container(name, true, json!({"running": {}}));
            runs["started"] = json!(started);
            runs
        };
        for (statuses, always, expected) in [
            (vec![through()], "", "Running"),
            (vec![failed()], "", "Init:Error"),
            (vec![waits("PodInitializing")], "", "Init:0/2"),
            (vec![waits("")], "", "Init:0/2"),
            (vec![waits("ErrImagePull")], "", "Init:ErrImagePull"),
            (vec![runs("i", true)], "", "Init:0/2"),
            // A sidecar, which runs beside the others from then on.
            (vec![runs("i", true)], "i", "Running"),
            (vec![runs("i", false)], "i", "Init:0/2"),
            // Another of them is the sidecar.
            (vec![runs("i", true)], "j", "Init:0/2"),
            (vec![through(), runs("j", true)], "i", "Init:1/2"),
        ] {
            let init = ["i", "j"].map(|name| {
                let policy = if name == always { json!("Always") } else { Value::Null };
                json!({"name": name, "restartPolicy": policy})
            });
            let main = container("main", true, json!({"running": {}}));
            let pod = json!({"spec": {"containers": [], "initContainers": init},
                "status": {"phase": "Running", "initContainerStatuses": statuses, "containerStatuses": [main]}});
            assert_eq!(status(&serde_json::from_value(pod.clone()).unwrap()), expected, "{pod}");
        }
    }

    /// How a container ended that now waits to be restarted, and a condition with an empty message.
    #[test]
    fn trouble_is_told_by_the_last_end_and_never_by_nothing() {
        use serde_json::json;
        let mut looping = container("pg", false, json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        looping["lastState"] = json!({"terminated": {"exitCode": 137}});
        let ended = |code: i32| container("pg", false, json!({"terminated": {"exitCode": code}}));
        let condition =
            |message: &str| json!([{"type": "Ready", "status": "False", "reason": "PodCompleted", "message": message}]);
        for (containers, conditions, expected) in [
            (vec![looping], json!([]), "container pg is in CrashLoopBackOff (it ended with exit code 137)"),
            (vec![ended(1)], json!([]), "container pg ended with exit code 1 (Error)"),
            (vec![ended(0)], condition(""), "not Ready (PodCompleted)"),
            (vec![], condition("it is over"), "it is over"),
        ] {
            let pod =
                json!({"status": {"phase": "Running", "containerStatuses": containers, "conditions": conditions}});
            assert_eq!(trouble(&serde_json::from_value(pod.clone()).unwrap()).as_deref(), Some(expected), "{pod}");
        }
    }

    #[test]
    fn trouble_names_what_the_pod_waits_for() {
        for (yaml, expected) in [
            ("status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}", None),
            (
                "status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: \"0/2 nodes are available:\\n persistentvolumeclaim \\\"data-wh9527-0\\\" not found.\"}]}",
                Some("0/2 nodes are available: persistentvolumeclaim \"data-wh9527-0\" not found"),
            ),
            (
                "status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: \"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.\"}]}",
                Some("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"),
            ),
            (
                "status: {phase: Pending, containerStatuses: [{name: pg, image: i, imageID: '', ready: false, restartCount: 0, state: {waiting: {reason: ImagePullBackOff, message: no such image}}}]}",
                Some("container pg is in ImagePullBackOff: no such image"),
            ),
            (
                "status: {phase: Running, conditions: [{type: Ready, status: 'False', reason: ContainersNotReady, message: 'containers with unready status: [pg]'}]}",
                Some("containers with unready status: [pg]"),
            ),
            (
                "status: {phase: Running, conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown}]}",
                Some("condition Ready is Unknown (NodeStatusUnknown)"),
            ),
        ] {
            assert_eq!(trouble(&pod(yaml)).as_deref(), expected, "{yaml}");
        }
    }

    #[test]
    fn finalizers_of_others_are_told_apart() {
        let names = [
            "kubernetes.io/pvc-protection",
            "external-attacher/csi",
            "snapshot.storage.kubernetes.io/pvc-as-source-protection",
            "service.k8s.io/cleanup",
            "batch.notkubernetes.io/x",
            "foregroundDeletion",
            "orphan",
            "backup.example.com/hold",
            "hold",
        ];
        let metadata = ObjectMeta { finalizers: Some(names.map(str::to_owned).to_vec()), ..ObjectMeta::default() };
        let foreign = ["external-attacher/csi", "batch.notkubernetes.io/x", "backup.example.com/hold", "hold"];
        assert_eq!(foreign_finalizers(&metadata), foreign);
    }

    #[test]
    fn a_servers_text_becomes_one_harmless_line() {
        let long = one_line(&"word ".repeat(1 << 16));
        assert!(long.ends_with("… (first 1000 of 327679 characters)"), "{long}");
        assert_eq!(one_line("a\n b\u{1b}[31m\tc.\r\n"), "a b [31m c");
    }
}
