//! A pod's status, as its kubelet writes it: phase, conditions and container statuses from what its containers do.
//!
//! Pure. Only what `kubectl get pods`, `describe` and `wait` read is there; all containers of a pod share one state.

use crate::objects::{now, set_condition};
use crate::values::{items_at, text_at};
use serde_json::{Value, json};

/// Exit code of a container whose end was not observed.
pub(crate) const LOST: i32 = 255;

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    /// Exit code.
    pub(crate) code: i32,
    /// When it had started, RFC 3339.
    pub(crate) started: String,
    /// When it ended.
    pub(crate) finished: String,
    /// What identified it.
    pub(crate) id: String,
}

/// What the containers are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not started, or waiting to be started again: reason and message.
    Waiting(&'static str, String),
    /// Running since, and whether the readiness probe passes.
    Running {
        /// When it started.
        started: String,
        /// Whether it is ready.
        ready: bool,
        /// What identifies it.
        id: String,
    },
    /// Ended for good.
    Ended(Exit),
}

/// Everything that determines a pod's status.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// What the containers are doing.
    pub(crate) state: State,
    /// How they ended before that.
    pub(crate) last: Option<Exit>,
    /// How often they were started again.
    pub(crate) restarts: u32,
    /// The pod's address, once it has one.
    pub(crate) pod_ip: String,
    /// Its node's address.
    pub(crate) host_ip: String,
}

impl Exit {
    fn state(&self) -> Value {
        let reason = match self.code {
            0 => "Completed",
            LOST => "Unknown",
            _ => "Error",
        };
        json!({"terminated": {
            "exitCode": self.code, "reason": reason,
            "startedAt": self.started, "finishedAt": self.finished, "containerID": self.id,
        }})
    }
}

impl View {
    fn phase(&self) -> &'static str {
        match &self.state {
            State::Waiting(..) if self.last.is_none() => "Pending",
            State::Waiting(..) | State::Running { .. } => "Running",
            State::Ended(exit) if exit.code == 0 => "Succeeded",
            State::Ended(_) => "Failed",
        }
    }

    fn containers(&self, pod: &Value) -> Value {
        let (state, ready, started, id) = match &self.state {
            State::Waiting(reason, message) => {
                let mut waiting = json!({"reason": reason});
                if !message.is_empty() {
                    waiting["message"] = json!(message);
                }
                let id = self.last.as_ref().map_or("", |last| last.id.as_str());
                (json!({"waiting": waiting}), false, false, id)
            }
            State::Running { started, ready, id } => {
                (json!({"running": {"startedAt": started}}), *ready, true, id.as_str())
            }
            State::Ended(exit) => (exit.state(), false, false, exit.id.as_str()),
        };
        let last = self.last.as_ref().map_or_else(|| json!({}), Exit::state);
        let status = |container: &Value| {
            let image = text_at(container, "/image");
            let mut status = json!({
                "name": container["name"], "image": image, "imageID": "", "state": state, "lastState": last,
                "ready": ready, "started": started, "restartCount": self.restarts,
            });
            if !id.is_empty() {
                status["containerID"] = json!(id);
                status["imageID"] = json!(format!("sandbox://{image}"));
            }
            status
        };
        items_at(pod, "/spec/containers").iter().map(status).collect()
    }

    /// Writes the status into a pod.
    pub(crate) fn write(&self, pod: &mut Value) {
        let names: Vec<&str> =
            items_at(pod, "/spec/containers").iter().map(|container| text_at(container, "/name")).collect();
        let unready = format!("containers with unready status: [{}]", names.join(" "));
        let containers = self.containers(pod);
        let ready = matches!(self.state, State::Running { ready: true, .. });
        let (reason, message) = match &self.state {
            _ if ready => ("", ""),
            State::Ended(exit) if exit.code == 0 => ("PodCompleted", ""),
            State::Ended(_) => ("PodFailed", ""),
            _ => ("ContainersNotReady", unready.as_str()),
        };
        let sandboxed = !self.pod_ip.is_empty() && !matches!(self.state, State::Ended(_));
        let truth = |yes: bool| if yes { "True" } else { "False" };
        set_condition(pod, "PodReadyToStartContainers", truth(sandboxed), "", "");
        let finished = matches!(&self.state, State::Ended(exit) if exit.code == 0);
        set_condition(pod, "Initialized", "True", if finished { "PodCompleted" } else { "" }, "");
        set_condition(pod, "Ready", truth(ready), reason, message);
        set_condition(pod, "ContainersReady", truth(ready), reason, message);
        set_condition(pod, "PodScheduled", "True", "", "");
        let status = &mut pod["status"];
        status["phase"] = json!(self.phase());
        status["hostIP"] = json!(self.host_ip);
        status["hostIPs"] = json!([{"ip": self.host_ip}]);
        if !self.pod_ip.is_empty() {
            status["podIP"] = json!(self.pod_ip);
            status["podIPs"] = json!([{"ip": self.pod_ip}]);
        }
        if !status["startTime"].is_string() {
            status["startTime"] = json!(now());
        }
        status["containerStatuses"] = containers;
    }
}

/// A new container's id.
pub(crate) fn container_id() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    format!("sandbox://{}{}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{has_condition, is_ready};

    fn pod() -> Value {
        json!({"spec": {"containers": [{"name": "postgres", "image": "i:1"}]}})
    }

    fn view(state: State) -> View {
        View { state, last: None, restarts: 0, pod_ip: "10.0.0.1".into(), host_ip: "172.18.0.2".into() }
    }

    fn exit(code: i32) -> Exit {
        Exit { code, started: "s".into(), finished: "f".into(), id: "sandbox://1".into() }
    }

    #[test]
    fn running_is_not_ready() {
        let mut pod = pod();
        view(State::Waiting("ContainerCreating", String::new())).write(&mut pod);
        assert_eq!(pod["status"]["phase"], "Pending");
        view(State::Running { started: "s".into(), ready: false, id: "x".into() }).write(&mut pod);
        assert_eq!(pod["status"]["phase"], "Running");
        assert!(!is_ready(&pod) && has_condition(&pod, "PodScheduled"));
        view(State::Running { started: "s".into(), ready: true, id: "x".into() }).write(&mut pod);
        assert!(is_ready(&pod) && has_condition(&pod, "ContainersReady"));
        assert_eq!(pod["status"]["containerStatuses"][0]["ready"], true);
    }

    #[test]
    fn a_container_that_waits_to_be_restarted_does_not_make_the_pod_pending() {
        let mut pod = pod();
        let view = View { last: Some(exit(1)), restarts: 3, ..view(State::Waiting("CrashLoopBackOff", "m".into())) };
        view.write(&mut pod);
        assert_eq!(pod["status"]["phase"], "Running");
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!(status["restartCount"], 3);
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
        assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
    }

    #[test]
    fn an_ended_pod_says_how() {
        for (code, phase, reason) in [(0, "Succeeded", "PodCompleted"), (137, "Failed", "PodFailed")] {
            let mut pod = pod();
            view(State::Ended(exit(code))).write(&mut pod);
            assert_eq!(pod["status"]["phase"], phase);
            let ready = items_at(&pod, "/status/conditions").iter().find(|c| c["type"] == "Ready").unwrap();
            assert_eq!((ready["status"].as_str(), ready["reason"].as_str()), (Some("False"), Some(reason)));
        }
    }
}
