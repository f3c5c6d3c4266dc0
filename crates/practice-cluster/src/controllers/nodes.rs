//! Nodes: what they report about themselves, and what becomes of them and their pods when they stop answering.

use super::Context;
use super::events::{EventType, Source};
use crate::objects::{is_ready, key, name, now};
use crate::store::{Key, Preconditions};
use crate::values::{items_at, text_at};
use serde_json::{Value, json};

const SOURCE: Source<'static> = Source::of("node-controller");
/// The kubelet's version, which is the API server's.
const KUBELET_VERSION: &str = "v1.37.0";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const READY: (&str, &str) = ("KubeletReady", "kubelet is posting ready status");

/// What a kubelet reports for pressure conditions: type, reason and message while all is well.
const PRESSURES: [(&str, &str, &str); 3] = [
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
];

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastHeartbeatTime": now(), "lastTransitionTime": now(),
    })
}

/// Conditions of a node that is well.
fn healthy() -> Value {
    let pressures = PRESSURES.iter().map(|(kind, reason, message)| condition(kind, "False", reason, message));
    pressures.chain([condition("Ready", "True", READY.0, READY.1)]).collect()
}

/// Completes a node of a manifest with what its kubelet would report, and gives it its lease.
pub(crate) fn register(context: &Context, node: &mut Value) {
    let own = name(node).to_owned();
    let resources = json!({"cpu": "8", "memory": "32Gi", "ephemeral-storage": "200Gi", "pods": "110"});
    let status = &mut node["status"];
    status["capacity"] = resources.clone();
    status["allocatable"] = resources;
    status["conditions"] = healthy();
    status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": 10250}});
    status["nodeInfo"] = json!({
        "architecture": "amd64", "operatingSystem": "linux", "osImage": "kubectl-synxdb sandbox",
        "kernelVersion": "6.1.0", "containerRuntimeVersion": "sandbox://1", "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": KUBELET_VERSION, "machineID": own.as_str(), "systemUUID": own.as_str(), "bootID": own.as_str(),
    });
    let at = moment();
    let lease = json!({"spec": {"holderIdentity": own.as_str(), "leaseDurationSeconds": 40, "renewTime": at}});
    // Of the same name already: a manifest brought it.
    let _ = context.store.create(Key::new("leases", "kube-node-lease", own), lease, false);
}

/// How often a kubelet renews its Lease: four times in the 40 seconds that it is valid for.
pub(crate) const RENEWAL: std::time::Duration = std::time::Duration::from_secs(10);

/// Renews the Leases of all nodes that answer.
pub(crate) fn renew(context: &Context, answers: impl Fn(&str) -> bool) {
    for lease in context.store.list("leases", Some("kube-node-lease")).0 {
        if !answers(name(&lease)) {
            continue;
        }
        // Its node is gone by now: nothing to renew.
        let _ = context.store.update(&key("leases", &lease), &Preconditions::default(), false, |lease| {
            lease["spec"]["renewTime"] = json!(moment());
            Ok(())
        });
    }
}

/// Now, to the microsecond.
fn moment() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// What the node controller does when a node stopped answering: its conditions become Unknown, it is tainted, and its
/// pods are no longer Ready. They stay as they are otherwise, also when they are deleted.
pub(crate) fn mark_lost(context: &Context, node: &str) {
    let key_of_node = Key::new("nodes", "", node);
    let lost = context.store.update(&key_of_node, &Preconditions::default(), false, |node| {
        let message = "Kubelet stopped posting node status.";
        let kinds = PRESSURES.iter().map(|(kind, ..)| *kind).chain(["Ready"]);
        let conditions: Vec<Value> =
            kinds.map(|kind| condition(kind, "Unknown", "NodeStatusUnknown", message)).collect();
        node["status"]["conditions"] = json!(conditions);
        for effect in ["NoSchedule", "NoExecute"] {
            add_taint(node, json!({"key": UNREACHABLE, "effect": effect, "timeAdded": now()}));
        }
        Ok(())
    });
    let Ok(lost) = lost else { return };
    let message = format!("Node {node} status is now: NodeNotReady");
    context.events.record(&lost, EventType::Normal, SOURCE, "NodeNotReady", &message);
    for pod in context.store.list("pods", None).0 {
        if text_at(&pod, "/spec/nodeName") != node || !is_ready(&pod) {
            continue;
        }
        // Gone by now: nothing to mark.
        let _ = context.store.update(&key("pods", &pod), &Preconditions::default(), false, |pod| {
            for condition in pod["status"]["conditions"].as_array_mut().into_iter().flatten() {
                if condition["type"] == "Ready" {
                    condition["status"] = json!("False");
                    condition["lastTransitionTime"] = json!(now());
                }
            }
            Ok(())
        });
        context.events.record(&pod, EventType::Warning, SOURCE, "NodeNotReady", "Node is not ready");
    }
}

/// What a node's kubelet reports when its machine is back, and what the node controller then takes away.
pub(crate) fn mark_returned(context: &Context, node: &str) {
    let key_of_node = Key::new("nodes", "", node);
    let boot = uuid::Uuid::new_v4().to_string();
    let back = context.store.update(&key_of_node, &Preconditions::default(), false, |node| {
        node["status"]["conditions"] = healthy();
        node["status"]["nodeInfo"]["bootID"] = json!(boot);
        drop_taints(node, UNREACHABLE);
        Ok(())
    });
    let Ok(back) = back else { return };
    let kubelet = Source { component: "kubelet", host: node };
    for (kind, reason, message) in [
        (EventType::Normal, "Starting", "Starting kubelet.".to_owned()),
        (EventType::Warning, "Rebooted", format!("Node {node} has been rebooted, boot id: {boot}")),
        (EventType::Normal, "NodeReady", format!("Node {node} status is now: NodeReady")),
    ] {
        context.events.record(&back, kind, kubelet, reason, &message);
    }
}

/// Adds a taint to a node, unless it has it.
pub(crate) fn add_taint(node: &mut Value, taint: Value) {
    let same = |other: &Value| other["key"] == taint["key"] && other["effect"] == taint["effect"];
    if !items_at(node, "/spec/taints").iter().any(same) {
        let taints = items_at(node, "/spec/taints").iter().cloned().chain([taint]);
        node["spec"]["taints"] = taints.collect();
    }
}

/// Takes the taints of that key from a node.
pub(crate) fn drop_taints(node: &mut Value, key: &str) {
    let left: Vec<Value> = items_at(node, "/spec/taints").iter().filter(|taint| taint["key"] != key).cloned().collect();
    if let Some(spec) = node["spec"].as_object_mut() {
        if left.is_empty() {
            spec.shift_remove("taints");
        } else {
            spec.insert("taints".to_owned(), json!(left));
        }
    }
}
