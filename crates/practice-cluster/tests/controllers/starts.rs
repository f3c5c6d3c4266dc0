//! Pods that cannot start or do not get ready, and what is reported about them.

use crate::support::*;
use practice_cluster::store::{Key, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::{Value, json};

async fn without_sql() -> Sandbox {
    start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await
}

/// Creates a pod of one container in namespace `default`.
fn create(store: &Store, name: &str, labels: Value, container: Value, spec: Value) {
    let mut container = container;
    container["name"] = json!("main");
    if container["image"].is_null() {
        container["image"] = json!("synxdb/safekeeper:4.0.0");
    }
    let mut spec = spec;
    spec["containers"] = json!([container]);
    store
        .create(Key::new("pods", "default", name), json!({"metadata": {"labels": labels}, "spec": spec}), false)
        .unwrap();
}

fn waiting(store: &Store, name: &str) -> (String, String) {
    let pod = pod(store, "default", name).unwrap();
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    let text = |field: &str| waiting[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

fn said(store: &Store, name: &str, reason: &str) -> Vec<String> {
    let mut said = events(store, "default", name, reason);
    said.sort();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_nowhere_is_not_pulled() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let image = "registry.invalid/tool:1";
    create(store, "never", json!({}), json!({"image": image, "imagePullPolicy": "Never"}), json!({}));
    create(store, "pulled", json!({}), json!({"image": image}), json!({}));
    until(store, "it is refused", |store| waiting(store, "never").0 == "ErrImageNeverPull").await;
    let never = "Container image \"registry.invalid/tool:1\" is not present with pull policy of Never";
    assert_eq!(waiting(store, "never").1, never);
    assert_eq!(said(store, "never", "ErrImageNeverPull"), [never]);
    assert_eq!(said(store, "never", "Failed"), ["Error: ErrImageNeverPull"]);
    assert_eq!(pod(store, "default", "never").unwrap()["status"]["phase"], "Pending");

    until(store, "the pull fails", |store| waiting(store, "pulled").0 == "ErrImagePull").await;
    let why = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.invalid/tool:1\": failed to \
               resolve reference \"registry.invalid/tool:1\": registry.invalid/tool:1: not found";
    assert_eq!(waiting(store, "pulled").1, why);
    until(store, "it backs off", |store| waiting(store, "pulled").0 == "ImagePullBackOff").await;
    let back_off = "Back-off pulling image \"registry.invalid/tool:1\"";
    assert_eq!(waiting(store, "pulled").1, format!("{back_off}: ErrImagePull: {why}"));
    assert_eq!(said(store, "pulled", "Pulling"), ["Pulling image \"registry.invalid/tool:1\""]);
    assert_eq!(said(store, "pulled", "BackOff"), [back_off]);
    let failed = [
        "Error: ErrImagePull".to_owned(),
        "Error: ImagePullBackOff".to_owned(),
        format!("Failed to pull image \"{image}\": {why}"),
    ];
    assert_eq!(said(store, "pulled", "Failed"), failed);

    // Another image fixes it immediately.
    for name in ["never", "pulled"] {
        update(store, &Key::new("pods", "default", name), |pod| {
            pod["spec"]["containers"][0]["image"] = json!("synxdb/safekeeper:4.0.0");
        });
        until(store, "it runs", |store| is_ready(&pod(store, "default", name).unwrap())).await;
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_what_the_probe_finds() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let page = json!({"app.kubernetes.io/component": "safekeeper"});
    let database = json!({"app.kubernetes.io/component": "warehouse"});
    let port = json!([{"name": "postgres", "containerPort": 5432}]);
    let ip = |name: &str| pod(store, "default", name).unwrap()["status"]["podIP"].as_str().unwrap().to_owned();
    let refused = |name: &str, port: u16| format!("dial tcp {}:{port}: connect: connection refused", ip(name));
    let probe = |name: &str, labels: &Value, mut probe: Value| {
        probe["periodSeconds"] = json!(1);
        create(store, name, labels.clone(), json!({"readinessProbe": probe, "ports": port}), json!({}));
    };
    probe("tcp", &database, json!({"tcpSocket": {"port": "postgres"}}));
    probe("http", &page, json!({"httpGet": {"port": 7676, "path": "/v1/status"}, "successThreshold": 1}));
    probe("ready", &database, json!({"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}}));
    for name in ["tcp", "http", "ready"] {
        until(store, "its probe passes", |store| is_ready(&pod(store, "default", name).unwrap())).await;
        assert_eq!(said(store, name, "Unhealthy"), Vec::<String>::new());
    }
    probe("tcp-elsewhere", &database, json!({"tcpSocket": {"port": 9999}}));
    probe("http-elsewhere", &page, json!({"httpGet": {"port": 9999, "path": "/x"}}));
    probe("page", &page, json!({"httpGet": {"port": 7676, "path": "/none"}}));
    probe("false", &page, json!({"exec": {"command": ["/bin/false"]}}));
    probe("shell", &page, json!({"exec": {"command": ["sh", "-c", "exit 1"]}}));
    probe("unnamed", &page, json!({"tcpSocket": {"port": "none"}}));
    let failing = ["tcp-elsewhere", "http-elsewhere", "page", "false", "shell", "unnamed"];
    for name in failing {
        until(store, "its probe fails", |store| !said(store, name, "Unhealthy").is_empty()).await;
        let pod = pod(store, "default", name).unwrap();
        assert!(pod["status"]["phase"] == "Running" && !is_ready(&pod), "{name}");
        assert_eq!(condition(&pod, "Ready")["reason"], "ContainersNotReady", "{name}");
    }
    let expected = [
        format!("Readiness probe failed: {}", refused("tcp-elsewhere", 9999)),
        format!(
            "Readiness probe failed: Get \"http://{}:9999/x\": {}",
            ip("http-elsewhere"),
            refused("http-elsewhere", 9999)
        ),
        "Readiness probe failed: HTTP probe failed with statuscode: 404".to_owned(),
        "Readiness probe failed: ".to_owned(),
        "Readiness probe failed: ".to_owned(),
        "Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing \"none\": invalid syntax"
            .to_owned(),
    ];
    for (name, expected) in failing.into_iter().zip(expected) {
        assert_eq!(said(store, name, "Unhealthy"), [expected], "{name}");
    }
    // A container without a probe is ready when it runs.
    create(store, "bare", json!({}), json!({}), json!({}));
    until(store, "it is ready", |store| is_ready(&pod(store, "default", "bare").unwrap())).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_begins_after_its_delay_and_counts_successes() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let probe =
        json!({"tcpSocket": {"port": 7676}, "initialDelaySeconds": 1, "periodSeconds": 1, "successThreshold": 2});
    let labels = json!({"app.kubernetes.io/component": "safekeeper"});
    create(store, "p", labels, json!({"readinessProbe": probe}), json!({}));
    until(store, "it runs", |store| pod(store, "default", "p").unwrap()["status"]["phase"] == "Running").await;
    let running = std::time::Instant::now();
    until(store, "it is ready", |store| is_ready(&pod(store, "default", "p").unwrap())).await;
    // The delay, and a period between the two successes, minus the time before this test saw it run.
    assert!(running.elapsed() > std::time::Duration::from_millis(1500), "ready after {:?}", running.elapsed());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_no_node_takes_says_why() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let preemption = "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    let refused = async |name: &str, why: &str| {
        let expected = format!("0/2 nodes are available: {why}. {preemption}");
        until(store, why, |store| said(store, name, "FailedScheduling").contains(&expected)).await;
        let pod = pod(store, "default", name).unwrap();
        let scheduled = condition(&pod, "PodScheduled");
        assert_eq!(
            (scheduled["status"].as_str(), scheduled["reason"].as_str()),
            (Some("False"), Some("Unschedulable"))
        );
        assert_eq!(scheduled["message"], expected);
    };
    create(store, "selector", json!({}), json!({}), json!({"nodeSelector": {"disk": "fast"}}));
    refused("selector", "2 node(s) didn't match Pod's node affinity/selector").await;
    let terms =
        json!([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["node-1"]}]}]);
    let affinity =
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
    let cordon = |node: &str, cordoned: bool| {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(cordoned));
    };
    cordon("node-2", true);
    create(store, "cordoned", json!({}), json!({}), json!({"affinity": affinity}));
    refused("cordoned", "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable").await;
    cordon("node-2", false);
    until(store, "it is on the node", |store| {
        pod(store, "default", "cordoned").unwrap()["spec"]["nodeName"] == "node-2"
    })
    .await;
    // A label that comes later counts, too.
    update(store, &Key::new("nodes", "", "node-1"), |node| node["metadata"]["labels"]["disk"] = json!("fast"));
    until(store, "it is on the node", |store| {
        pod(store, "default", "selector").unwrap()["spec"]["nodeName"] == "node-1"
    })
    .await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_no_class_keeps_its_pod_pending() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let claim = |name: &str, class: &str| {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class,
                          "resources": {"requests": {"storage": "1Gi"}}});
        store.create(Key::new(CLAIMS, "default", name), json!({"spec": spec}), false).unwrap();
        let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}]);
        create(store, name, json!({}), json!({}), json!({"volumes": volumes}));
    };
    let class = json!({"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"});
    store.create(Key::new("storageclasses", "", "by-hand"), class, false).unwrap();
    for (name, class, event, why, refusal) in [
        (
            "missing",
            "no-such",
            "ProvisioningFailed",
            "storageclass.storage.k8s.io \"no-such\" not found",
            "pod has unbound immediate PersistentVolumeClaims",
        ),
        (
            "none",
            "",
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
            "pod has unbound immediate PersistentVolumeClaims",
        ),
        ("by-hand", "by-hand", "", "", "2 node(s) didn't find available persistent volumes to bind"),
    ] {
        claim(name, class);
        let expected = format!("0/2 nodes are available: {refusal}.");
        until(store, name, |store| {
            let failed = said(store, name, "FailedScheduling");
            failed.iter().any(|message| message.starts_with(&expected))
                && (event.is_empty() || said(store, name, event) == [why])
        })
        .await;
        let claim = store.get(&Key::new(CLAIMS, "default", name)).unwrap();
        assert_eq!(claim["status"]["phase"], "Pending", "{name}");
    }
    // The last one waits for a volume created by hand.
    let spec = json!({"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "by-hand",
                      "hostPath": {"path": "/nowhere"}});
    store.create(Key::new(VOLUMES, "", "by-hand"), json!({"spec": spec}), false).unwrap();
    until(store, "it runs", |store| is_ready(&pod(store, "default", "by-hand").unwrap())).await;
    assert_eq!(volume_of(store, "default", "by-hand"), "by-hand");
    sandbox.stop().await;
}

/// A container that fails its liveness probe is restarted, even if it is Ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_fails_its_liveness_probe_is_started_again() {
    let sandbox = without_sql().await;
    let store = sandbox.store();
    let probe = json!({"tcpSocket": {"port": 1}, "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1});
    create(store, "crashes", json!({}), json!({"livenessProbe": probe}), json!({"terminationGracePeriodSeconds": 1}));
    until(store, "it is Ready", |store| pod(store, "default", "crashes").is_some_and(|pod| is_ready(&pod))).await;
    until(store, "it is started again", |store| {
        let pod = pod(store, "default", "crashes").unwrap();
        pod["status"]["containerStatuses"][0]["restartCount"] == 1
    })
    .await;
    let status = &pod(store, "default", "crashes").unwrap()["status"]["containerStatuses"][0];
    assert!(status["lastState"]["terminated"]["exitCode"].is_u64(), "{status:#}");
    assert!(said(store, "crashes", "Unhealthy")[0].starts_with("Liveness probe failed: dial tcp "));
    assert_eq!(said(store, "crashes", "Killing"), ["Container main failed liveness probe, will be restarted"]);
    sandbox.stop().await;
}
