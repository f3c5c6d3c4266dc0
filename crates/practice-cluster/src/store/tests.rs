use super::history::{FIRST_VERSION, HISTORY};
use super::*;
use crate::objects::is_terminating;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

fn pod(name: &str) -> Key {
    Key::new("pods", "ns", name)
}

fn create(store: &Store, name: &str) -> Arc<Value> {
    store.create(pod(name), json!({"spec": {"nodeName": "node-1"}}), false).unwrap()
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[test]
fn created_objects_have_identity_and_defaults() {
    let store = Store::new();
    let a = create(&store, "a");
    assert_eq!(version(&a), FIRST_VERSION + 1);
    assert_eq!(a["apiVersion"], "v1");
    assert_eq!(a["kind"], "Pod");
    assert_eq!(a["metadata"]["namespace"], "ns");
    assert_eq!(a["metadata"]["generation"], 1);
    assert_eq!(a["spec"]["terminationGracePeriodSeconds"], 30);
    assert!(a["metadata"]["creationTimestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(store.create(pod("a"), json!({}), false), Err(StoreError::AlreadyExists));

    let b = store.create(pod(""), json!({"metadata": {"generateName": "web-"}}), false).unwrap();
    let name = b["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    assert!(store.get(&pod(name)).is_some());
    assert!(matches!(store.create(pod(""), json!({}), false), Err(StoreError::Invalid(_))));

    let before = store.version();
    store.create(pod("dry"), json!({}), true).unwrap();
    assert_eq!((store.get(&pod("dry")), store.version()), (None, before));
}

#[test]
fn updates_respect_preconditions_and_identity() {
    let store = Store::new();
    let a = create(&store, "a");
    let uid = a["metadata"]["uid"].as_str().unwrap();
    let none = Preconditions::none();

    let changed = store
        .update(&pod("a"), &Preconditions::uid(uid), false, |o| {
            o["metadata"]["uid"] = json!("forged");
            o["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
            o["spec"]["nodeName"] = json!("node-2");
            Ok(())
        })
        .unwrap();
    assert_eq!(changed["metadata"]["uid"], uid);
    assert!(changed["metadata"].get("deletionTimestamp").is_none());
    assert_eq!(changed["metadata"]["generation"], 2);
    assert_eq!(version(&changed), version(&a) + 1);

    // No difference, no version; status leaves the generation alone; a refusing closure writes nothing.
    assert_eq!(store.update(&pod("a"), &none, false, |_| Ok(())).unwrap(), changed);
    let status = |o: &mut Value| {
        o["status"]["phase"] = json!("Running");
        Ok(())
    };
    assert_eq!(store.update(&pod("a"), &none, false, status).unwrap()["metadata"]["generation"], 2);
    let refused = store.update(&pod("a"), &none, false, |o| {
        o["spec"] = json!({});
        Err(StoreError::Invalid(vec![]))
    });
    assert_eq!(refused, Err(StoreError::Invalid(vec![])));
    assert_eq!(store.get(&pod("a")).unwrap()["spec"]["nodeName"], "node-2");

    let stale = Preconditions { uid: None, resource_version: Some("7".to_owned()) };
    assert!(matches!(store.update(&pod("a"), &stale, false, |_| Ok(())), Err(StoreError::Stale(_, _))));
    let other = Preconditions::uid("other");
    assert!(matches!(store.update(&pod("a"), &other, false, |_| Ok(())), Err(StoreError::UidMismatch(_, _))));
    assert_eq!(store.update(&pod("b"), &none, false, |_| Ok(())), Err(StoreError::NotFound));
}

#[test]
fn a_running_pod_stays_until_its_grace_is_over() {
    let store = Store::new();
    create(&store, "a");
    let (marked, gone) = store.delete(&pod("a"), &DeleteOptions::default()).unwrap();
    assert!(!gone);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(marked["metadata"]["generation"], 2);

    // Once more, and longer: nothing changes. Shorter: does. Zero: gone.
    let again = |grace| store.delete(&pod("a"), &DeleteOptions { grace_seconds: grace, ..Default::default() }).unwrap();
    assert_eq!(again(None), (marked.clone(), false));
    assert_eq!(again(Some(60)), (marked.clone(), false));
    let (shorter, gone) = again(Some(5));
    assert_eq!((&shorter["metadata"]["deletionGracePeriodSeconds"], gone), (&json!(5), false));
    let time = |o: &Value| o["metadata"]["deletionTimestamp"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(time(&marked).duration_since(time(&shorter)), SignedDuration::from_secs(25));
    let (last, gone) = again(Some(0));
    assert!(gone && store.get(&pod("a")).is_none());
    assert_eq!(version(&last), store.version());

    // A pod that never reached a node has nothing to wait for.
    store.create(pod("b"), json!({}), false).unwrap();
    assert!(store.delete(&pod("b"), &DeleteOptions::default()).unwrap().1);
}

#[test]
fn finalizers_hold_an_object_and_the_last_one_lets_it_go() {
    let store = Store::new();
    let key = Key::new("persistentvolumeclaims", "ns", "data");
    store.create(key.clone(), json!({}), false).unwrap();
    let dry = DeleteOptions { dry_run: true, ..Default::default() };
    let before = store.version();
    assert!(!store.delete(&key, &dry).unwrap().1);
    assert_eq!(store.version(), before);

    let (object, gone) = store.delete(&key, &DeleteOptions::default()).unwrap();
    assert!(!gone && is_terminating(&object));
    let last = store
        .update(&key, &Preconditions::none(), false, |o| {
            o["metadata"]["finalizers"] = json!([]);
            Ok(())
        })
        .unwrap();
    assert_eq!(store.get(&key), None);
    assert_eq!(version(&last), store.version());
    assert_eq!(store.delete(&key, &DeleteOptions::default()), Err(StoreError::NotFound));
}

#[tokio::test]
async fn watches_replay_then_follow_without_loss() {
    let store = Store::new();
    create(&store, "a");
    let since = store.version();
    let mut old = store.watch(FIRST_VERSION).unwrap();
    let mut live = store.watch(since).unwrap();
    let change = old.next().await.unwrap();
    assert_eq!((change.kind, change.key, change.before), (ChangeKind::Added, pod("a"), None));

    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for n in 0..100 {
            create(&writer, &format!("p{n}"));
            tokio::task::yield_now().await;
        }
        writer.delete(&pod("a"), &DeleteOptions { grace_seconds: Some(0), ..Default::default() }).unwrap();
    });
    for n in 0..100 {
        let change = live.next().await.unwrap();
        assert_eq!((change.key.name, change.version), (format!("p{n}"), since + 1 + n));
    }
    let last = live.next().await.unwrap();
    assert_eq!((last.kind, last.version), (ChangeKind::Deleted, version(&last.object)));
    assert!(last.before.is_some());
    writing.await.unwrap();
    drop(store);
    assert!(live.next().await.is_none(), "the store is gone");
}

#[tokio::test]
async fn history_expires() {
    let store = Store::new();
    create(&store, "a");
    let since = store.version();
    create(&store, "b");
    let mut behind = store.watch(since).unwrap();
    let mut ahead = store.watch(store.version()).unwrap();
    assert_eq!(store.list_at("pods", None, since).unwrap().len(), 1);
    store.compact();
    assert_eq!(store.watch(since).err(), Some(StoreError::Expired));
    assert_eq!(store.list_at("pods", None, since), Err(StoreError::Expired));
    assert!(behind.next().await.is_none());
    assert!(behind.expired());
    create(&store, "c");
    assert_eq!(ahead.next().await.unwrap().key, pod("c"), "who was not behind loses nothing");

    let first = store.version();
    for _ in 0..HISTORY {
        store
            .update(&pod("c"), &Preconditions::none(), false, |o| {
                o["n"] = json!(o["n"].as_u64().unwrap_or(0) + 1);
                Ok(())
            })
            .unwrap();
    }
    assert!(store.watch(first).is_ok());
    create(&store, "d");
    assert_eq!(store.watch(first).err(), Some(StoreError::Expired));
}

#[test]
fn lists_are_by_namespace_and_can_be_taken_back_in_time() {
    let store = Store::new();
    for (namespace, name) in [("b", "x"), ("a", "z"), ("a", "y")] {
        store.create(Key::new("pods", namespace, name), json!({}), false).unwrap();
    }
    store.create(Key::new("secrets", "a", "s"), json!({}), false).unwrap();
    let names = |objects: &[Arc<Value>]| -> Vec<String> {
        objects.iter().map(|o| o["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let (all, at) = store.list("pods", None);
    assert_eq!(names(&all), ["y", "z", "x"]);
    assert_eq!(names(&store.list("pods", Some("a")).0), ["y", "z"]);
    assert_eq!(names(&store.list("pods", Some("")).0), [""; 0]);

    store.delete(&Key::new("pods", "a", "z"), &DeleteOptions::default()).unwrap();
    store.create(Key::new("pods", "a", "new"), json!({}), false).unwrap();
    store
        .update(&Key::new("pods", "a", "y"), &Preconditions::none(), false, |o| {
            o["spec"]["nodeName"] = json!("n");
            Ok(())
        })
        .unwrap();
    assert_eq!(names(&store.list("pods", None).0), ["new", "y", "x"]);
    assert_eq!(store.list_at("pods", None, at).unwrap(), all);
}
