//! Turns literal YAML into snapshots, for the unit tests of the pure layers. One document per namespace:
//!
//! `terminating: true`, `sets: [{name, replicas, templates, parallel, …}]`, `pods: [{name, set | replicaSet, ready,
//! uid, claims, node, terminating, phase, …}]`, `claims: [{name, volume, uid, terminating, phase, …}]`, `budgets:
//! [{name, selector, …}]`. A claim with a volume gets that volume, too; one that only `names` a volume does not.
//! `nodes`, `classes` and `volumes` (without a claim, free or retained) belong to the cluster: to all documents
//! together; by default one Ready node and one default class. `records: [{id, pod, age, took, outcome, undo, claims:
//! [{name, uid, volume, policy, returns}], …}]` are operations of that namespace, recorded on each volume that they
//! name. Ages are in seconds, counted back from [`now`]; an object without one is as old as its set.

#[cfg(unix)]
mod binding;
pub(crate) mod observed;

use crate::cluster::snapshot::{Cause, NamespaceObjects, Read, Snapshot, Unreadable};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    /// Without these they were not requested.
    sets: Option<Vec<Set>>,
    #[serde(default)]
    pods: Vec<PodLine>,
    #[serde(default)]
    claims: Vec<ClaimLine>,
    #[serde(default)]
    budgets: Vec<BudgetLine>,
    nodes: Option<Vec<NodeLine>>,
    classes: Option<Vec<ClassLine>>,
    #[serde(default)]
    volumes: Vec<VolumeLine>,
    #[serde(default)]
    records: Vec<RecordLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetLine {
    name: String,
    selector: Option<Value>,
    allowed: i32,
    #[serde(default)]
    healthy: i32,
    #[serde(default)]
    wanted: i32,
    #[serde(default)]
    expected: i32,
    #[serde(default)]
    stale: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeLine {
    name: String,
    #[serde(default)]
    lost: bool,
    #[serde(default)]
    cordoned: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassLine {
    name: String,
    provisioner: Option<String>,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    immediate: bool,
    policy: Option<String>,
}

/// A volume without a claim.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct VolumeLine {
    name: String,
    class: String,
    /// A claim, of this namespace or as `namespace/name`, that it is reserved for.
    reserved_for: Option<String>,
    /// UID of that claim, which it was bound to: it is Released.
    released_by: Option<String>,
    phase: Option<String>,
    policy: Option<String>,
    size: Option<String>,
    #[serde(default)]
    terminating: bool,
    /// `Block`; default `Filesystem`.
    mode: Option<String>,
    #[serde(default)]
    modes: Vec<String>,
    /// The only node that can mount it.
    on: Option<String>,
    /// Whether it is a folder of a node.
    #[serde(default)]
    folder: bool,
}

/// A recorded operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecordLine {
    id: String,
    pod: String,
    pod_uid: Option<String>,
    /// Seconds since it began, and its duration; without these it is unfinished.
    age: i64,
    took: Option<i64>,
    /// `recovered` if it is finished.
    outcome: Option<String>,
    /// The operation that it undoes.
    undo: Option<String>,
    /// UID of the StatefulSet at that time.
    set: Option<String>,
    #[serde(default)]
    keep: bool,
    #[serde(default)]
    claims: Vec<RecordedLine>,
    canary: Option<String>,
    who: Option<String>,
    /// Terms by timeline.
    terms: Option<Value>,
    /// A newer operation that recovered.
    superseded: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedLine {
    name: String,
    uid: String,
    volume: Option<String>,
    policy: Option<String>,
    /// The volume to restore.
    returns: Option<String>,
}

/// A record as its annotation has it.
fn recorded(namespace: &str, line: &RecordLine) -> Value {
    let begun = now() - SignedDuration::from_secs(line.age);
    let finished = line.took.map(|took| (begun + SignedDuration::from_secs(took)).to_string());
    let outcome = line.outcome.as_deref().unwrap_or(if finished.is_some() { "recovered" } else { "unfinished" });
    let claims = line.claims.iter().map(|claim| {
        let returns = claim.returns.as_ref();
        let back = |volume| json!({"volume": volume, "uid": format!("uid-{volume}"), "reclaimPolicy": "Delete"});
        json!({"name": claim.name, "uid": claim.uid, "volume": claim.volume, "reclaimPolicy": claim.policy,
               "restores": returns.map(back)})
    });
    let mut record = json!({"apiVersion": "kubectl-synxdb/v1beta1", "kind": "Record", "id": line.id, "started": begun.to_string(), "finished": finished, "outcome": outcome,
           "operation": if line.undo.is_some() { "undo" } else { "failover" }, "undoes": line.undo, "user": line.who,
           "context": "c", "namespace": namespace, "pod": line.pod, "keepClaims": line.keep, "canary": line.canary,
           "podUid": line.pod_uid.as_deref().unwrap_or("uid-gone"), "claims": claims.collect::<Vec<_>>(),
           "owner": line.set.as_ref().map(|uid| json!({"kind": "StatefulSet", "name": "set", "uid": uid}))});
    if let Some(terms) = &line.terms {
        record["terms"] = terms.clone();
    }
    if let Some(by) = &line.superseded {
        record["supersededBy"] = by.clone().into();
    }
    record
}

/// Writes the operations of these namespaces on the volumes that they name.
fn annotate(volumes: &mut [PersistentVolume], spaces: &[Space]) {
    for (space, line) in spaces.iter().flat_map(|space| space.records.iter().map(move |line| (space, line))) {
        let named = |name: &str| {
            let mut claims = line.claims.iter();
            claims.any(|claim| [&claim.volume, &claim.returns].into_iter().flatten().any(|volume| volume == name))
        };
        let text = recorded(&space.namespace, line).to_string();
        for volume in volumes.iter_mut().filter(|volume| volume.metadata.name.as_deref().is_some_and(named)) {
            let annotations = volume.metadata.annotations.get_or_insert_default();
            annotations.insert(format!("kubectl-synxdb/record-{}", line.id), text.clone());
        }
    }
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
    start: Option<i32>,
    age: Option<i64>,
    #[serde(default)]
    terminating: bool,
    uid: Option<String>,
    /// Storage class of the templates: default `standard`, `default` for none of its own.
    class: Option<String>,
    /// What the templates request.
    size: Option<String>,
    /// The access modes of the templates.
    #[serde(default)]
    modes: Vec<String>,
    /// `Block`; default `Filesystem`.
    mode: Option<String>,
    /// Generic ephemeral volumes of its pods.
    #[serde(default)]
    ephemeral: Vec<String>,
    /// Current and newest revision.
    revisions: Option<(String, String)>,
    /// A rolling update's partition; without one, OnDelete if there are revisions.
    partition: Option<i32>,
    /// Whether the controller has not processed its last change.
    #[serde(default)]
    stale: bool,
    /// `minReadySeconds`.
    #[serde(rename = "minReady")]
    min_ready: Option<i32>,
    /// Labels of its pods' template.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodLine {
    name: String,
    set: Option<String>,
    replica_set: Option<String>,
    /// UID of that set; default that of the set of this name.
    owner: Option<String>,
    /// API version of that set, default Kubernetes' own.
    api: Option<String>,
    #[serde(default)]
    ready: bool,
    uid: Option<String>,
    #[serde(default)]
    claims: Vec<String>,
    /// Generic ephemeral volumes.
    #[serde(default)]
    ephemeral: Vec<String>,
    node: Option<String>,
    #[serde(default)]
    terminating: bool,
    phase: Option<String>,
    sql_skipped: Option<String>,
    age: Option<i64>,
    /// Seconds since its grace period ended, and that in seconds.
    overdue: Option<(i64, i64)>,
    revision: Option<String>,
    #[serde(default)]
    finalizers: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Seconds since its Ready condition changed.
    ready_since: Option<i64>,
    /// Period of its readiness probe, in seconds.
    period: Option<i32>,
    #[serde(default)]
    restarts: i32,
    /// Exit code of its container's last end.
    ended: Option<i32>,
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
    age: Option<i64>,
    #[serde(default)]
    finalizers: Vec<String>,
    /// The only node that has its volume.
    on: Option<String>,
    /// Whether its volume is a folder of the node.
    #[serde(default)]
    folder: bool,
    /// A volume that it names, and that is as `volumes` has it.
    names: Option<String>,
    /// What it requests; default 1Gi.
    size: Option<String>,
    /// Its storage class; default `standard`.
    class: Option<String>,
    #[serde(default)]
    modes: Vec<String>,
    attributes: Option<String>,
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

const DELETED: &str = "2026-01-01T00:00:00Z";

/// The time at which plans are made: ten and a half minutes after the namespaces.
pub(crate) fn now() -> Timestamp {
    "2026-01-01T00:10:30Z".parse().unwrap()
}

/// Returns when something of this age was created; by default, with the namespaces.
fn created(age: Option<i64>) -> String {
    age.map_or_else(|| DELETED.to_owned(), |age| (now() - SignedDuration::from_secs(age)).to_string())
}

/// Returns the UID of the set of this name.
fn set_uid(space: &Space, name: &str) -> String {
    let said = space.sets.iter().flatten().find(|set| set.name == name).and_then(|set| set.uid.clone());
    said.unwrap_or_else(|| format!("set-{name}"))
}

/// Returns a snapshot of these namespaces.
pub(crate) fn snapshot(documents: &[&str]) -> Snapshot {
    let spaces: Vec<Space> = documents.iter().map(|text| serde_saphyr::from_str(text).unwrap()).collect();
    let mut volumes: Vec<PersistentVolume> = Vec::new();
    let mut namespaces = Vec::new();
    for space in &spaces {
        let namespace = &space.namespace;
        let sets = space.sets.iter().flatten().map(|set| {
            let class = match set.class.as_deref() {
                Some("default") => None,
                named => Some(named.unwrap_or("standard")),
            };
            let requests = set.size.as_ref().map(|size| json!({"requests": {"storage": size}}));
            let spec = json!({"storageClassName": class, "resources": requests, "accessModes": set.modes,
                              "volumeMode": set.mode});
            let template = |name| json!({"metadata": {"name": name}, "spec": spec});
            let ephemeral = set
                .ephemeral
                .iter()
                .map(|name| json!({"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}));
            let pod = json!({"metadata": {"labels": set.labels},
                             "spec": {"containers": [], "volumes": ephemeral.collect::<Vec<_>>()}});
            let templates: Vec<Value> = set.templates.iter().map(template).collect();
            let (current, update) = set.revisions.clone().unzip();
            let strategy = match (set.partition, &current) {
                (None, Some(_)) => json!({"type": "OnDelete"}),
                (partition, _) => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}),
            };
            object(json!({
                "metadata": {"name": set.name, "namespace": namespace, "generation": 2,
                             "uid": set.uid.clone().unwrap_or_else(|| format!("set-{}", set.name)),
                             "creationTimestamp": created(set.age),
                             "deletionTimestamp": set.terminating.then_some(DELETED)},
                "spec": {"replicas": set.replicas, "selector": {}, "serviceName": set.name, "minReadySeconds": set.min_ready,
                         "podManagementPolicy": if set.parallel { "Parallel" } else { "OrderedReady" },
                         "ordinals": set.start.map(|start| json!({"start": start})), "updateStrategy": strategy,
                         "template": pod, "volumeClaimTemplates": templates},
                "status": {"replicas": set.replicas, "observedGeneration": if set.stale { 1 } else { 2 },
                           "currentRevision": current, "updateRevision": update},
            }))
        });
        let pods = space.pods.iter().map(|pod| {
            let owner = match (&pod.set, &pod.replica_set) {
                (Some(name), _) => json!([{"apiVersion": pod.api.as_deref().unwrap_or("apps/v1"), "kind": "StatefulSet", "name": name, "uid": pod.owner.clone().unwrap_or_else(|| set_uid(space, name)), "controller": true}]),
                (_, Some(name)) => json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": format!("rs-{name}"), "controller": true}]),
                _ => Value::Null,
            };
            let claims = pod.claims.iter();
            let claims = claims.map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}));
            let own = |name: &String| json!({"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": {}}}});
            let mounts: Vec<Value> = claims.chain(pod.ephemeral.iter().map(own)).collect();
            let phase = pod.phase.as_deref().unwrap_or("Running");
            let annotations = pod.sql_skipped.as_ref().map(|why| json!({"kubectl-synxdb/sql-skipped": why}));
            let conditions = if pod.ready {
                json!([{"type": "Ready", "status": "True", "lastTransitionTime": pod.ready_since.map(|age| created(Some(age)))}])
            } else if phase == "Pending" {
                json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"}])
            } else {
                json!([{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [main]"}])
            };
            let containers = (phase != "Pending").then(|| {
                let last = pod.ended.map(|code| json!({"terminated": {"exitCode": code, "reason": "Error"}}));
                json!([{"name": "main", "image": "", "imageID": "", "ready": pod.ready, "restartCount": pod.restarts,
                        "state": {"running": {}}, "lastState": last}])
            });
            let mut labels = pod.labels.clone();
            labels.extend(pod.revision.clone().map(|revision| ("controller-revision-hash".to_owned(), revision)));
            let deleted = pod.overdue.map(|(over, _)| created(Some(over)));
            object(json!({
                "metadata": {"name": pod.name, "namespace": namespace, "ownerReferences": owner, "annotations": annotations,
                             "uid": pod.uid.clone().unwrap_or_else(|| format!("uid-{}", pod.name)),
                             "creationTimestamp": created(pod.age), "labels": labels, "finalizers": pod.finalizers,
                             "deletionGracePeriodSeconds": pod.overdue.map(|(_, grace)| grace),
                             "deletionTimestamp": deleted.or(pod.terminating.then(|| DELETED.to_owned()))},
                "spec": {"containers": [{"name": "main", "readinessProbe": pod.period.map(|period| json!({"periodSeconds": period}))}],
                         "volumes": mounts,
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
                    "spec": {"storageClassName": "standard", "persistentVolumeReclaimPolicy": claim.policy.as_deref().unwrap_or("Delete"),
                             "hostPath": claim.folder.then(|| json!({"path": "/disk"})),
                             "nodeAffinity": claim.on.as_ref().map(tied),
                             "claimRef": {"namespace": namespace, "name": claim.name, "uid": uid}},
                    "status": {"phase": "Bound"},
                })));
            }
            let phase = claim.phase.as_deref().unwrap_or(if claim.volume.is_some() { "Bound" } else { "Pending" });
            object(json!({
                "metadata": {"name": claim.name, "namespace": namespace, "uid": uid,
                             "creationTimestamp": created(claim.age), "finalizers": claim.finalizers,
                             "deletionTimestamp": claim.terminating.then_some(DELETED)},
                "spec": {"volumeName": claim.volume.as_ref().or(claim.names.as_ref()),
                         "storageClassName": claim.class.as_deref().unwrap_or("standard"), "accessModes": claim.modes,
                         "volumeAttributesClassName": claim.attributes,
                         "resources": {"requests": {"storage": claim.size.as_deref().unwrap_or("1Gi")}}},
                "status": {"phase": phase},
            }))
        });
        namespaces.push(NamespaceObjects {
            namespace: namespace.clone(),
            stateful_sets: if space.sets.is_some() { Read::Known(sets.collect()) } else { Read::NotAsked },
            pods: Read::Known(pods.collect()),
            claims: Read::Known(claims.collect()),
            disruption_budgets: Read::Known(space.budgets.iter().map(budget).collect()),
            events: Read::Known(Vec::new()),
        });
    }
    volumes.extend(spaces.iter().flat_map(|space| space.volumes.iter().map(|line| unclaimed(&space.namespace, line))));
    annotate(&mut volumes, &spaces);
    Snapshot {
        namespace_names: Read::Known(spaces.iter().map(|space| space.namespace.clone()).collect()),
        terminating: spaces.iter().filter(|space| space.terminating).map(|space| space.namespace.clone()).collect(),
        passed_over: Vec::new(),
        namespaces,
        volumes: Read::Known(volumes),
        nodes: Read::Known(nodes(&spaces)),
        storage_classes: Read::Known(classes(&spaces)),
        ..Snapshot::default()
    }
}

