//! The machine's own kubectl, used like people use it.

use crate::support::Server;
use practice_cluster::store::{DeleteOptions, Key};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

const MANIFEST: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}
provisioner: example.com/none
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: wh}
spec:
  serviceName: wh
  replicas: 1
  selector: {matchLabels: {app: wh}}
  template:
    metadata: {labels: {app: wh}}
    spec: {containers: [{name: pg, image: 'example/pg:1', ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-wh-0}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  storageClassName: standard
  persistentVolumeReclaimPolicy: Delete
  hostPath: {path: /nowhere}
";

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

async fn apply(server: &Server) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), MANIFEST).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(lines(&server.kubectl(&["apply", "-f", path]).await).len(), 4);
    file
}

#[tokio::test]
async fn get_and_describe() {
    let server = Server::start().await;
    let manifest = apply(&server).await;
    let pod = server.running_pod("wh-0", json!({"app": "wh"}));
    let about =
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "wh-0", "uid": pod["metadata"]["uid"]});
    let event = json!({"involvedObject": about, "type": "Normal",
        "reason": "Started", "message": "Started container pg", "count": 1, "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"});
    server.state.store.create(Key::new("events", "ns", "e"), event, false).unwrap();

    let table = lines(&server.kubectl(&["get", "pods,pvc,pv,sts", "-A", "-o", "wide"]).await);
    assert_eq!(table[0], "NAMESPACE NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES");
    assert!(table[1].starts_with("ns pod/wh-0 1/1 Running 0 ") && table[1].ends_with(" 10.0.0.7 node-1 <none> <none>"));
    for expected in [
        "ns persistentvolumeclaim/data-wh-0 Pending standard <unset>",
        "persistentvolume/pv-1 1Gi RWO Delete Pending standard <unset>",
        "ns statefulset.apps/wh 0/1",
    ] {
        assert!(table.iter().any(|line| line.starts_with(expected)), "{expected}: {table:#?}");
    }
    assert_eq!(
        lines(&server.kubectl(&["get", "pods", "-l", "app=wh", "--no-headers", "-o", "name"]).await),
        ["pod/wh-0"]
    );
    assert_eq!(
        server.kubectl(&["get", "pvc", "data-wh-0", "-o", "jsonpath={.spec.storageClassName}"]).await,
        "standard"
    );
    assert!(server.kubectl(&["get", "all"]).await.contains("statefulset.apps/wh"));

    let described = server.kubectl(&["describe", "pod", "wh-0"]).await;
    assert!(described.contains("Started container pg") && described.contains("QoS Class:"), "{described}");
    for what in [["pvc", "data-wh-0"], ["pv", "pv-1"], ["sts", "wh"], ["sc", "standard"], ["ns", "ns"]] {
        assert!(server.kubectl(&["describe", what[0], what[1]]).await.contains(what[1]));
    }
    assert!(
        lines(&server.kubectl(&["get", "events"]).await)[1].ends_with("Normal Started pod/wh-0 Started container pg")
    );
    let events: &[&str] = if server.kubectl_minor().await >= 26 {
        &["events", "--for", "pod/wh-0"]
    } else {
        &["get", "events", "--field-selector", "involvedObject.name=wh-0,involvedObject.kind=Pod"]
    };
    assert!(server.kubectl(events).await.contains("Started container pg"));
    assert!(server.kubectl(&["api-resources"]).await.contains("poddisruptionbudgets"));
    let again = server.kubectl(&["apply", "-f", manifest.path().to_str().unwrap()]).await;
    assert!(again.contains("persistentvolumeclaim/data-wh-0 unchanged"), "{again}");
}

