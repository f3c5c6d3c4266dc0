//! Pods in a table: the words that people know from `kubectl get pods`.

use super::cells::{age, name, or_none};
use super::duration;
use super::printer::Printer;
use crate::objects::is_terminating;
use crate::values::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) static PODS: Printer = Printer {
    columns: &[
        ("Name", 0),
        ("Ready", 0),
        ("Status", 0),
        ("Restarts", 0),
        ("Age", 0),
        ("IP", 1),
        ("Node", 1),
        ("Nominated Node", 1),
        ("Readiness Gates", 1),
    ],
    cells,
};

/// What the containers' statuses add up to.
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<String>,
}

fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = summarize(pod);
    let restarts = match &summary.last_restart {
        Some(at) if summary.restarts != 0 => {
            format!("{} ({} ago)", summary.restarts, duration::since(&json!(at), now))
        }
        _ => summary.restarts.to_string(),
    };
    let ip = match &pod["status"]["podIPs"][0]["ip"] {
        Value::Null => &pod["status"]["podIP"],
        ip => ip,
    };
    vec![
        name(pod),
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.reason),
        json!(restarts),
        age(pod, now),
        or_none(ip),
        or_none(&pod["spec"]["nodeName"]),
        or_none(&pod["status"]["nominatedNodeName"]),
        json!(readiness_gates(pod)),
    ]
}

/// Marks rows of finished pods.
pub(super) fn row_conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(&pod["status"]["phase"]) {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn summarize(pod: &Value) -> Summary {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let phase = text(&status["phase"]);
    let condition = |kind: &str| items(&status["conditions"]).iter().find(|c| c["type"] == kind);
    let is_true = |kind: &str| condition(kind).is_some_and(|c| c["status"] == "True");
    let init_specs = items(&spec["initContainers"]);
    // An init container that is restarted always is a sidecar.
    let sidecar = |name: &Value| init_specs.iter().any(|c| c["name"] == *name && c["restartPolicy"] == "Always");

    let mut summary = Summary {
        reason: if text(&status["reason"]).is_empty() { phase.to_owned() } else { text(&status["reason"]).to_owned() },
        ready: 0,
        total: items(&spec["containers"]).len() + init_specs.iter().filter(|c| c["restartPolicy"] == "Always").count(),
        restarts: 0,
        last_restart: None,
    };
    if condition("PodScheduled").is_some_and(|c| c["reason"] == "SchedulingGated") {
        summary.reason = "SchedulingGated".to_owned();
    }

    let mut initializing = false;
    let mut sidecars = (0, None);
    for (at, container) in items(&status["initContainerStatuses"]).iter().enumerate() {
        let is_sidecar = sidecar(&container["name"]);
        count_restarts(container, &mut summary.restarts, &mut summary.last_restart);
        if is_sidecar {
            count_restarts(container, &mut sidecars.0, &mut sidecars.1);
        }
        let (terminated, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
        if terminated.is_object() && terminated["exitCode"].as_i64().unwrap_or(0) == 0 {
            continue;
        }
        if is_sidecar && container["started"] == true {
            summary.ready += usize::from(container["ready"] == true);
            continue;
        }
        summary.reason = if terminated.is_object() {
            format!("Init:{}", terminated_reason(terminated))
        } else if !matches!(text(&waiting["reason"]), "" | "PodInitializing") {
            format!("Init:{}", text(&waiting["reason"]))
        } else {
            format!("Init:{at}/{}", init_specs.len())
        };
        initializing = true;
        break;
    }

    if !initializing || is_true("Initialized") {
        (summary.restarts, summary.last_restart) = sidecars;
        let mut running = false;
        for container in items(&status["containerStatuses"]).iter().rev() {
            count_restarts(container, &mut summary.restarts, &mut summary.last_restart);
            let state = &container["state"];
            if !text(&state["waiting"]["reason"]).is_empty() {
                text(&state["waiting"]["reason"]).clone_into(&mut summary.reason);
            } else if state["terminated"].is_object() {
                summary.reason = terminated_reason(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
                summary.ready += 1;
            }
        }
        if summary.reason == "Completed" && running {
            summary.reason = if is_true("Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }

    if is_terminating(pod) {
        if status["reason"] == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            summary.reason = "Terminating".to_owned();
        }
    }
    summary
}

fn terminated_reason(terminated: &Value) -> String {
    match (text(&terminated["reason"]), terminated["signal"].as_i64().unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn count_restarts(container: &Value, restarts: &mut i64, last: &mut Option<String>) {
    *restarts += container["restartCount"].as_i64().unwrap_or(0);
    if let Some(at) = container["lastState"]["terminated"]["finishedAt"].as_str()
        && last.as_deref().is_none_or(|last| last < at)
    {
        *last = Some(at.to_owned());
    }
}

fn readiness_gates(pod: &Value) -> String {
    let gates = items(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = items(&pod["status"]["conditions"]);
    let met = |gate: &&Value| conditions.iter().any(|c| c["type"] == gate["conditionType"] && c["status"] == "True");
    format!("{}/{}", gates.iter().filter(met).count(), gates.len())
}
