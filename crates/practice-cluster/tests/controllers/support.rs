//! A practice cluster under test, and common operations.

use crate::machine;
use practice_cluster::store::{DeleteOptions, Key, Preconditions, Store};
use practice_cluster::{Options, PostgresChoice, Sandbox};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres::{Client, NoTls};

pub(crate) const SYSTEM: &str = "synxdb-system";
pub(crate) const ACCOUNT: &str = "cloud007-513d75d5-3033-4649-b913-07f6115ec41a";
pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
pub(crate) const VOLUMES: &str = "persistentvolumes";

/// Far more than anything here takes: a test that hangs fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {LIMIT:?}"),
    }
}

pub(crate) async fn start_with(options: Options) -> Sandbox {
    let state_root = options.state_root.clone().or_else(machine::state_root);
    let with_sql = options.postgres != PostgresChoice::None;
    let sandbox = Sandbox::start(Options { state_root, ..options }).await.unwrap();
    if with_sql {
        machine::needs_postgresql(sandbox.notices());
    }
    within("all pods are ready", sandbox.ready()).await.unwrap();
    sandbox
}

pub(crate) async fn start(scenario: &str) -> Sandbox {
    start_with(Options { scenario: scenario.to_owned(), ..Options::default() }).await
}

/// Waits until a condition on the store holds.
pub(crate) async fn until(store: &Store, what: &str, holds: impl Fn(&Store) -> bool) {
    within(what, async {
        loop {
            let since = store.version();
            if holds(store) {
                return;
            }
            // A compacted history counts as a change, too.
            if let Ok(mut watcher) = store.watch(since) {
                watcher.next().await;
            }
        }
    })
    .await;
}

pub(crate) fn pod(store: &Store, namespace: &str, name: &str) -> Option<Arc<Value>> {
    store.get(&Key::new("pods", namespace, name))
}

pub(crate) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

pub(crate) fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    let none = &Value::Null;
    object["status"]["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(none)
}

pub(crate) fn is_ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
}

pub(crate) fn delete(store: &Store, resource: &'static str, namespace: &str, name: &str) -> Arc<Value> {
    store.delete(&Key::new(resource, namespace, name), &DeleteOptions::default()).unwrap().0
}

pub(crate) fn update(store: &Store, key: &Key, change: impl FnOnce(&mut Value)) {
    let change = |object: &mut Value| {
        change(object);
        Ok(())
    };
    store.update(key, &Preconditions::default(), false, change).unwrap();
}

/// Deletes a pod, with its claims if requested, and waits until a new one of its name is ready.
pub(crate) async fn replace(store: &Store, namespace: &str, name: &str, claims: &[&str]) {
    for claim in claims {
        delete(store, CLAIMS, namespace, claim);
    }
    let old = delete(store, "pods", namespace, name);
    until_replaced(store, namespace, name, uid(&old)).await;
}

pub(crate) async fn until_replaced(store: &Store, namespace: &str, name: &str, old: &str) {
    until(store, &format!("{name} is replaced and ready"), |store| {
        pod(store, namespace, name).is_some_and(|pod| uid(&pod) != old && is_ready(&pod))
    })
    .await;
}

pub(crate) fn events(store: &Store, namespace: &str, name: &str, reason: &str) -> Vec<String> {
    let events = store.list("events", Some(namespace)).0;
    let about = |event: &&Arc<Value>| event["involvedObject"]["name"] == name && event["reason"] == reason;
    events.iter().filter(about).map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn volume_of(store: &Store, namespace: &str, claim: &str) -> String {
    let claim = store.get(&Key::new(CLAIMS, namespace, claim)).unwrap();
    claim["spec"]["volumeName"].as_str().unwrap().to_owned()
}

pub(crate) async fn connect(
    sandbox: &Sandbox,
    namespace: &str,
    pod: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let stream = sandbox.connect(namespace, pod, 5432).unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user("gpadmin").password(sandbox.password()).dbname(database);
    let (client, connection) = within("login", config.connect_raw(stream, NoTls)).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Returns the first column of every row, as text.
pub(crate) async fn query(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

pub(crate) const PROJECTS: &str = "SELECT project_name FROM projects ORDER BY project_id";
pub(crate) const SEEDED: [&str; 3] = ["Project Alpha", "Project Beta", "Project Gamma"];

pub(crate) async fn get(sandbox: &Sandbox, pod: &str, port: u16, path: &str) -> String {
    let mut stream = sandbox.connect(SYSTEM, pod, port).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {pod}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the status page answers", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Returns a client of the API, configured by the kubeconfig.
pub(crate) async fn kube(sandbox: &Sandbox) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(sandbox.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}