#[tokio::test]
async fn changes() {
    let server = Server::start().await;
    let _manifest = apply(&server).await;
    server.running_pod("wh-0", json!({"app": "wh"}));
    server.kubectl(&["label", "pod", "wh-0", "tier=hot"]).await;
    server.kubectl(&["annotate", "pvc", "data-wh-0", "note=x"]).await;
    let retain = r#"{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}"#;
    for kind in ["strategic", "merge"] {
        server.kubectl(&["patch", "pv", "pv-1", "--type", kind, "-p", retain]).await;
    }
    assert_eq!(
        server.kubectl(&["get", "pv", "pv-1", "-o", "jsonpath={.spec.persistentVolumeReclaimPolicy}"]).await,
        "Retain"
    );
    server.kubectl(&["scale", "sts", "wh", "--replicas=3"]).await;
    assert_eq!(
        server.kubectl(&["get", "sts", "wh", "-o", "jsonpath={.spec.replicas}{.metadata.generation}"]).await,
        "32"
    );
    server.kubectl(&["create", "configmap", "c", "--from-literal=a=b"]).await;
    assert!(server.kubectl_fails(&["create", "configmap", "c"]).await.contains("configmaps \"c\" already exists"));
    assert!(
        server.kubectl_fails(&["get", "pod", "x"]).await.contains("Error from server (NotFound): pods \"x\" not found")
    );

    let rehearsal: &[&str] = if server.kubectl_minor().await >= 27 {
        &["delete", "pod", "wh-0", "--dry-run=server"]
    } else {
        // It looks for dryRun in OpenAPI v2, of which the practice server has none.
        &["delete", "--raw", "/api/v1/namespaces/ns/pods/wh-0?dryRun=All"]
    };
    server.kubectl(rehearsal).await;
    assert!(server.kubectl(&["get", "pod", "wh-0"]).await.contains("Running"), "a rehearsal deletes nothing");
    let waiting = server.command("admin", &["delete", "pod", "wh-0"]).spawn().unwrap();
    let mut watcher = server.state.store.watch(server.state.store.version() - 1).unwrap();
    loop {
        let change = watcher.next().await.unwrap();
        if change.key.resource == "pods" && change.object["metadata"]["deletionTimestamp"].is_string() {
            break;
        }
    }
    // The node's controller would do this after the pod has stopped.
    let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    server.state.store.delete(&Key::new("pods", "ns", "wh-0"), &now).unwrap();
    assert!(waiting.wait_with_output().await.unwrap().status.success(), "delete waits until the pod is gone");

    server.kubectl(&["delete", "pvc", "data-wh-0", "--wait=false"]).await;
    assert!(lines(&server.kubectl(&["get", "pvc"]).await)[1].starts_with("data-wh-0 Terminating"));
    server
        .kubectl(&[
            "patch",
            "pvc",
            "data-wh-0",
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/metadata/finalizers"}]"#,
        ])
        .await;
    // Before 1.21, waiting for a deleted object was an error, with this message.
    let (done, _, said) = server.kubectl_as("admin", &["wait", "--for=delete", "pvc/data-wh-0", "--timeout=10s"]).await;
    assert!(done || (server.kubectl_minor().await < 21 && said.contains("no matching resources found")), "{said}");
    assert!(server.kubectl_fails(&["get", "pvc", "data-wh-0"]).await.contains("NotFound"));
    server.kubectl(&["delete", "sts", "wh"]).await;
}

#[tokio::test]
async fn permissions() {
    let server = Server::start_with("deny: [{verbs: [delete], resources: [persistentvolumeclaims]}]").await;
    assert_eq!(server.kubectl(&["auth", "can-i", "delete", "pods"]).await, "yes\n");
    let (allowed, answer, _) = server.kubectl_as("admin", &["auth", "can-i", "delete", "pvc"]).await;
    assert!(!allowed && answer.starts_with("no"), "{answer}");
    assert!(
        server
            .kubectl_fails(&["delete", "pvc", "x"])
            .await
            .starts_with("Error from server (Forbidden): persistentvolumeclaims \"x\" is forbidden")
    );
    let listed = server.kubectl(&["auth", "can-i", "--list"]).await;
    let claims = listed.lines().find(|line| line.starts_with("persistentvolumeclaims ")).unwrap();
    assert!(claims.contains("get") && !claims.contains("delete "), "{claims}");
    if server.kubectl_minor().await >= 28 {
        assert!(server.kubectl(&["auth", "whoami"]).await.contains("system:masters"));
        let jane = server.kubectl(&["auth", "whoami", "--as", "jane", "--as-group", "dba"]).await;
        assert!(jane.contains("[dba system:authenticated]"), "{jane}");
    } else {
        let review = serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), review.to_string()).unwrap();
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let ask = ["create", "--raw", path, "-f", file.path().to_str().unwrap()];
        assert!(server.kubectl(&ask).await.contains("system:masters"));
        let jane = server.kubectl(&[&ask[..], &["--as", "jane", "--as-group", "dba"]].concat()).await;
        assert!(jane.contains("\"dba\"") && jane.contains("\"system:authenticated\""), "{jane}");
    }
    let (_, _, refused) = server.kubectl_as("reader", &["delete", "pod", "x"]).await;
    assert!(refused.contains("User \"reader\" cannot delete resource \"pods\""), "{refused}");
    let (_, _, refused) = server.kubectl_as("stranger", &["get", "pods"]).await;
    assert!(refused.contains("You must be logged in to the server"), "{refused}");
}

#[tokio::test]
async fn watching_and_waiting() {
    let server = Server::start().await;
    let pod = server.running_pod("wh-0", json!({"app": "wh"}));
    let mut watching = server.command("admin", &["get", "pods", "-A", "-w"]).spawn().unwrap();
    let mut output = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = async || output.next_line().await.unwrap().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(next().await, "NAMESPACE NAME READY STATUS RESTARTS AGE");
    assert!(next().await.starts_with("ns wh-0 1/1 Running 0"));
    let key = Key::new("pods", "ns", "wh-0");
    server.state.store.delete(&key, &DeleteOptions::default()).unwrap();
    assert!(next().await.starts_with("ns wh-0 1/1 Terminating 0"));
    server.state.store.delete(&key, &DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).unwrap();
    assert!(next().await.starts_with("ns wh-0 1/1 Terminating 0"));
    let replacement = server.running_pod("wh-0", json!({"app": "wh"}));
    assert_ne!(pod["metadata"]["uid"], replacement["metadata"]["uid"]);
    assert!(next().await.starts_with("ns wh-0 1/1 Running 0"));
    watching.kill().await.unwrap();
    server.kubectl(&["wait", "--for=condition=Ready", "pod/wh-0", "--timeout=10s"]).await;
    let failed = server.kubectl_fails(&["wait", "--for=condition=Ready", "pod/none", "--timeout=1s"]).await;
    assert!(failed.contains("pods \"none\" not found"), "{failed}");
}
