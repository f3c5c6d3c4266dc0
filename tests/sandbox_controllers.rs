//! The practice cluster's controllers and workloads: what Kubernetes' own would do, in their order, and what
//! SynxDB's components would answer.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kubectl_synxdb::sandbox::store::{Change, ChangeKind, DeleteOptions, Key, Preconditions, Store};
use kubectl_synxdb::sandbox::{Options, PostgresChoice, Sandbox};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres::{Client, NoTls};

const SYSTEM: &str = "synxdb-system";
const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";

/// Far more than anything here takes: a test that hangs fails.
const LIMIT: Duration = Duration::from_secs(60);

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {LIMIT:?}"),
    }
}

async fn start_with(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    within("all pods are ready", sandbox.settled()).await.unwrap();
    sandbox
}

async fn start(scenario: &str) -> Sandbox {
    start_with(Options { scenario: scenario.to_owned(), ..Options::default() }).await
}

/// Waits until something holds of the store.
async fn until(store: &Store, what: &str, holds: impl Fn(&Store) -> bool) {
    within(what, async {
        loop {
            let since = store.version();
            if holds(store) {
                return;
            }
            // History that is forgotten meanwhile is a change too.
            if let Ok(mut watcher) = store.watch(since) {
                watcher.next().await;
            }
        }
    })
    .await;
}

fn pod(store: &Store, namespace: &str, name: &str) -> Option<Arc<Value>> {
    store.get(&Key::new("pods", namespace, name))
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    let none = &Value::Null;
    object["status"]["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(none)
}

fn is_ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
}

fn delete(store: &Store, resource: &'static str, namespace: &str, name: &str) -> Arc<Value> {
    store.delete(&Key::new(resource, namespace, name), &DeleteOptions::default()).unwrap().0
}

fn update(store: &Store, key: &Key, change: impl FnOnce(&mut Value)) {
    let change = |object: &mut Value| {
        change(object);
        Ok(())
    };
    store.update(key, &Preconditions::default(), false, change).unwrap();
}

/// Deletes a pod, with its claims if wanted, and waits until another one of its name is ready.
async fn replace(store: &Store, namespace: &str, name: &str, claims: &[&str]) {
    for claim in claims {
        delete(store, CLAIMS, namespace, claim);
    }
    let old = delete(store, "pods", namespace, name);
    until_replaced(store, namespace, name, uid(&old)).await;
}

async fn until_replaced(store: &Store, namespace: &str, name: &str, old: &str) {
    until(store, &format!("{name} is replaced and ready"), |store| {
        pod(store, namespace, name).is_some_and(|pod| uid(&pod) != old && is_ready(&pod))
    })
    .await;
}

