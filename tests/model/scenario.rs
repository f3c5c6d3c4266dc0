//! The cluster of a case, in the form of a scenario file.

use super::case::{Case, Denied, SYSTEM, Storage};
use serde_json::{Value, json};

/// Name of the ephemeral volume.
pub(crate) const SCRATCH: &str = "scratch";
const MADE: &str = "disks";
const BY_HAND: &str = "by-hand";

/// What a claim requests.
struct Asked {
    storage: Storage,
    ephemeral: bool,
}

/// Returns the scenario, as in its file.
pub(crate) fn of(case: &Case) -> Value {
    let (topology, knobs) = (&case.topology, &case.knobs);
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})];
    let policy = if topology.retain { "Retain" } else { "Delete" };
    for (class, provisioner) in [(MADE, "disk.sandbox.synxdb.io"), (BY_HAND, "kubernetes.io/no-provisioner")] {
        objects.push(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
            "provisioner": provisioner, "reclaimPolicy": policy, "volumeBindingMode": "WaitForFirstConsumer",
        }));
    }
    let (parallel, storage) = (topology.parallel, topology.storage);
    let (of_safekeepers, of_pageserver) = topology.claims;
    let system = Asked { storage, ephemeral: topology.ephemeral };
    objects.push(set(SYSTEM, ("safekeeper", "safekeeper"), topology.safekeepers, of_safekeepers, parallel, &system));
    objects.push(set(SYSTEM, ("pageserver", "pageserver"), 1, of_pageserver, parallel, &system));
    let mut claims = u32::from(topology.safekeepers) * u32::from(of_safekeepers) + u32::from(of_pageserver);
    for (account, nodes) in topology.accounts.iter().enumerate() {
        let (namespace, asked) = (account_name(account), Asked { storage, ephemeral: false });
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        objects.push(set(&namespace, ("cloudberry-proxy", "warehouse-proxy"), 1, 1, parallel, &asked));
        objects.push(set(&namespace, ("wh1", "warehouse"), *nodes, 1, parallel, &asked));
        claims += 1 + u32::from(*nodes);
    }
    if storage != Storage::Provisioned {
        objects.extend((0..claims + u32::from(topology.spare)).map(|number| volume(case, number)));
    }
    let deny = knobs.denied.map(|denied| {
        let (verb, resource) = match denied {
            Denied::PatchVolumes => ("patch", "persistentvolumes"),
            Denied::DeleteClaims => ("delete", "persistentvolumeclaims"),
            Denied::DeletePods => ("delete", "pods"),
        };
        json!({"verbs": [verb], "resources": [resource], "namespaces": ["*"]})
    });
    json!({
        "name": "model", "description": "one of many", "manifests": ["cluster.yaml"], "moreObjects": objects,
        "replacedPodReadySeconds": knobs.ready_after,
        "volumeLagSeconds": knobs.lag,
        "createPodsOnTerminatingClaims": if knobs.race { "once" } else { "never" },
        "recreateMissingClaims": knobs.recreate,
        "dataOnVolume": topology.data_on_volume,
        "neverReady": case.down().map(|pod| json!({"namespace": SYSTEM, "pod": pod})).into_iter().collect::<Vec<_>>(),
        "deny": deny.into_iter().collect::<Vec<_>>(),
    })
}

pub(crate) fn account_name(account: usize) -> String {
    format!("org{account}-513d75d5-3033-4649-b913-07f6115ec41a")
}

/// Returns a volume created by hand.
pub(crate) fn volume(case: &Case, number: u32) -> Value {
    let name = format!("by-hand-{number}");
    let policy = if case.topology.retain { "Retain" } else { "Delete" };
    let mut spec = json!({
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": policy,
        "volumeMode": "Filesystem", "csi": {"driver": "disk.sandbox.synxdb.io", "volumeHandle": name},
    });
    match case.topology.storage {
        Storage::Provisioned | Storage::Static => spec["storageClassName"] = json!(BY_HAND),
        Storage::Local => {
            spec["storageClassName"] = json!(BY_HAND);
            let node = format!("node-{}", number % 2 + 1);
            spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}});
        }
        // Absent and empty are equivalent.
        Storage::Classless if number.is_multiple_of(2) => spec["storageClassName"] = json!(""),
        Storage::Classless => {}
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
}

fn set(
    namespace: &str,
    (name, component): (&str, &str),
    replicas: u8,
    claims: u8,
    parallel: bool,
    asked: &Asked,
) -> Value {
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/component": component});
    let (port, probe) = match component {
        "safekeeper" => (7676, json!({"httpGet": {"path": "/v1/status", "port": "main"}, "periodSeconds": 1})),
        "pageserver" => (9898, json!({"httpGet": {"path": "/v1/status", "port": "main"}, "periodSeconds": 1})),
        _ => (5432, Value::Null),
    };
    let mut container = json!({
        "name": name, "image": format!("synxdb/{name}:4.0.0"), "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "main", "containerPort": port, "protocol": "TCP"}],
        "volumeMounts": (0..claims).map(|n| json!({"name": disk(n), "mountPath": format!("/disk{n}")})).collect::<Vec<_>>(),
    });
    if !probe.is_null() {
        container["readinessProbe"] = probe;
    }
    let spec = |class: &str| {
        json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}}})
    };
    let class = match asked.storage {
        Storage::Provisioned => MADE,
        Storage::Static | Storage::Local => BY_HAND,
        Storage::Classless => "",
    };
    let template = |n: u8| json!({"metadata": {"name": disk(n)}, "spec": spec(class)});
    let mut pod = json!({"terminationGracePeriodSeconds": 5, "containers": [container]});
    if asked.ephemeral {
        pod["volumes"] = json!([{"name": SCRATCH, "ephemeral": {"volumeClaimTemplate": {"spec": spec(MADE)}}}]);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "serviceName": name, "replicas": replicas,
            "podManagementPolicy": if parallel { "Parallel" } else { "OrderedReady" },
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": (0..claims).map(template).collect::<Vec<_>>(),
        },
    })
}

fn disk(n: u8) -> &'static str {
    ["data", "cache"][usize::from(n)]
}
