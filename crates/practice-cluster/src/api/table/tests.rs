use super::{columns, row};
use jiff::Timestamp;
use serde_json::{Value, json};

fn cells(resource: &str, object: &Value) -> String {
    let now = "2026-01-01T00:01:00Z".parse().unwrap();
    let row = row(resource, object, now, Value::Null);
    let cells = row["cells"].as_array().unwrap();
    assert_eq!(cells.len(), columns(resource).len());
    cells.iter().map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned)).collect::<Vec<_>>().join(" | ")
}

fn pod(status: Value, more: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "c"}], "nodeName": "n1"},
        "status": status
    });
    for (key, value) in more.as_object().unwrap() {
        let target = if key == "initContainers" { &mut pod["spec"] } else { &mut pod["metadata"] };
        target[key] = value.clone();
    }
    pod
}

fn status_cells(status: Value, more: Value) -> String {
    cells("pods", &pod(status, more)).split(" | ").skip(1).take(3).collect::<Vec<_>>().join(" ")
}

#[test]
fn pods_are_worded_as_by_kubectl() {
    let no = || json!({});
    let running = json!({"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}});
    assert_eq!(
        cells("pods", &pod(json!({"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [running]}), no())),
        "p | 1/1 | Running | 0 | 60s | 10.0.0.1 | n1 | <none> | <none>"
    );
    let with =
        |phase: &str, state: Value| json!({"phase": phase, "containerStatuses": [{"name": "c", "state": state}]});
    for (status, expected) in [
        (json!({"phase": "Pending"}), "0/1 Pending 0"),
        (with("Pending", json!({"waiting": {"reason": "ContainerCreating"}})), "0/1 ContainerCreating 0"),
        (with("Running", json!({"waiting": {"reason": "CrashLoopBackOff"}})), "0/1 CrashLoopBackOff 0"),
        (with("Running", json!({"running": {}})), "0/1 Running 0"),
        (with("Succeeded", json!({"terminated": {"reason": "Completed"}})), "0/1 Completed 0"),
        (with("Failed", json!({"terminated": {"exitCode": 3}})), "0/1 ExitCode:3 0"),
        (with("Failed", json!({"terminated": {"signal": 9}})), "0/1 Signal:9 0"),
        (json!({"phase": "Failed", "reason": "Evicted"}), "0/1 Evicted 0"),
        (
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
            "0/1 SchedulingGated 0",
        ),
    ] {
        assert_eq!(status_cells(status.clone(), no()), expected, "{status}");
    }

    let restarted = json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2,
        "state": {"running": {}}, "lastState": {"terminated": {"finishedAt": "2026-01-01T00:00:55Z"}}}]});
    assert_eq!(status_cells(restarted, no()), "1/1 Running 2 (5s ago)");

    let deleting = || json!({"deletionTimestamp": "2026-01-01T00:00:30Z"});
    assert_eq!(status_cells(json!({"phase": "Running"}), deleting()), "0/1 Terminating 0");
    assert_eq!(status_cells(json!({"phase": "Failed"}), deleting()), "0/1 Failed 0");
    assert_eq!(status_cells(json!({"phase": "Running", "reason": "NodeLost"}), deleting()), "0/1 Unknown 0");

    let init = || json!({"initContainers": [{"name": "i"}, {"name": "j"}]});
    let waiting = json!({"phase": "Pending", "initContainerStatuses": [
        {"name": "i", "state": {"terminated": {"exitCode": 0}}},
        {"name": "j", "state": {"waiting": {"reason": "PodInitializing"}}}]});
    assert_eq!(status_cells(waiting, init()), "0/1 Init:1/2 0");
    let failing = json!({"phase": "Pending", "initContainerStatuses": [
        {"name": "i", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
    assert_eq!(status_cells(failing, init()), "0/1 Init:CrashLoopBackOff 4");
}

#[test]
fn finished_pods_are_marked() {
    let done = row("pods", &pod(json!({"phase": "Succeeded"}), json!({})), Timestamp::UNIX_EPOCH, Value::Null);
    assert_eq!(done["conditions"][0]["reason"], "Succeeded");
}

#[test]
fn storage() {
    let mut claim = json!({
        "metadata": {"name": "data-0", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"storageClassName": "standard", "volumeMode": "Filesystem", "accessModes": ["ReadWriteOnce"]},
        "status": {"phase": "Pending"}
    });
    assert_eq!(
        cells("persistentvolumeclaims", &claim),
        "data-0 | Pending |  |  |  | standard | <unset> | 60s | Filesystem"
    );
    claim["spec"]["volumeName"] = json!("pvc-1");
    claim["status"] =
        json!({"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]});
    assert_eq!(
        cells("persistentvolumeclaims", &claim),
        "data-0 | Bound | pvc-1 | 1Gi | RWO,RWX | standard | <unset> | 60s | Filesystem"
    );
    claim["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert!(cells("persistentvolumeclaims", &claim).starts_with("data-0 | Terminating | pvc-1"));

    let volume = json!({
        "metadata": {"name": "pvc-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                 "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "ns", "name": "data-0"}},
        "status": {"phase": "Released"}
    });
    assert_eq!(
        cells("persistentvolumes", &volume),
        "pvc-1 | 1Gi | RWO | Retain | Released | ns/data-0 | standard | <unset> |  | 60s | <unset>"
    );
    let class = json!({"metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                       "provisioner": "p"});
    assert_eq!(cells("storageclasses", &class), "standard (default) | p | Delete | Immediate | false | <unknown>");
}

#[test]
fn the_rest() {
    let node = json!({
        "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.0"},
                   "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    });
    assert_eq!(
        cells("nodes", &node),
        "n1 | Ready,SchedulingDisabled | control-plane | <unknown> | v1.36.0 | 10.0.0.1 | <none> | <unknown> | <unknown> | <unknown>"
    );
    let event = json!({
        "metadata": {"name": "e"}, "type": "Normal", "reason": "Killing", "message": "Stopping container c\n",
        "involvedObject": {"kind": "Pod", "name": "p"}, "count": 3, "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:50Z"
    });
    assert_eq!(
        cells("events", &event),
        "10s | Normal | Killing | pod/p |  | kubelet, n1 | Stopping container c | 60s | 3 | e"
    );
    let set = json!({
        "metadata": {"name": "wh"}, "status": {"readyReplicas": 1},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y"}]}}}
    });
    assert_eq!(cells("statefulsets", &set), "wh | 1/2 | <unknown> | a,b | x:1,y");
    let service = json!({"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "clusterIP": "None",
        "ports": [{"port": 5432, "protocol": "TCP"}], "selector": {"b": "2", "a": "1"}}});
    assert_eq!(cells("services", &service), "s | ClusterIP | None | <none> | 5432/TCP | <unknown> | a=1,b=2");
    let budget = json!({"metadata": {"name": "b"}, "spec": {"maxUnavailable": 1}, "status": {"disruptionsAllowed": 1}});
    assert_eq!(cells("poddisruptionbudgets", &budget), "b | N/A | 1 | 1 | <unknown>");
    assert_eq!(
        cells("secrets", &json!({"metadata": {"name": "x"}, "type": "Opaque", "data": {"a": ""}})),
        "x | Opaque | 1 | <unknown>"
    );
    assert_eq!(cells("unknown", &json!({"metadata": {"name": "x"}})), "x | <unknown>");
}