fn events(store: &Store, namespace: &str, name: &str, reason: &str) -> Vec<String> {
    let events = store.list("events", Some(namespace)).0;
    let about = |event: &&Arc<Value>| event["involvedObject"]["name"] == name && event["reason"] == reason;
    events.iter().filter(about).map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

fn volume_of(store: &Store, namespace: &str, claim: &str) -> String {
    let claim = store.get(&Key::new(CLAIMS, namespace, claim)).unwrap();
    claim["spec"]["volumeName"].as_str().unwrap().to_owned()
}

async fn connect(
    sandbox: &Sandbox,
    namespace: &str,
    pod: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let stream = sandbox.connect(namespace, pod, 5432).unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user("gpadmin").dbname(database);
    let (client, connection) = within("login", config.connect_raw(stream, NoTls)).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The first column of every row, as text.
async fn query(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

const PROJECTS: &str = "SELECT project_name FROM projects ORDER BY project_id";
const SEEDED: [&str; 3] = ["Project Alpha", "Project Beta", "Project Gamma"];

async fn get(sandbox: &Sandbox, pod: &str, port: u16, path: &str) -> String {
    let mut stream = sandbox.connect(SYSTEM, pod, port).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {pod}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the status page answers", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Words a change of the account's wh9527-0, its claim, or an event about them; `None` for others.
fn step(change: &Change) -> Option<String> {
    let (object, name) = (&change.object, change.key.name.as_str());
    let going = object["metadata"]["deletionTimestamp"].is_string();
    match (change.key.resource, name, change.kind) {
        (CLAIMS, "data-wh9527-0", ChangeKind::Added) => Some("claim created".to_owned()),
        (CLAIMS, "data-wh9527-0", ChangeKind::Deleted) => Some("claim gone".to_owned()),
        (CLAIMS, "data-wh9527-0", _) if going => Some("claim terminating".to_owned()),
        (CLAIMS, "data-wh9527-0", _) => Some(format!("claim {}", object["status"]["phase"].as_str().unwrap())),
        ("pods", "wh9527-0", ChangeKind::Added) => Some("pod created".to_owned()),
        ("pods", "wh9527-0", ChangeKind::Deleted) => Some("pod gone".to_owned()),
        ("pods", "wh9527-0", _) => {
            let state = &object["status"]["containerStatuses"][0]["state"];
            let phase = object["status"]["phase"].as_str().unwrap();
            Some(match () {
                () if going => format!("pod terminating, {phase}"),
                () if is_ready(object) => "pod Ready".to_owned(),
                () if state["running"].is_object() => "pod Running".to_owned(),
                () if state["waiting"]["reason"] == "ContainerCreating" => "pod ContainerCreating".to_owned(),
                () if object["spec"]["nodeName"].is_string() => "pod scheduled".to_owned(),
                () => format!("pod {phase}"),
            })
        }
        ("events", _, ChangeKind::Added) if object["reason"] == "FailedCreate" => {
            Some(object["message"].as_str().unwrap().to_owned())
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_and_its_pod_are_replaced_in_kubernetes_order() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let old_volume = volume_of(store, ACCOUNT, "data-wh9527-0");
    let mut watcher = store.watch(store.version()).unwrap();
    replace(store, ACCOUNT, "wh9527-0", &["data-wh9527-0"]).await;
    let mut steps: Vec<String> = Vec::new();
    while steps.last().is_none_or(|last| last != "pod Ready") {
        let change = within("the next change", watcher.next()).await.unwrap();
        if change.key.namespace == ACCOUNT
            && let Some(step) = step(&change)
            && !steps.contains(&step)
        {
            steps.push(step);
        }
    }
    let expected = [
        "claim terminating",
        "pod terminating, Running",
        "pod terminating, Succeeded",
        "pod gone",
        "create Pod wh9527-0 in StatefulSet wh9527 failed error: pvc data-wh9527-0 is being deleted",
        "claim gone",
        "claim created",
        "pod created",
        "claim Pending",
        "claim Bound",
        "pod scheduled",
        "pod ContainerCreating",
        "pod Running",
        "pod Ready",
    ];
    assert_eq!(steps, expected);
    assert_ne!(volume_of(store, ACCOUNT, "data-wh9527-0"), old_volume);
    // Its reclaim policy is Delete.
    let key = Key::new(VOLUMES, "", old_volume.as_str());
    until(store, "the old volume is gone", |store| store.get(&key).is_none()).await;
    let created = events(store, ACCOUNT, "wh9527", "SuccessfulCreate");
    for message in [
        "create Claim data-wh9527-0 Pod wh9527-0 in StatefulSet wh9527 success",
        "create Pod wh9527-0 in StatefulSet wh9527 successful",
    ] {
        assert!(created.iter().any(|known| known == message), "{created:?}");
    }
    for reason in ["Scheduled", "SuccessfulAttachVolume", "Pulled", "Created", "Started", "Killing"] {
        assert!(!events(store, ACCOUNT, "wh9527-0", reason).is_empty(), "no {reason} event");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_in_use_stays_until_its_pod_is_gone() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let claim = delete(store, CLAIMS, SYSTEM, "data-safekeeper-0");
    // Whatever the controllers do about it they do before a later, unrelated replacement is through.
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    let now = store.get(&Key::new(CLAIMS, SYSTEM, "data-safekeeper-0")).expect("the claim is still there");
    assert!(uid(&now) == uid(&claim) && now["metadata"]["deletionTimestamp"].is_string());
    // And so does a bound volume.
    let volume = volume_of(store, SYSTEM, "data-safekeeper-1");
    delete(store, VOLUMES, "", &volume);
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    assert!(store.get(&Key::new(VOLUMES, "", volume.as_str())).is_some());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_pod_needs_one_more_delete() {
    let sandbox = start("stuck-claim").await;
    let store = sandbox.store();
    let claim = delete(store, CLAIMS, ACCOUNT, "data-wh9527-0");
    let old = delete(store, "pods", ACCOUNT, "wh9527-0");
    until(store, "the scheduler misses the claim", |store| {
        events(store, ACCOUNT, "wh9527-0", "FailedScheduling").iter().any(|message| message.contains("not found"))
    })
    .await;
    let failed = events(store, ACCOUNT, "wh9527-0", "FailedScheduling");
    let expected = "0/2 nodes are available: persistentvolumeclaim \"data-wh9527-0\" not found.";
    assert!(failed.iter().any(|message| message.starts_with(expected)), "{failed:?}");
    // Nothing heals it: a replacement elsewhere goes through all controllers meanwhile.
    replace(store, SYSTEM, "safekeeper-2", &[]).await;
    let stuck = pod(store, ACCOUNT, "wh9527-0").unwrap();
    assert_ne!(uid(&stuck), uid(&old));
    assert_eq!(stuck["status"]["phase"], "Pending");
    assert_eq!(condition(&stuck, "PodScheduled")["reason"], "Unschedulable");
    assert!(store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-0")).is_none());
    // One more delete, and another failover of the same pod, go the normal way.
    replace(store, ACCOUNT, "wh9527-0", &[]).await;
    let new = store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-0")).unwrap();
    assert_ne!(uid(&new), uid(&claim));
    replace(store, ACCOUNT, "wh9527-0", &["data-wh9527-0"]).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_claim_of_a_pending_pod_is_made_again() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    // No node takes the replacement: it stays Pending, unscheduled, while its claim goes.
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(true));
    }
    delete(store, "pods", SYSTEM, "safekeeper-0");
    until(store, "the replacement cannot be scheduled", |store| {
        let failed = events(store, SYSTEM, "safekeeper-0", "FailedScheduling");
        failed.iter().any(|message| message.contains("2 node(s) were unschedulable"))
    })
    .await;
    let old = delete(store, CLAIMS, SYSTEM, "data-safekeeper-0");
    let key = Key::new(CLAIMS, SYSTEM, "data-safekeeper-0");
    until(store, "the claim is made again", |store| store.get(&key).is_some_and(|new| uid(&new) != uid(&old))).await;
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(false));
    }
    within("all pods are ready", sandbox.settled()).await.unwrap();
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_answer_and_survive_a_new_disk() {
    let sandbox = start("healthy").await;
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await, SEEDED);
    let meta = connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap();
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
                  ORDER BY 1";
    assert_eq!(query(&meta, tables).await, ["accounts", "organizations", "users", "warehouses"]);
    assert_eq!(query(&meta, "SELECT name FROM warehouses").await, ["wh9527"]);
    client.batch_execute("INSERT INTO projects (project_name) VALUES ('Mine')").await.unwrap();
    replace(sandbox.store(), ACCOUNT, "cloudberry-proxy-0", &["data-cloudberry-proxy-0"]).await;
    assert!(client.query("SELECT 1", &[]).await.is_err(), "the old connection is still served");
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await.len(), 4);
    assert_eq!(query(&meta, "SELECT name FROM accounts").await, ["cloud007"]);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_answers_only_while_all_its_nodes_are_ready() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    let meta = connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap();
    // No node takes the replacement, so that the warehouse stays short of one for as long as this test looks.
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(true));
    }
    delete(store, "pods", ACCOUNT, "wh9527-1");
    until(store, "the node is gone", |store| {
        pod(store, ACCOUNT, "wh9527-1").is_some_and(|pod| pod["spec"]["nodeName"].is_null())
    })
    .await;
    assert!(within("the connection is cut", client.query("SELECT pg_sleep(600)", &[])).await.is_err());
    let error = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap_err();
    let error = error.as_db_error().expect("refused in the protocol");
    assert_eq!(error.code().code(), "57P03");
    let expected = "the database system is not accepting connections: 1 of 2 nodes of warehouse wh9527 are ready";
    assert_eq!(error.message(), expected);
    assert_eq!(query(&meta, "SELECT name FROM accounts").await, ["cloud007"]);
    for node in ["node-1", "node-2"] {
        update(store, &Key::new("nodes", "", node), |node| node["spec"]["unschedulable"] = json!(false));
    }
    within("all pods are ready", sandbox.settled()).await.unwrap();
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await, SEEDED);
    // A node itself refuses as a segment does.
    let error = connect(&sandbox, ACCOUNT, "wh9527-0", "test_db").await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "connections to primary segments are not allowed");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_safekeepers_and_the_pageserver_does_not_interrupt_sql() {
    let sandbox = start("healthy").await;
    let clients = [
        connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap(),
        connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap(),
    ];
    replace(sandbox.store(), SYSTEM, "safekeeper-0", &["data-safekeeper-0"]).await;
    replace(sandbox.store(), SYSTEM, "pageserver-0", &["data-pageserver-0", "cache-pageserver-0"]).await;
    for client in &clients {
        assert_eq!(query(client, "SELECT 'still here'::text").await, ["still here"]);
    }
    let pages = [("safekeeper-0", 7676, r#"{"id":1}"#), ("safekeeper-2", 7676, r#"{"id":3}"#)];
    for (pod, port, status) in pages.into_iter().chain([("pageserver-0", 9898, r#"{"id":1}"#)]) {
        let answer = get(&sandbox, pod, port, "/v1/status").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(status), "{pod}: {answer}");
    }
    let metrics = get(&sandbox, "pageserver-0", 9898, "/metrics").await;
    assert!(metrics.contains("pageserver_tenant_states_count{state=\"Active\"} 1\n"), "{metrics}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_local_disk_a_new_disk_loses_the_rows_and_the_old_one_has_them() {
    let sandbox = start("local-disk").await;
    let store = sandbox.store();
    let claim = "data-cloudberry-proxy-0";
    let retain = |name: &str| {
        let key = Key::new(VOLUMES, "", name);
        update(store, &key, |volume| volume["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain"));
        key
    };
    let old = retain(&volume_of(store, ACCOUNT, claim));
    replace(store, ACCOUNT, "cloudberry-proxy-0", &[claim]).await;
    assert_eq!(store.get(&old).unwrap()["status"]["phase"], "Released");
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "postgres").await.unwrap();
    let databases = "SELECT datname::text FROM pg_database WHERE NOT datistemplate ORDER BY 1";
    assert_eq!(query(&client, databases).await, ["postgres"]);
    // The metadata proxy makes its database, but not what was in it.
    replace(store, SYSTEM, "cloudberry-proxy-0", &[claim]).await;
    let meta = connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap();
    let tables = "SELECT count(*)::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    assert_eq!(query(&meta, tables).await, ["0"]);
    // The way back: the old volume is reserved for the claim, and the present one is kept too.
    update(store, &old, |volume| {
        let reference = volume["spec"]["claimRef"].as_object_mut().unwrap();
        reference.shift_remove("uid");
        reference.shift_remove("resourceVersion");
    });
    until(store, "the old volume is available", |store| store.get(&old).unwrap()["status"]["phase"] == "Available")
        .await;
    retain(&volume_of(store, ACCOUNT, claim));
    replace(store, ACCOUNT, "cloudberry-proxy-0", &[claim]).await;
    assert_eq!(volume_of(store, ACCOUNT, claim), old.name);
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await, SEEDED);
    // A pageserver that lost its disk serves no tenants.
    replace(store, SYSTEM, "pageserver-0", &["data-pageserver-0"]).await;
    let metrics = get(&sandbox, "pageserver-0", 9898, "/metrics").await;
    assert!(metrics.contains("pageserver_tenant_states_count{state=\"Active\"} 0\n"), "{metrics}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_quorum_one_safekeeper_runs_and_is_never_ready() {
    let sandbox = start("no-quorum").await;
    let store = sandbox.store();
    until(store, "its probe fails", |store| !events(store, SYSTEM, "safekeeper-1", "Unhealthy").is_empty()).await;
    let unwell = pod(store, SYSTEM, "safekeeper-1").unwrap();
    assert!(unwell["status"]["phase"] == "Running" && !is_ready(&unwell));
    let unhealthy = events(store, SYSTEM, "safekeeper-1", "Unhealthy");
    assert_eq!(unhealthy, ["Readiness probe failed: HTTP probe failed with statuscode: 503"]);
    assert!(get(&sandbox, "safekeeper-1", 7676, "/v1/status").await.starts_with("HTTP/1.1 503"));
    for well in ["safekeeper-0", "safekeeper-2"] {
        assert!(is_ready(&pod(store, SYSTEM, well).unwrap()));
    }
    sandbox.stop().await;
}

async fn kube(sandbox: &Sandbox) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(sandbox.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scenario_forbids_is_refused_and_reviewed_alike() {
    use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
    use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
    let sandbox = start("forbidden").await;
    let client = kube(&sandbox).await;
    let claims: kube::Api<PersistentVolumeClaim> = kube::Api::namespaced(client.clone(), ACCOUNT);
    let error = claims.delete("data-wh9527-0", &Default::default()).await.unwrap_err();
    let kube::Error::Api(status) = &error else { panic!("{error}") };
    assert_eq!(status.code, 403);
    let expected =
        "persistentvolumeclaims \"data-wh9527-0\" is forbidden: User \"sandbox-admin\" cannot delete resource";
    assert!(status.message.starts_with(expected), "{}", status.message);
    let reviews: kube::Api<SelfSubjectAccessReview> = kube::Api::all(client.clone());
    for (resource, allowed) in [("persistentvolumeclaims", false), ("pods", true)] {
        let attributes = json!({"verb": "delete", "resource": resource, "namespace": ACCOUNT});
        let review = serde_json::from_value(json!({"spec": {"resourceAttributes": attributes}})).unwrap();
        let answer = reviews.create(&Default::default(), &review).await.unwrap();
        assert_eq!(answer.status.unwrap().allowed, allowed, "{resource}");
    }
    let pods: kube::Api<Pod> = kube::Api::namespaced(client, ACCOUNT);
    let old = pods.get("wh9527-0").await.unwrap().metadata.uid.unwrap();
    pods.delete("wh9527-0", &Default::default()).await.unwrap();
    until_replaced(sandbox.store(), ACCOUNT, "wh9527-0", &old).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_answers_through_a_port_forward_of_the_api() {
    let sandbox = start("healthy").await;
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::namespaced(kube(&sandbox).await, ACCOUNT);
    let mut forwards = Vec::new();
    let mut clients = Vec::new();
    // Several connections at once.
    for _ in 0..3 {
        let mut forward = within("port-forward", pods.portforward("cloudberry-proxy-0", &[5432])).await.unwrap();
        let stream = forward.take_stream(5432).unwrap();
        let mut config = tokio_postgres::Config::new();
        config.user("gpadmin").dbname("test_db");
        let (client, connection) = within("login", config.connect_raw(stream, NoTls)).await.unwrap();
        tokio::spawn(connection);
        forwards.push(forward);
        clients.push(client);
    }
    for client in &clients {
        assert_eq!(query(client, PROJECTS).await, SEEDED);
    }
    let logs = pods.logs("cloudberry-proxy-0", &Default::default()).await.unwrap();
    assert!(logs.contains("database system is ready to accept connections"), "{logs}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_start_is_slow_for_replacements_only() {
    let scenario = "slow-start".to_owned();
    let options = Options { scenario, replaced_pod_ready_seconds: Some(2.5), ..Options::default() };
    let sandbox = start_with(options).await;
    let store = sandbox.store();
    let deleted = Instant::now();
    let old = delete(store, "pods", ACCOUNT, "cloudberry-proxy-0");
    until(store, "the new pod runs", |store| {
        let new = pod(store, ACCOUNT, "cloudberry-proxy-0");
        new.is_some_and(|new| uid(&new) != uid(&old) && new["status"]["phase"] == "Running")
    })
    .await;
    let error = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "the database system is starting up");
    until_replaced(store, ACCOUNT, "cloudberry-proxy-0", uid(&old)).await;
    assert!(deleted.elapsed() > Duration::from_millis(2500), "ready after {:?}", deleted.elapsed());
    let failed = events(store, ACCOUNT, "cloudberry-proxy-0", "Unhealthy");
    // The first pod of that name may have failed its probe once too, on a busy machine.
    let expected = "Readiness probe failed: 127.0.0.1:5432 - rejecting connections";
    assert!(!failed.is_empty() && failed.iter().all(|message| message == expected), "{failed:?}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_lost_node_stay_terminating_until_it_is_marked_out_of_service() {
    let sandbox = start("lost-node").await;
    let store = sandbox.store();
    let node = Key::new("nodes", "", "node-2");
    assert_eq!(condition(&store.get(&node).unwrap(), "Ready")["status"], "Unknown");
    let pods = store.list("pods", None).0;
    let there: Vec<_> = pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-2").collect();
    assert!(!there.is_empty() && there.len() < pods.len());
    assert!(there.iter().all(|pod| !is_ready(pod)), "a pod of the lost node is still Ready");
    let victim = there.iter().find(|pod| pod["metadata"]["name"] == "wh9527-0").expect("wh9527-0 is on node-2");
    delete(store, "pods", ACCOUNT, "wh9527-0");
    // Another pod of the same kind of change goes through meanwhile.
    replace(store, SYSTEM, "safekeeper-0", &[]).await;
    let now = pod(store, ACCOUNT, "wh9527-0").unwrap();
    assert!(uid(&now) == uid(victim) && now["metadata"]["deletionTimestamp"].is_string());
    update(store, &node, |node| {
        let taint = json!({"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute", "value": "nodeshutdown"});
        node["spec"]["taints"].as_array_mut().unwrap().push(taint);
    });
    until_replaced(store, ACCOUNT, "wh9527-0", uid(victim)).await;
    assert_eq!(pod(store, ACCOUNT, "wh9527-0").unwrap()["spec"]["nodeName"], "node-1");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_all_is_ready_but_sql() {
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    assert_eq!(sandbox.notices(), ["PostgreSQL is not installed here: sudo apt-get install -y postgresql"]);
    let proxy = pod(sandbox.store(), ACCOUNT, "cloudberry-proxy-0").unwrap();
    assert_eq!(proxy["metadata"]["annotations"]["kubectl-synxdb/sql-skipped"], sandbox.notices()[0].as_str());
    let refused = sandbox.connect(ACCOUNT, "cloudberry-proxy-0", 5432).unwrap_err();
    assert!(refused.contains("connection refused"), "{refused}");
    replace(sandbox.store(), ACCOUNT, "cloudberry-proxy-0", &["data-cloudberry-proxy-0"]).await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_scale_and_roll_out() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let set = Key::new("statefulsets", ACCOUNT, "wh9527");
    let image = |pod: &str| pod_image(store, pod);
    update(store, &set, |set| set["spec"]["replicas"] = json!(3));
    within("the third node is ready", sandbox.settled()).await.unwrap();
    update(store, &set, |set| set["spec"]["replicas"] = json!(1));
    until(store, "two nodes are gone", |store| {
        ["wh9527-1", "wh9527-2"].iter().all(|name| pod(store, ACCOUNT, name).is_none())
    })
    .await;
    assert!(store.get(&Key::new(CLAIMS, ACCOUNT, "data-wh9527-2")).is_some(), "a claim went with its pod");
    let template = "/spec/template/spec/containers/0/image";
    update(store, &set, |set| *set.pointer_mut(template).unwrap() = json!("synxdb/cloudberry:4.0.1"));
    until(store, "the node runs the new image", |_| image("wh9527-0").as_deref() == Some("synxdb/cloudberry:4.0.1"))
        .await;
    until(store, "the set's status tells", |store| {
        let status = &store.get(&set).unwrap()["status"];
        status["readyReplicas"] == 1 && status["currentRevision"] == status["updateRevision"]
    })
    .await;
    sandbox.stop().await;
}

fn pod_image(store: &Store, name: &str) -> Option<String> {
    Some(pod(store, ACCOUNT, name)?["spec"]["containers"][0]["image"].as_str()?.to_owned())
}

/// The ids of PostgreSQL servers whose data lies below a folder.
fn postmasters(folder: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.join("objects")).into_iter().flatten().flatten() {
        if let Ok(text) = std::fs::read_to_string(entry.path().join("postmaster.pid")) {
            found.extend(text.lines().next().and_then(|pid| pid.parse::<i32>().ok()));
        }
    }
    found
}

fn exists(pid: i32) -> bool {
    // A process that ended and was not waited for yet is none any longer.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_started_again_in_the_same_pod() {
    let sandbox = start("healthy").await;
    let store = sandbox.store();
    let before = pod(store, SYSTEM, "cloudberry-proxy-0").unwrap();
    let data = sandbox.folder().join("objects").join(format!("{SYSTEM}.cloudberry-proxy-0"));
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until(store, "the container is restarted", |store| {
        let now = pod(store, SYSTEM, "cloudberry-proxy-0").unwrap();
        now["status"]["containerStatuses"][0]["restartCount"] == 1 && is_ready(&now)
    })
    .await;
    let after = pod(store, SYSTEM, "cloudberry-proxy-0").unwrap();
    assert_eq!(uid(&after), uid(&before));
    let last = &after["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((last["exitCode"].as_u64(), last["reason"].as_str()), (Some(137), Some("Error")));
    let meta = connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap();
    assert_eq!(query(&meta, "SELECT name FROM accounts").await, ["cloud007"]);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_no_process_and_no_folder() {
    for drop_it in [false, true] {
        let sandbox = start("healthy").await;
        let folder = sandbox.folder().to_owned();
        let servers = postmasters(&folder);
        assert_eq!(servers.len(), 2);
        assert!(servers.iter().all(|pid| exists(*pid)));
        if rustix::process::geteuid().is_root() {
            for pid in &servers {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                let ids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
                assert!(ids.split_whitespace().skip(1).all(|id| id != "0"), "runs as root: {ids}");
            }
        }
        if drop_it {
            drop(sandbox);
        } else {
            sandbox.stop().await;
        }
        assert!(!folder.exists(), "{} is left", folder.display());
        assert!(!servers.iter().any(|pid| exists(*pid)), "a server is left");
    }
}

/// Runs a sandbox until it is killed: started as another process by the next test, for which it writes its folder down.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of the test below"]
async fn a_sandbox_to_be_killed() {
    let Some(root) = std::env::var_os("SANDBOX_TEST_ROOT") else { return };
    let options = Options { state_root: Some(Path::new(&root).join("state")), ..Options::default() };
    let sandbox = start_with(options).await;
    let told = Path::new(&root).join("told");
    std::fs::write(&told, sandbox.folder().to_str().unwrap()).unwrap();
    std::fs::rename(told, Path::new(&root).join("folder")).unwrap();
    println!("ready");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sandbox_leaves_nothing_after_the_next_start() {
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_sandbox_to_be_killed", "--ignored", "--nocapture"])
        .env("SANDBOX_TEST_ROOT", root.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    within("the other sandbox is ready", async {
        while lines.next_line().await.unwrap().expect("it ended too early") != "ready" {}
    })
    .await;
    let folder = std::fs::read_to_string(root.path().join("folder")).unwrap();
    let folder = Path::new(&folder);
    let servers = postmasters(folder);
    assert_eq!(servers.len(), 2);
    child.kill().await.unwrap();
    assert!(folder.exists());
    let options = Options { state_root: Some(root.path().join("state")), ..Options::default() };
    let next = Sandbox::start(options).await.unwrap();
    assert!(!folder.exists(), "{} is left", folder.display());
    assert!(!servers.iter().any(|pid| exists(*pid)), "a server is left");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_history_makes_the_controllers_look_again() {
    let sandbox = start("healthy").await;
    let store = sandbox.store().clone();
    // Whoever is a change behind has lost it.
    let forgetful = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                if let Ok(mut watcher) = store.watch(store.version()) {
                    watcher.next().await;
                }
                store.compact();
            }
        }
    });
    let claim = store.get(&Key::new(CLAIMS, ACCOUNT, "data-cloudberry-proxy-0")).unwrap();
    delete(&store, CLAIMS, ACCOUNT, "data-cloudberry-proxy-0");
    let old = delete(&store, "pods", ACCOUNT, "cloudberry-proxy-0");
    until_replaced(&store, ACCOUNT, "cloudberry-proxy-0", uid(&old)).await;
    let new = store.get(&Key::new(CLAIMS, ACCOUNT, "data-cloudberry-proxy-0")).unwrap();
    assert_ne!(uid(&new), uid(&claim));
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await, SEEDED);
    forgetful.abort();
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_does_not_work_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(bin.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, script) in [
        ("postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n"),
        ("initdb", "#!/bin/sh\necho 'initdb: error: no space left on device' >&2; exit 1\n"),
    ] {
        std::fs::write(bin.path().join(name), script).unwrap();
        std::fs::set_permissions(bin.path().join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let options = Options { postgres: PostgresChoice::Folder(bin.path().to_owned()), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let error = within("the failure is told", sandbox.settled()).await.unwrap_err();
    assert_eq!(error.to_string(), "initdb failed: initdb: error: no space left on device");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_scenario_is_refused_before_anything_is_made() {
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let state_root = Some(root.path().join("state"));
    let options = Options { scenario: "helthy".to_owned(), state_root, ..Options::default() };
    let error = Sandbox::start(options).await.unwrap_err();
    assert!(error.why().contains("healthy"), "{}", error.why());
    assert!(!root.path().join("state").exists());
}
