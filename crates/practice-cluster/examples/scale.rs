//! Serves the API of a large SynxDB, for `benches/scale`: objects only, nothing runs.
//!
//!     scale FOLDER
//!
//! Writes FOLDER/kubeconfig, and prints `ready`. For each line on its standard input, it prints how many requests and
//! connections there were since the last one. Environment: MEMBERS (5005), ACCOUNTS (200), UNRELATED pods in ten other
//! namespaces (0), DELAY_MS before each response (0).

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use futures::FutureExt;
use futures::future::BoxFuture;
use practice_cluster::api::faults::{Fault, Rule};
use practice_cluster::api::{self, ApiState, DuplexIo, MASTERS, PodStreams, Rbac, Rules, User};
use practice_cluster::store::{Key, Store};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pods have no ports.
struct Nothing;

impl PodStreams for Nothing {
    fn connect(&self, _: &str, _: &str, _: u16) -> BoxFuture<'static, Result<Box<dyn DuplexIo>, String>> {
        async { Err("nothing runs here".to_owned()) }.boxed()
    }

    fn log(&self, _: &str, _: &str, _: Option<&str>) -> String {
        String::new()
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

fn create(store: &Store, resource: &'static str, namespace: &str, name: &str, object: Value) -> Value {
    (*store.create(Key::new(resource, namespace, name), object, false).unwrap()).clone()
}

/// What the API server notes of who wrote which field: a third of an object, as on a real cluster.
fn managed_fields() -> Value {
    let fields: serde_json::Map<String, Value> =
        (0..24).map(|field| (format!("f:field-of-the-object-{field}"), json!({"f:name": {}, "f:value": {}}))).collect();
    let entry = |manager: &str| {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-11-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields, "f:metadata": {"f:labels": {".": {}}}}})
    };
    json!([entry("kube-controller-manager")])
}

/// A container as an operator writes it: some 2 kB.
fn container(name: &str) -> Value {
    let env: Vec<Value> = (0..20)
        .map(
            |number| json!({"name": format!("SYNXDB_SETTING_{number}"), "value": format!("value-of-setting-{number}")}),
        )
        .collect();
    json!({"name": name, "image": "registry.example.com/synxdb/cloudberry:4.0.0", "imagePullPolicy": "IfNotPresent",
        "args": ["--config", "/etc/synxdb/synxdb.conf"], "env": env,
        "ports": [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "4", "memory": "16Gi"}, "requests": {"cpu": "2", "memory": "8Gi"}},
        "readinessProbe": {"tcpSocket": {"port": "postgres"}, "periodSeconds": 5, "timeoutSeconds": 1},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "data", "mountPath": "/data"},
            {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]})
}

fn labels(name: &str) -> Value {
    json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "synxdb"})
}

