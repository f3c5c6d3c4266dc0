//! What runs in the pods, and how SynxDB's components would answer.

use crate::support::*;
use practice_cluster::store::Key;
use practice_cluster::{Options, PostgresChoice};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

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
    // No node takes the replacement, so that the warehouse stays short of one while this test runs.
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
    within("all pods are ready", sandbox.ready()).await.unwrap();
    let client = connect(&sandbox, ACCOUNT, "cloudberry-proxy-0", "test_db").await.unwrap();
    assert_eq!(query(&client, PROJECTS).await, SEEDED);
    // A node itself rejects clients, as a segment does.
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
    // The metadata proxy creates its database, but not its content.
    replace(store, SYSTEM, "cloudberry-proxy-0", &[claim]).await;
    let meta = connect(&sandbox, SYSTEM, "cloudberry-proxy-0", "cloudmeta").await.unwrap();
    let tables = "SELECT count(*)::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    assert_eq!(query(&meta, tables).await, ["0"]);
    // An undo: the old volume is reserved for the claim, and the current one is also retained.
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scenario_forbids_is_denied_by_requests_and_reviews() {
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
    // Several simultaneous connections.
    for _ in 0..3 {
        let mut forward = within("port-forward", pods.portforward("cloudberry-proxy-0", &[5432])).await.unwrap();
        let stream = forward.take_stream(5432).unwrap();
        let mut config = tokio_postgres::Config::new();
        config.user("gpadmin").password(sandbox.password()).dbname("test_db");
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
    let refused = |message: &String| {
        message.starts_with("Readiness probe failed: dial tcp 10.")
            && message.ends_with(":5432: connect: connection refused")
    };
    assert!(!failed.is_empty() && failed.iter().all(refused), "{failed:?}");
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

/// An ordered set waits until a pod is available, `minReadySeconds` after it is Ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_waits_until_a_pod_is_available() {
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    let store = sandbox.store();
    let labels = json!({"app": "waits"});
    let set = json!({"metadata": {}, "spec": {"replicas": 2, "minReadySeconds": 2, "serviceName": "waits",
        "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": "synxdb/safekeeper:4.0.0"}]}}}});
    store.create(Key::new("statefulsets", "default", "waits"), set, false).unwrap();
    until(store, "the second pod is there", |store| pod(store, "default", "waits-1").is_some()).await;
    let time = |pod: &Value, pointer: &str| -> jiff::Timestamp {
        pod.pointer(pointer).and_then(Value::as_str).unwrap().parse().unwrap()
    };
    let (first, second) = (pod(store, "default", "waits-0").unwrap(), pod(store, "default", "waits-1").unwrap());
    let since = condition(&first, "Ready")["lastTransitionTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waited = time(&second, "/metadata/creationTimestamp").duration_since(since).as_secs();
    assert!(waited >= 2, "{waited}");
    until(store, "both are available", |store| {
        let set = store.get(&Key::new("statefulsets", "default", "waits")).unwrap();
        set["status"]["availableReplicas"] == 2
    })
    .await;
    sandbox.stop().await;
}

/// A controller gets the same rejections as any client, and reports them.
#[tokio::test(flavor = "multi_thread")]
async fn a_quota_keeps_a_controller_from_creating() {
    let sandbox = start_with(Options { postgres: PostgresChoice::None, ..Options::default() }).await;
    let store = sandbox.store();
    let quota = json!({"metadata": {}, "spec": {"hard": {"pods": "3"}}});
    store.create(Key::new("resourcequotas", ACCOUNT, "team"), quota, false).unwrap();
    until(store, "the quota is counted", |store| {
        let quota = store.get(&Key::new("resourcequotas", ACCOUNT, "team")).unwrap();
        quota["status"]["used"]["pods"] == "3"
    })
    .await;
    let key = Key::new("statefulsets", ACCOUNT, "wh9527");
    update(store, &key, |set| set["spec"]["replicas"] = json!(3));
    until(store, "it says so", |store| {
        let said = events(store, ACCOUNT, "wh9527", "FailedCreate");
        said.iter().any(|said| said.contains("exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3"))
    })
    .await;
    update(store, &Key::new("resourcequotas", ACCOUNT, "team"), |quota| quota["spec"]["hard"]["pods"] = json!("4"));
    until(store, "the third is there", |store| pod(store, ACCOUNT, "wh9527-2").is_some()).await;
    sandbox.stop().await;
}
