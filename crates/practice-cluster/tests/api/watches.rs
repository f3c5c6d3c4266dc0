//! Watches: resuming, expiry, bookmarks, selectors.

use crate::support::Server;
use futures::{AsyncBufReadExt, StreamExt};
use practice_cluster::store::{DeleteOptions, Key, Preconditions};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/v1/namespaces/ns/configmaps?watch=true";

/// The events of a watch. Waiting for one that does not come fails the test.
struct Events(std::pin::Pin<Box<dyn futures::Stream<Item = std::io::Result<String>> + Send>>);

impl Events {
    async fn open(server: &Server, query: &str) -> Events {
        let request = http::Request::get(format!("{PATH}{query}")).body(vec![]).unwrap();
        let stream = server.client("admin").await.request_stream(request).await.unwrap();
        Events(Box::pin(stream.lines()))
    }

    async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await.unwrap();
        line.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    }

    /// Returns type, name and resourceVersion of the next event.
    async fn event(&mut self) -> (String, String, String) {
        let event = self.next().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &event["object"]["metadata"];
        (text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"]))
    }
}

fn create(server: &Server, name: &str, tier: &str) -> String {
    let object = json!({"metadata": {"labels": {"tier": tier}}});
    let created = server.state.store.create(Key::new("configmaps", "ns", name), object, false).unwrap();
    created["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

fn relabel(server: &Server, name: &str, tier: &str) -> String {
    let change = |object: &mut Value| {
        object["metadata"]["labels"]["tier"] = json!(tier);
        Ok(())
    };
    let key = Key::new("configmaps", "ns", name);
    let changed = server.state.store.update(&key, &Preconditions::none(), false, change).unwrap();
    changed["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

fn row(kind: &str, name: &str, version: &str) -> (String, String, String) {
    (kind.to_owned(), name.to_owned(), version.to_owned())
}

#[tokio::test]
async fn a_watch_resumes_without_loss() {
    let server = Server::start().await;
    let a = create(&server, "a", "hot");
    let b = create(&server, "b", "hot");
    // Another namespace and another kind are irrelevant to it.
    server.state.store.create(Key::new("configmaps", "default", "x"), json!({}), false).unwrap();
    server.state.store.create(Key::new("secrets", "ns", "x"), json!({}), false).unwrap();
    let mut events = Events::open(&server, &format!("&resourceVersion={a}")).await;
    assert_eq!(events.event().await, row("ADDED", "b", &b));
    let changed = relabel(&server, "a", "cold");
    assert_eq!(events.event().await, row("MODIFIED", "a", &changed));
    let (gone, _) = server.state.store.delete(&Key::new("configmaps", "ns", "a"), &DeleteOptions::default()).unwrap();
    assert_eq!(events.event().await, row("DELETED", "a", gone["metadata"]["resourceVersion"].as_str().unwrap()));

    // Without a version, the existing objects come first.
    let mut events = Events::open(&server, "").await;
    assert_eq!(events.event().await, row("ADDED", "b", &b));
    let c = create(&server, "c", "hot");
    assert_eq!(events.event().await, row("ADDED", "c", &c));
}

#[tokio::test]
async fn an_object_that_ceases_to_match_is_deleted_to_the_watch() {
    let server = Server::start().await;
    let a = create(&server, "a", "hot");
    let mut events = Events::open(&server, &format!("&resourceVersion={a}&labelSelector=tier%3Dhot")).await;
    let cold = relabel(&server, "a", "cold");
    let left = events.next().await.unwrap();
    assert_eq!((&left["type"], &left["object"]["metadata"]["resourceVersion"]), (&json!("DELETED"), &json!(cold)));
    assert_eq!(left["object"]["metadata"]["labels"]["tier"], "hot", "as it was when it matched");
    create(&server, "b", "cold");
    let hot = relabel(&server, "a", "hot");
    assert_eq!(events.event().await, row("ADDED", "a", &hot));
}

#[tokio::test]
async fn expiry_is_reported_in_the_stream() {
    let server = Server::start().await;
    let a = create(&server, "a", "hot");
    let b = create(&server, "b", "hot");
    server.state.store.compact();
    let mut events = Events::open(&server, &format!("&resourceVersion={a}")).await;
    let error = events.next().await.unwrap();
    assert_eq!(error["type"], "ERROR");
    assert_eq!(error["object"]["message"], format!("too old resource version: {a} ({b})"));
    assert_eq!((&error["object"]["reason"], &error["object"]["code"]), (&json!("Expired"), &json!(410)));
    assert!(events.next().await.is_none(), "and the stream ends");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark_and_so_does_a_watch() {
    let server = Server::start().await;
    let a = create(&server, "a", "hot");
    let query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut events = Events::open(&server, &format!("{query}&timeoutSeconds=1")).await;
    assert_eq!(events.event().await, row("ADDED", "a", &a));
    let end = events.next().await.unwrap();
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    // A change of another kind advances the last bookmark.
    let s = server.state.store.create(Key::new("secrets", "ns", "x"), json!({}), false).unwrap();
    let last = events.next().await.unwrap();
    assert_eq!((&last["type"], &last["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(last["object"]["metadata"]["resourceVersion"], s["metadata"]["resourceVersion"]);
    assert!(events.next().await.is_none(), "timeoutSeconds is over");

    let (status, refused) = server.get(&format!("{PATH}&sendInitialEvents=true")).await;
    assert_eq!((status, &refused["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn a_stopped_server_cuts_its_watches() {
    let server = Server::start().await;
    let a = create(&server, "a", "hot");
    let mut events = Events::open(&server, "").await;
    assert_eq!(events.event().await, row("ADDED", "a", &a));
    server.stop().await;
    let end = tokio::time::timeout(Duration::from_secs(10), events.0.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

#[tokio::test]
async fn kube_runtime_watchers_follow_through_an_expiry() {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::{WatchStreamExt, watcher};
    let server = Server::start().await;
    create(&server, "a", "hot");
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(server.client("admin").await);
        let mut objects = Box::pin(watcher(api, config).applied_objects());
        let first = tokio::time::timeout(Duration::from_secs(10), objects.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(first.metadata.name.as_deref(), Some("a"));
        let changed =
            relabel(&server, "a", if first.metadata.labels.unwrap()["tier"] == "hot" { "cold" } else { "hot" });
        let next = tokio::time::timeout(Duration::from_secs(10), objects.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(next.metadata.resource_version, Some(changed));
    }
}