/// The affinity to one node.
fn tied(node: &String) -> Value {
    let expression = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [node]});
    json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}})
}

fn unclaimed(namespace: &str, line: &VolumeLine) -> PersistentVolume {
    let reference = line.reserved_for.as_ref().map(|claim| {
        let (namespace, name) = claim.split_once('/').unwrap_or((namespace, claim));
        json!({"namespace": namespace, "name": name, "uid": line.released_by})
    });
    let phase = line.phase.as_deref().unwrap_or(if line.released_by.is_some() { "Released" } else { "Available" });
    object(json!({
        "metadata": {"name": line.name, "uid": format!("uid-{}", line.name),
                     "deletionTimestamp": line.terminating.then_some(DELETED)},
        "spec": {"storageClassName": Some(&line.class).filter(|class| *class != "none"), "claimRef": reference,
                 "persistentVolumeReclaimPolicy": line.policy, "volumeMode": line.mode, "accessModes": line.modes,
                 "hostPath": line.folder.then(|| json!({"path": "/disk"})),
                 "nodeAffinity": line.on.as_ref().map(tied),
                 "capacity": line.size.as_ref().map(|size| json!({"storage": size}))},
        "status": {"phase": phase},
    }))
}

fn budget(line: &BudgetLine) -> PodDisruptionBudget {
    object(json!({
        "metadata": {"name": line.name, "generation": 2},
        "spec": {"selector": line.selector},
        "status": {"observedGeneration": if line.stale { 1 } else { 2 }, "disruptionsAllowed": line.allowed,
                   "currentHealthy": line.healthy, "desiredHealthy": line.wanted, "expectedPods": line.expected},
    }))
}