fn pod(name: &str, owner: Option<(&str, &Value)>) -> Value {
    let set = owner.map_or(name, |(set, _)| set);
    let owners = owner.map(|(set, uid)| {
        json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": uid, "controller": true,
            "blockOwnerDeletion": true}])
    });
    let volumes =
        owner.map(|_| json!([{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{name}")}}]));
    let time = "2026-11-01T00:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": time});
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    json!({
        "metadata": {"labels": labels(set), "ownerReferences": owners, "managedFields": managed_fields()},
        "spec": {"containers": [container("main")], "nodeName": "node-1", "volumes": volumes, "restartPolicy": "Always",
            "serviceAccountName": "default", "schedulerName": "default-scheduler", "dnsPolicy": "ClusterFirst",
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "hostIP": "10.1.0.1",
            "startTime": time, "qosClass": "Burstable",
            "conditions": conditions.map(condition),
            "containerStatuses": [{"name": "main", "ready": true, "started": true, "restartCount": 0,
                "image": "registry.example.com/synxdb/cloudberry:4.0.0",
                "imageID": format!("registry.example.com/synxdb/cloudberry@sha256:{}", "0".repeat(64)),
                "containerID": format!("containerd://{}", "0".repeat(64)),
                "state": {"running": {"startedAt": time}}}]}})
}

/// A StatefulSet with its pods, claims and volumes.
fn workload(store: &Store, namespace: &str, set: &str, replicas: usize) {
    let template = json!({"metadata": {"labels": labels(set)}, "spec": {"containers": [container("main")]}});
    let claim = json!({"metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}}});
    let object = json!({
        "metadata": {"labels": labels(set), "managedFields": managed_fields()},
        "spec": {"replicas": replicas, "serviceName": set, "template": template, "volumeClaimTemplates": [claim],
            "selector": {"matchLabels": {"app.kubernetes.io/name": set}}},
        "status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}});
    let uid = create(store, "statefulsets", namespace, set, object)["metadata"]["uid"].clone();
    for ordinal in 0..replicas {
        let name = format!("{set}-{ordinal}");
        let (claim, volume) = (format!("data-{name}"), format!("pv-{namespace}-{name}"));
        let object = json!({
            "metadata": {"labels": labels(set), "managedFields": managed_fields()},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}},
                "storageClassName": "standard", "volumeMode": "Filesystem", "volumeName": volume},
            "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "100Gi"}}});
        let of = create(store, "persistentvolumeclaims", namespace, &claim, object)["metadata"]["uid"].clone();
        let object = json!({
            "metadata": {"managedFields": managed_fields()},
            "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "100Gi"}, "storageClassName": "standard",
                "persistentVolumeReclaimPolicy": "Delete", "csi": {"driver": "csi.example.com", "volumeHandle": volume},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim,
                    "uid": of}},
            "status": {"phase": "Bound"}});
        create(store, "persistentvolumes", "", &volume, object);
        create(store, "pods", namespace, &name, pod(&name, Some((set, &uid))));
    }
}

fn populate(store: &Store, members: usize, accounts: usize, unrelated: usize) {
    let namespace = |name: &str| create(store, "namespaces", "", name, json!({"status": {"phase": "Active"}}));
    for name in ["default", "kube-system", "kube-node-lease", "synxdb-system"] {
        namespace(name);
    }
    for (set, replicas) in [("cloudberry-proxy", 1), ("safekeeper", 3), ("pageserver", 1)] {
        workload(store, "synxdb-system", set, replicas);
    }
    let each = members.saturating_sub(5) / accounts.max(1);
    for account in 0..accounts {
        let name = format!("cloud{account:03}-513d75d5-3033-4649-b913-{account:012x}");
        namespace(&name);
        workload(store, &name, "cloudberry-proxy", 1);
        workload(store, &name, "wh9527", each.saturating_sub(1));
    }
    for number in 0..10 {
        namespace(&format!("batch-{number}"));
    }
    for number in 0..unrelated {
        let name = format!("job-{number}");
        create(store, "pods", &format!("batch-{}", number % 10), &name, pod(&name, None));
    }
}

#[tokio::main]
async fn main() {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| panic!("scale FOLDER")));
    let store = Store::new();
    populate(&store, number("MEMBERS", 5005), number("ACCOUNTS", 200), number("UNRELATED", 0));

    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();

    let rbac = Rbac::new(Rules::default(), store.clone());
    let mut state = ApiState::new(store, Arc::new(rbac), Arc::new(Nothing));
    let user = User { name: "bench".into(), groups: vec![MASTERS.into()], ..User::default() };
    state.tokens.insert("bench".into(), user);
    let delay = Duration::from_millis(number("DELAY_MS", 0) as u64);
    if !delay.is_zero() {
        state.faults.add(Rule::on("", "", Fault::Delay(delay)));
    }
    let state = Arc::new(state);
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "scale",
        "clusters": [{"name": "scale", "cluster": {"server": format!("https://{}", listener.local_addr().unwrap()),
            "certificate-authority-data":
                base64::Engine::encode(&base64::engine::general_purpose::STANDARD, cert.pem())}}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
        "contexts": [{"name": "scale", "context": {"cluster": "scale", "user": "bench"}}]});
    std::fs::write(folder.join("kubeconfig"), kubeconfig.to_string()).unwrap();
    tokio::spawn(api::serve(listener, Arc::new(tls), state.clone(), CancellationToken::new()));
    println!("ready");
    let counts = tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lock().lines() {
            println!("{} {}", state.requests.entries().len(), state.requests.connections());
            state.requests.clear();
        }
    });
    counts.await.unwrap();
}
