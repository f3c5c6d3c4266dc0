//! Literal YAML to snapshots, for the unit tests of the pure layers. One document a namespace:
//!
//! `namespace: NAME`, `terminating: true`, `sets: [{name, replicas, templates, parallel}]`, `pods: [{name, set | replicaSet, ready, uid, claims, node, terminating,
//! phase}]`, `claims: [{name, volume, uid, terminating, phase}]`. A claim with a volume gets that volume, too.

use crate::cluster::snapshot::{Cause, NamespaceObjects, Read, Snapshot, Unreadable};
use serde::Deserialize;
use serde_json::{Value, json};

/// A healthy account; its pods are not in the order of their ordinals.
pub(crate) const ACCOUNT: &str = "
namespace: cloud007-513d75d5-3033-4649-b913-07f6115ec41a
sets:
- {name: cloudberry-proxy, replicas: 1, templates: [data]}
- {name: wh9527, replicas: 2, templates: [data]}
pods:
- {name: cloudberry-proxy-0, set: cloudberry-proxy, ready: true, claims: [data-cloudberry-proxy-0]}
- {name: wh9527-1, set: wh9527, ready: true, claims: [data-wh9527-1]}
- {name: wh9527-0, set: wh9527, ready: true, claims: [data-wh9527-0]}
claims:
- {name: data-cloudberry-proxy-0, volume: pv-6}
- {name: data-wh9527-0, volume: pv-7}
- {name: data-wh9527-1, volume: pv-8}
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Space {
    namespace: String,
    #[serde(default)]
    terminating: bool,
    #[serde(default)]
    sets: Vec<Set>,
    #[serde(default)]
    pods: Vec<PodLine>,
    #[serde(default)]
    claims: Vec<ClaimLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    replicas: i32,
    #[serde(default)]
    templates: Vec<String>,
    #[serde(default)]
    parallel: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodLine {
    name: String,
    set: Option<String>,
    replica_set: Option<String>,
    #[serde(default)]
    ready: bool,
    uid: Option<String>,
    #[serde(default)]
    claims: Vec<String>,
    node: Option<String>,
    #[serde(default)]
    terminating: bool,
    phase: Option<String>,
    sql_skipped: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimLine {
    name: String,
    volume: Option<String>,
    uid: Option<String>,
    #[serde(default)]
    terminating: bool,
    phase: Option<String>,
    policy: Option<String>,
    record: Option<String>,
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

const DELETED: &str = "2026-01-01T00:00:00Z";

/// A snapshot of these namespaces.
pub(crate) fn snapshot(documents: &[&str]) -> Snapshot {
    let spaces: Vec<Space> = documents.iter().map(|text| serde_saphyr::from_str(text).unwrap()).collect();
    let mut volumes = Vec::new();
    let mut namespaces = Vec::new();
    for space in &spaces {
        let namespace = &space.namespace;
        let sets = space.sets.iter().map(|set| {
            let templates: Vec<Value> =
                set.templates.iter().map(|name| json!({"metadata": {"name": name}, "spec": {}})).collect();
            object(json!({
                "metadata": {"name": set.name, "namespace": namespace, "uid": format!("set-{}", set.name)},
                "spec": {"replicas": set.replicas, "selector": {}, "serviceName": set.name,
                         "podManagementPolicy": if set.parallel { "Parallel" } else { "OrderedReady" },
                         "template": {}, "volumeClaimTemplates": templates},
            }))
        });
        let pods = space.pods.iter().map(|pod| {
            let owner = match (&pod.set, &pod.replica_set) {
                (Some(name), _) => json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": format!("set-{name}"), "controller": true}]),
                (_, Some(name)) => json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": format!("rs-{name}"), "controller": true}]),
                _ => Value::Null,
            };
            let mounts: Vec<Value> = pod
                .claims
                .iter()
                .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
                .collect();
            let phase = pod.phase.as_deref().unwrap_or("Running");
            let annotations = pod.sql_skipped.as_ref().map(|why| json!({"kubectl-synxdb/sql-skipped": why}));
            let conditions = if pod.ready {
                json!([{"type": "Ready", "status": "True"}])
            } else if phase == "Pending" {
                json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"}])
            } else {
                json!([{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [main]"}])
            };
            let containers = (phase != "Pending").then(|| {
                json!([{"name": "main", "image": "", "imageID": "", "ready": pod.ready, "restartCount": 0, "state": {"running": {}}}])
            });
            object(json!({
                "metadata": {"name": pod.name, "namespace": namespace, "ownerReferences": owner, "annotations": annotations,
                             "uid": pod.uid.clone().unwrap_or_else(|| format!("uid-{}", pod.name)),
                             "creationTimestamp": DELETED,
                             "deletionTimestamp": pod.terminating.then_some(DELETED)},
                "spec": {"containers": [{"name": "main"}], "volumes": mounts,
                         "nodeName": pod.node.clone().or((phase != "Pending").then(|| "node-1".to_owned()))},
                "status": {"phase": phase, "conditions": conditions, "containerStatuses": containers},
            }))
        });
        let claims = space.claims.iter().map(|claim| {
            let uid = claim.uid.clone().unwrap_or_else(|| format!("uid-{}", claim.name));
            if let Some(volume) = &claim.volume {
                volumes.push(object(json!({
                    "metadata": {"name": volume, "uid": format!("uid-{volume}"),
                                 "annotations": claim.record.as_ref().map(|record| json!({"kubectl-synxdb/record-old1": record}))},
                    "spec": {"persistentVolumeReclaimPolicy": claim.policy.as_deref().unwrap_or("Delete"),
                             "claimRef": {"namespace": namespace, "name": claim.name, "uid": uid}},
                    "status": {"phase": "Bound"},
                })));
            }
            let phase = claim.phase.as_deref().unwrap_or(if claim.volume.is_some() { "Bound" } else { "Pending" });
            object(json!({
                "metadata": {"name": claim.name, "namespace": namespace, "uid": uid,
                             "deletionTimestamp": claim.terminating.then_some(DELETED)},
                "spec": {"volumeName": claim.volume, "storageClassName": "standard",
                         "resources": {"requests": {"storage": "1Gi"}}},
                "status": {"phase": phase},
            }))
        });
        namespaces.push(NamespaceObjects {
            namespace: namespace.clone(),
            stateful_sets: Read::Known(sets.collect()),
            pods: Read::Known(pods.collect()),
            claims: Read::Known(claims.collect()),
            disruption_budgets: Read::Known(Vec::new()),
            events: Read::Known(Vec::new()),
        });
    }
    Snapshot {
        namespace_names: Read::Known(spaces.iter().map(|space| space.namespace.clone()).collect()),
        terminating: spaces.iter().filter(|space| space.terminating).map(|space| space.namespace.clone()).collect(),
        passed_over: Vec::new(),
        namespaces,
        volumes: Read::Known(volumes),
        nodes: Read::Known(Vec::new()),
        storage_classes: Read::Known(Vec::new()),
    }
}

/// A part that could not be read.
pub(crate) fn unreadable<T>(resource: &'static str, namespace: Option<&str>) -> Read<T> {
    Read::Unknown(Unreadable {
        resource,
        namespace: namespace.map(str::to_owned),
        cause: Cause::Forbidden,
        reason: format!("{resource} is forbidden"),
    })
}