fn nodes(spaces: &[Space]) -> Vec<Node> {
    let said: Vec<&NodeLine> = spaces.iter().flat_map(|space| space.nodes.iter().flatten()).collect();
    let ready = NodeLine { name: "node-1".into(), lost: false, cordoned: false };
    let all = if spaces.iter().any(|space| space.nodes.is_some()) { said } else { vec![&ready] };
    let node = |line: &NodeLine| {
        object(json!({
            "metadata": {"name": line.name, "labels": {"kubernetes.io/hostname": line.name}},
            "spec": {"unschedulable": line.cordoned},
            "status": {"conditions": [{"type": "Ready", "status": if line.lost { "Unknown" } else { "True" }}]},
        }))
    };
    all.into_iter().map(node).collect()
}

fn classes(spaces: &[Space]) -> Vec<StorageClass> {
    let said: Vec<&ClassLine> = spaces.iter().flat_map(|space| space.classes.iter().flatten()).collect();
    let standard =
        ClassLine { name: "standard".into(), provisioner: None, default: true, immediate: false, policy: None };
    let all = if spaces.iter().any(|space| space.classes.is_some()) { said } else { vec![&standard] };
    let class = |line: &ClassLine| {
        object(json!({
            "metadata": {"name": line.name,
                         "annotations": {"storageclass.kubernetes.io/is-default-class": line.default.to_string()}},
            "provisioner": line.provisioner.as_deref().unwrap_or("disk.example.com"),
            "reclaimPolicy": line.policy,
            "volumeBindingMode": if line.immediate { "Immediate" } else { "WaitForFirstConsumer" },
        }))
    };
    all.into_iter().map(class).collect()
}

/// A part that may not be read.
pub(crate) fn unreadable<T>(resource: &'static str, namespace: Option<&str>) -> Read<T> {
    failed(resource, namespace, Cause::Forbidden, format!("{resource} is forbidden"))
}

/// A part for which the server did not respond in time.
pub(crate) fn late<T>(resource: &'static str, namespace: Option<&str>) -> Read<T> {
    failed(resource, namespace, Cause::TimedOut, "no response within 5 s".to_owned())
}

fn failed<T>(resource: &'static str, namespace: Option<&str>, cause: Cause, reason: String) -> Read<T> {
    Read::Unknown(Unreadable { resource, namespace: namespace.map(str::to_owned), cause, reason, source: None })
}
