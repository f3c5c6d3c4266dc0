//! The contents of a cluster from which a layout can be learned, for unit tests of several layers.

use crate::cluster::observe::Observation;
use crate::cluster::snapshot::Read;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A workload: namespace, name, labels, container, image, ports.
pub(crate) fn set(
    namespace: &str,
    name: &str,
    labels: Value,
    (container, image): (&str, &str),
    ports: &[u16],
) -> StatefulSet {
    let ports: Vec<Value> = ports.iter().map(|port| json!({"containerPort": port})).collect();
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}-{name}")},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "serviceName": name, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": container, "image": image, "ports": ports}]}}},
    }))
    .unwrap()
}

fn pod_of(set: &StatefulSet) -> Pod {
    let (namespace, name) = (set.metadata.namespace.clone(), set.metadata.name.clone().unwrap());
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace, "name": format!("{name}-0"), "uid": format!("pod-{name}"),
            "labels": set.spec.template.metadata.as_ref().unwrap().labels,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name,
                                 "uid": set.metadata.uid, "controller": true}]},
        "spec": set.spec.template.spec,
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .unwrap()
}

pub(crate) fn observed(sets: Vec<StatefulSet>) -> Observation {
    let pods = sets.iter().map(pod_of).collect();
    Observation { pods: Read::Known(pods), stateful_sets: Read::Known(sets), services: Read::Known(Vec::new()) }
}

/// A release with different names.
pub(crate) fn another_release() -> Vec<StatefulSet> {
    let of = |component: &str, name: &str| json!({"db.acme/component": component, "db.acme/name": name});
    vec![
        set("acme-core", "us-safekeeper", json!({"a": "sk"}), ("sk", "r/neon/storage:1"), &[7676, 5454]),
        set("acme-core", "us-pageserver", json!({"a": "ps"}), ("ps", "r/neon/storage:1"), &[9898]),
        set("acme-core", "etcd", json!({"a": "etcd"}), ("etcd", "etcd:3"), &[2379]),
        set("acme-prod-0badcafe", "gateway", of("coordinator", "c"), ("main", "r/acme/db:4"), &[5432]),
        set("acme-prod-0badcafe", "w-12-seg", of("warehouse", "w-12"), ("segment", "r/acme/db:4"), &[6000]),
        set("acme-prod-0badcafe", "w-7-seg", of("warehouse", "w-7"), ("segment", "r/acme/db:4"), &[6000]),
        set("trino", "trino-coordinator", json!({"a": "t"}), ("trino-coordinator", "trinodb/trino:1"), &[8080]),
        set("shop", "postgres", json!({"a": "pg"}), ("postgres", "postgres:17"), &[5432]),
        set("kafka", "broker", json!({"a": "kb"}), ("broker", "kafka:4"), &[9092]),
    ]
}
